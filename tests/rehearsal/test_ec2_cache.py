"""What is kept between rehearsals goes once nobody has used it for two weeks."""

import os
import time
from pathlib import Path

from rehearsal.ec2 import cache


def test_only_what_nobody_uses_goes(tmp_path: Path) -> None:
    names = ("base-1", "packages-1", "image-1", "image-2", "runs")
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
        long_ago = time.time() - cache.KEPT_SECONDS - 60
        os.utime(tmp_path / name, (long_ago, long_ago))
    assert cache.used(tmp_path / "image-2") == tmp_path / "image-2"
    cache.forget_unused(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["image-2", "runs"]
