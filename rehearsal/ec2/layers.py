"""Disks made of layers: a machine writes into its own; an image is layers that nobody writes to.

The newest layer comes first, the base tree last.
"""

import os
import subprocess
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
    """Unmount the disk whose changes are kept in the directory; fine where none is mounted."""
    root = directory / "root"
    if os.path.ismount(root):
        subprocess.run(["umount", str(root)], check=True, stdin=subprocess.DEVNULL)


def freeze(directory: Path, layer: Path) -> Path:
    """Turn the changes of a disk that is not mounted into a layer; the disk goes on above it."""
    unmount(directory)
    layer.parent.mkdir(parents=True, exist_ok=True)
    return (directory / "upper").rename(layer)
