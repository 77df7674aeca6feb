"""What a rehearsal could leave on this machine, to compare before and after."""

from pathlib import Path

from rehearsal.ec2 import base_image, cgroups
from rehearsal.ec2.network import BRIDGE

RUNS = base_image.CACHE / "runs"


def left(mark: str) -> dict[str, list[str]]:
    """List what there is of a rehearsal that is known by the name of its directory."""
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return {
        "processes": [one for one in _processes() if mark in one],
        "mounts": [line.split()[1] for line in mounts if mark in line],
        "groups": [str(one) for one in cgroups.own().rglob(f"*{mark}*")],
        "files": [str(one) for one in RUNS.glob(f"{mark}*")],
        "interfaces": [str(one) for one in Path("/sys/class/net").glob(BRIDGE)],
    }


def of_machine(name: str) -> list[str]:
    """List what systemd-nspawn keeps of a machine while it runs."""
    return [str(one) for one in Path("/run/systemd/nspawn").rglob(name)]


def _processes() -> list[str]:
    """Give each process's command line and environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                texts = [(entry / name).read_bytes() for name in ("cmdline", "environ")]
            except OSError:  # gone meanwhile
                continue
            found.append(b"\0".join(texts).decode(errors="replace"))
    return found
