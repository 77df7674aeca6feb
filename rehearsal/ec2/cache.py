"""Trees, packages and images that are made once and kept, as long as somebody uses them."""

import os
import shutil
import time
from pathlib import Path

KEPT_SECONDS = 14 * 86400

_KINDS = ("base-*", "packages-*", "image-*", "system-*")


def used(directory: Path) -> Path:
    """Note that something kept is used now; give it back."""
    os.utime(directory)
    return directory


def forget_unused(cache: Path) -> None:
    """Delete what nobody has used for two weeks."""
    for kind in _KINDS:
        for directory in cache.glob(kind):
            if time.time() - directory.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(directory)
