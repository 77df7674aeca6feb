"""The power switch of what a rehearsal starts: ends the processes that carry a mark, no others.

A mark is one variable of the environment, `NAME=VALUE`. Children inherit it however they are
started, so what detached itself (epmd does) is found too. The module needs nothing but the
standard library and runs as a program by its path:

    python -I power.py off MARK FILE     note the time in FILE, then end what carries MARK; returns
                                         at once, as `poweroff` does
    python -I power.py guard MARK        wait for the end of stdin, then end what carries MARK
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

GRACE_SECONDS = 3.0


def carriers(mark: str) -> list[int]:
    """List the ids of the processes whose environment holds the mark, but for the caller's own."""
    found = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return sorted(pid for pid in found if pid != os.getpid() and _carries(pid, mark))


def end(mark: str, grace_seconds: float = GRACE_SECONDS) -> None:
    """Send TERM to what carries the mark, and KILL to what is left after the grace."""
    deadline = time.monotonic() + grace_seconds
    told: set[int] = set()
    while pids := carriers(mark):
        late = time.monotonic() >= deadline
        for pid in pids:
            if late or pid not in told:
                _send(pid, mark, signal.SIGKILL if late else signal.SIGTERM)
                told.add(pid)
        time.sleep(0.02)


@contextlib.contextmanager
def guarded(mark: str) -> Iterator[None]:
    """End what carries the mark when the block is left, and also when this process is killed."""
    guard = subprocess.Popen(
        [*command("guard"), mark],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={},
        start_new_session=True,  # Ctrl-C in a terminal is for the rehearsal, not for its guard
    )
    try:
        yield
    finally:
        end(mark)
        if guard.stdin is not None:
            guard.stdin.close()
        guard.wait()


def command(verb: str) -> list[str]:
    """Begin the command that runs this module as a program."""
    return [sys.executable, "-I", str(Path(__file__).resolve()), verb]


def _carries(pid: int, mark: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # gone meanwhile, or somebody else's
        return False
    return mark.encode() in environment.split(b"\0")


def _send(pid: int, mark: str, number: signal.Signals) -> None:
    # A number may have gone to another process since it was found; a pidfd can't.
    with contextlib.suppress(OSError):
        process = os.pidfd_open(pid)
        try:
            if _carries(pid, mark):
                signal.pidfd_send_signal(process, number)
        finally:
            os.close(process)


def _off(mark: str, file: Path) -> None:
    with file.open("a", encoding="utf-8") as times:
        times.write(f"{datetime.now(UTC).isoformat()}\n")
    caller = os.getpid()
    if os.fork() == 0:
        os.setsid()
        while os.getppid() == caller:  # whoever asked learns first that it was granted
            time.sleep(0.005)
        silence = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):  # nobody shall wait for the end of a pipe that is held here
            os.dup2(silence, descriptor)
        end(mark)


def _guard(mark: str) -> None:
    sys.stdin.buffer.read()
    end(mark)


if __name__ == "__main__":
    if sys.argv[1] == "off":
        _off(sys.argv[2], Path(sys.argv[3]))
    else:
        _guard(sys.argv[2])
