"""Locks between processes of one machine, which the kernel lets go of when their holder dies."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import portalocker

from dxnn_agent.errors import LockedError, UsageError

RUN_LOCK = ".trainer.lock"  # below state_dir; held as long as `run` lives
_TRY_AGAIN_SECONDS = 0.1


@contextmanager
def hold(path: Path, wait_seconds: float, holder: str) -> Iterator[None]:
    """Hold an exclusive lock on a file while the block runs.

    Waits up to `wait_seconds` for whoever holds it, `holder` in words. Raises LockedError when the
    wait runs out and UsageError where the file can't be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"lock {path} can't be opened ({error.strerror}): run as a user who may write it, "
            "or name another file"
        ) from error
    with file:
        until = time.monotonic() + wait_seconds
        while True:
            try:
                portalocker.lock(file, portalocker.LOCK_EX | portalocker.LOCK_NB)
                break
            except (portalocker.AlreadyLocked, portalocker.LockException) as error:
                if time.monotonic() >= until:
                    raise LockedError(
                        f"{path} is held by {holder}; waited {wait_seconds:.0f} s for it"
                    ) from error
                time.sleep(_TRY_AGAIN_SECONDS)
        yield  # closing the file lets go of the lock
