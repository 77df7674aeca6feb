"""Disks made of layers: a machine writes into its own; an image is layers that nobody writes to.

The newest layer comes first, the base tree last.
"""

import os
import subprocess
import time
from pathlib import Path

from rehearsal.errors import RehearsalError

Layers = tuple[Path, ...]


def mount(layers: Layers, directory: Path) -> Path:
    """Mount a disk that starts as these layers and keeps its changes in the directory.

    Gives the root of the disk. Raises RehearsalError.
    """
    upper, work, root = (directory / name for name in ("upper", "work", "root"))
    for one in (upper, work, root):
        one.mkdir(parents=True, exist_ok=True)
    if not os.path.ismount(root):
        upper.chmod(0o755)
        lower = ":".join(map(str, layers))
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        mounted = subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", options, str(root)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode != 0:
            raise RehearsalError(f"{root} can't be mounted: {mounted.stderr.strip()}")
    return root


def unmount(directory: Path) -> None:
    """Unmount the disk whose changes are kept in the directory; fine where none is mounted.

    Raises OSError.
    """
    let_go(directory / "root")


def let_go(place: Path, seconds: float = 10) -> None:
    """Unmount what is mounted at a place, if anything is. Raises OSError.

    It may be in use for so many seconds: a machine that is just starting holds a copy of every
    mount until it has turned to its own.
    """
    deadline = time.monotonic() + seconds
    while os.path.ismount(place):
        ended = subprocess.run(
            ["umount", str(place)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode != 0 and time.monotonic() >= deadline:
            raise OSError(f"{place} can't be unmounted: {ended.stderr.strip()}")
        if ended.returncode != 0:
            time.sleep(0.05)


def freeze(directory: Path, layer: Path) -> Path:
    """Turn the changes of a disk that is not mounted into a layer; the disk goes on above it."""
    unmount(directory)
    layer.parent.mkdir(parents=True, exist_ok=True)
    return (directory / "upper").rename(layer)
