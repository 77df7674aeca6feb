"""A fresh clone of this checkout, as its files are now, and a home beside it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.documents.shown import ROOT


def files() -> list[str]:
    """List what a clone holds."""
    listed = subprocess.run(
        [
            *("git", "-c", "safe.directory=*"),
            *("ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).exists()]


def copy(target: Path) -> None:
    """Copy what a clone holds, as its files are now."""
    for name in files():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)


def clone(target: Path) -> None:
    """Make a clone that has nothing compiled, and whose `make setup` finds its libraries there."""
    copy(target)
    made = (Path(sys.prefix) / "made").stat().st_mtime_ns
    for name in files():
        # Whatever was edited since: the libraries are there.
        os.utime(target / name, ns=(made, made))
    (target / ".venv").symlink_to(Path(sys.prefix))


def program(directory: Path, name: str, script: str) -> None:
    """Write a program of a shell script's lines."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / name
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)


def programs(directory: Path) -> None:
    """Put into a directory what a user has in `PATH` by other names or means than this machine."""
    python = Path(sys.prefix) / "bin/python"
    program(
        directory,
        "terraform",
        f'PYTHONPATH= exec {python} -P {ROOT / "rehearsal/terraform.py"} "$@"',
    )
    # Debian's Packer has its plugins built in, needs no `init`, and refuses the file for it.
    if packer := shutil.which("packer"):
        program(
            directory,
            "packer",
            f'if [ "$1" = init ]; then exec rm "$2/plugins.pkr.hcl"; fi\nexec {packer} "$@"',
        )
    (directory / "aws").symlink_to(Path(sys.prefix) / "awscli/bin/aws")
    if shutil.which("sudo") is None and os.geteuid() == 0:
        program(directory, "sudo", 'exec "$@"')
