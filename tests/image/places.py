"""Where the image's parts lie in the repository."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKER = ROOT / "packer"
FILES = PACKER / "files"
UNITS = FILES / "systemd"
