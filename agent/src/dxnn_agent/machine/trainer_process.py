"""The trainer's process: started, signalled and recognised again by its process group."""

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dxnn_agent.errors import AgentError, NoProgramError
from dxnn_agent.machine import hand_over, trainer_environment, trainer_user
from dxnn_agent.machine.trainer_user import Owner
from dxnn_agent.settings import Settings

_LOOK_AGAIN_SECONDS = 0.05


@dataclass(frozen=True)
class ProcessId:
    """A process that is recognised again: by its number, and when the kernel started it.

    The latter in clock ticks since boot; another process may get the same number.
    """

    pid: int
    started_at: int | None


def environment(settings: Settings, variables: Mapping[str, str], user: Owner) -> dict[str, str]:
    """What the trainer, the checkpoint command and their children see.

    `variables` tell of the run, the settings of where things are; the rest is their own. Raises
    UsageError where that can't be read.
    """
    places = {
        "DXNN_CHECKPOINT_DIR": str(settings.checkpoint_dir),
        "DXNN_ERLANG_NODE": settings.erlang_node,
        "DXNN_ERLANG_COOKIE_FILE": str(settings.erlang_cookie_file),
        "DXNN_STALLED_AFTER_SECONDS": str(settings.stalled_after_seconds),
    }
    own = trainer_environment.of(user)
    own.pop("DXNN_RESTORE_PATH", None)
    return own | places | dict(variables)


def program(command: Sequence[str], directory: Path, setting: str) -> str:
    """Find the program that a command names. Raises NoProgramError where there is none to run."""
    name = command[0]
    candidate = str(directory / name) if "/" in name else name
    found = shutil.which(candidate, path=trainer_environment.path())
    if found is None:
        raise NoProgramError(f"{setting} = {list(command)!r}: there is no program {name!r} to run")
    return found


def start(settings: Settings, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the trainer directly, in a process group of its own and as its folder's owner.

    All that it prints goes into one pipe, the process's `stdout`.
    """
    found = program(settings.trainer_command, settings.trainer_directory, "trainer_command")
    user = trainer_user.of(settings.trainer_directory)
    command = [found, *settings.trainer_command[1:]]
    seen = environment(settings, variables, user)
    return launch(user, command, seen, settings.trainer_directory, subprocess.PIPE)


def launch(
    user: Owner,
    command: Sequence[str],
    seen: Mapping[str, str],
    directory: Path,
    output: int | IO[bytes],
) -> subprocess.Popen[bytes]:
    """Start a program as a user, in a process group of its own, with all that it prints in one."""
    with hand_over.to(user, command, seen) as handed_over:
        return subprocess.Popen(
            **handed_over,
            cwd=directory,
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )


def exits_within(process: subprocess.Popen[bytes], seconds: float | None) -> bool:
    """Sleep until the trainer exits, for no longer than that; whether it did.

    Popen.wait would look twenty times a second.
    """
    if process.poll() is not None:
        return True
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True  # the handler of a signal has seen it exit meanwhile
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def signal_group(leader: int, number: int) -> None:
    """Signal every process of a group; one that is gone already is no error.

    Raises AgentError where this user may not.
    """
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise AgentError(
            f"process group {leader} can't be signalled: it is another user's"
        ) from error


def identify(pid: int) -> ProcessId:
    """Note by what a process of this moment is recognised later."""
    return ProcessId(pid, _started_at(pid))


def is_alive(process: ProcessId | None) -> bool:
    """Whether that very process is still there."""
    return (
        process is not None
        and process.started_at is not None
        and _started_at(process.pid) == process.started_at
    )


def stop(process: ProcessId | None, grace_seconds: float) -> int | None:
    """End a trainer: TERM, and after the grace KILL for its whole group.

    Returns the signal that ended it, or None where it was gone already. Raises AgentError where
    this user may not.
    """
    if process is None or not is_alive(process):
        return None
    signal_group(process.pid, signal.SIGTERM)
    until = time.monotonic() + grace_seconds
    while is_alive(process) and time.monotonic() < until:
        time.sleep(_LOOK_AGAIN_SECONDS)
    if not is_alive(process):
        return signal.SIGTERM
    signal_group(process.pid, signal.SIGKILL)
    return signal.SIGKILL


def _started_at(pid: int) -> int | None:
    """When the kernel started a process, in clock ticks since boot; None where it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return None if state in {"Z", "X"} else int(rest[18])
