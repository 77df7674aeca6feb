"""The provisioners: scripts that a person may run on any Debian machine."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.image.places import FILES, PACKER

SCRIPTS = [*sorted((PACKER / "scripts").iterdir()), FILES / "libexec" / "poweroff"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script(script: Path) -> None:
    assert os.access(script, os.X_OK)
    done = subprocess.run(
        ["shellcheck", str(script)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_script_is_part_of_the_build() -> None:
    build = (PACKER / "image.pkr.hcl").read_text(encoding="utf-8")
    assert [path.name for path in SCRIPTS[:-1] if path.name not in build] == []
    assert build.rindex("scripts/clean") > build.rindex("./check")


def test_a_ref_goes_with_a_url(tmp_path: Path) -> None:
    script = PACKER / "scripts" / "install-trainer"
    done = subprocess.run(
        [str(script), str(tmp_path), "main"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "a ref goes with a git URL" in done.stderr
