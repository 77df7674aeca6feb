"""A directory for one rehearsal's machines, and an end to what an earlier one left behind.

Everything that outlives a process killed by force is found by the name of that directory: control
groups and the mark of processes carry it, disks are mounted below it, and a lock on it, which the
kernel takes back with the process, tells whether its owner lives.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rehearsal import power
from rehearsal.ec2 import cgroups, layers

_LOCK = "lock"
_GROUPS = "groups"
_NSPAWN = Path("/run/systemd/nspawn")


def mark(directory: Path) -> str:
    """Name the variable that the processes of a rehearsal carry."""
    return f"REHEARSAL_EC2={directory.name}"


@contextlib.contextmanager
def run_directory(runs: Path) -> Iterator[Path]:
    """Make a directory that is taken away afterwards, with all that belongs to it.

    Removes first what rehearsals that ended by force left in `runs`.
    """
    runs.mkdir(parents=True, exist_ok=True)
    with _alone(runs):
        for left in sorted(runs.iterdir()):
            if left.is_dir() and not _has_owner(left):
                remove(left)
        directory = Path(tempfile.mkdtemp(prefix="run-", dir=runs))
        directory.chmod(0o755)  # machines' own users look for their files below it
        (directory / _GROUPS).write_text(str(cgroups.own()), encoding="utf-8")
        lock = (directory / _LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    with lock, power.guarded(mark(directory)):
        try:
            yield directory
        finally:
            with _alone(runs):  # else who begins meanwhile, and sees no lock, removes it too
                remove(directory)


@contextlib.contextmanager
def _alone(runs: Path) -> Iterator[None]:
    """Keep others from making or removing a directory while the block lasts."""
    with (runs / "runs.lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        yield


def remove(directory: Path) -> None:
    """End, unmount and delete what belongs to a rehearsal's directory. Raises OSError."""
    groups = Path((directory / _GROUPS).read_text(encoding="utf-8"))
    mine = sorted(groups.glob(f"dxnn-{directory.name}-*"))
    for group in mine:
        cgroups.kill(group)
    power.end(mark(directory), grace_seconds=0)
    for group in mine:
        cgroups.remove(group)
    _unmount_below(directory)
    for machine in (directory / "machines").glob("*"):
        forget(machine.name)
    shutil.rmtree(directory)


def _has_owner(directory: Path) -> bool:
    try:
        with (directory / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _unmount_below(directory: Path) -> None:
    for mounted in reversed(_mounts_below(directory)):
        layers.let_go(Path(mounted))


def _mounts_below(directory: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    places = [line.split()[1] for line in lines]
    return [place for place in places if place.startswith(f"{directory}{os.sep}")]


def forget(machine: str) -> None:
    """Remove what systemd-nspawn leaves in /run of a machine that is off."""
    for kind in ("propagate", "unix-export"):
        shutil.rmtree(_NSPAWN / kind / machine, ignore_errors=True)
