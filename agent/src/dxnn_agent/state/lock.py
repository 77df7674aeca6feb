"""Locks between processes of one machine, which the kernel lets go of when their holder dies."""

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
    lock = portalocker.Lock(
        path,
        mode="a",
        timeout=wait_seconds,
        check_interval=_TRY_AGAIN_SECONDS,
        flags=portalocker.LOCK_EX | portalocker.LOCK_NB,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except portalocker.LockException as error:
        raise LockedError(
            f"{path} is held by {holder}; waited {wait_seconds:.0f} s for it"
        ) from error
    except OSError as error:
        raise UsageError(
            f"lock {path} can't be opened ({error.strerror}): run as a user who may write it, "
            "or name another file"
        ) from error
    try:
        yield
    finally:
        lock.release()
