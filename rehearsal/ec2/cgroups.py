"""A control group for each machine: what runs in it is cut off in one go, whatever it forks.

Two systemds must not share a group either: each would take the other's services for its own. As a
program it puts itself into a group and becomes another program:

    python -I cgroups.py GROUP PROGRAM [ARGUMENT]...
"""

import contextlib
import os
import sys
import time
from pathlib import Path


def own() -> Path:
    """Find the directory of the group that this process is in. Raises OSError without cgroup 2."""
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _device, place, kind, *_rest = line.split()
        if kind == "cgroup2":
            break
    else:
        raise FileNotFoundError("no cgroup2 file system is mounted here")
    lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    path = next(line.removeprefix("0::/") for line in lines if line.startswith("0::"))
    return Path(place) / path


def kill(group: Path) -> None:
    """Kill everything in a group and below it, at once; a group that is gone is no error."""
    with contextlib.suppress(FileNotFoundError):
        (group / "cgroup.kill").write_text("1", encoding="ascii")


def remove(group: Path, seconds: float = 10) -> None:
    """Remove a group and those below it once what was in them has ended.

    Raises OSError where they are still in use after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while group.exists():
        try:
            for directory, _below, _files in os.walk(group, topdown=False):
                Path(directory).rmdir()
        except OSError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)


if __name__ == "__main__":
    (Path(sys.argv[1]) / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - from a list
