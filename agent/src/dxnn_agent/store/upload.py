"""Sending one object: seven attempts, a log line for each step, and remembering what arrived."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from dxnn_agent.errors import UploadError
from dxnn_agent.log import State
from dxnn_agent.store import retry, uploaded
from dxnn_agent.store.context import Context
from dxnn_agent.store.store import IF_ABSENT, Store, StoreError, look


def send(
    context: Context,
    key: str,
    body: Path | bytes,
    sha256: str,
    put: Callable[[Store], None] | None = None,
) -> None:
    """Put a file or a text at a key, by `put` where it takes more than writing.

    Raises UploadError once the attempts are used up; a file that can't be read, and what the store
    takes from nobody, is not tried again.
    """
    store = context.store
    if store is None:
        return
    name = key.rpartition("/run-")[2].partition("/")[2]
    attempts = 0
    began = time.monotonic()

    def once() -> None:
        nonlocal attempts
        attempts += 1
        put(store) if put else _put(context, store, key, body, sha256)

    try:
        size = _size(body)
        retry.attempt(
            once,
            deadline=context.deadline,
            retrying=context.retrying(name),
            give_up=lambda error: error.refused,
        )
    except (StoreError, OSError) as error:
        reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        context.log(State.UPLOAD_FAIL, object=name, attempts=attempts, error=reason)
        raise UploadError(f"{name} did not arrive: {reason}") from error
    uploaded.remember(context.settings.state_dir, uploaded.Uploaded(store.name, key, size, sha256))
    seconds = time.monotonic() - began
    context.log(State.UPLOAD_SUCCESS, object=name, size=size, seconds=seconds)


def _put(context: Context, store: Store, key: str, body: Path | bytes, sha256: str) -> None:
    """Write an object unless the very same is there: another machine may be sending it too."""
    if store.put(key, body, sha256, condition=IF_ABSENT, progress=context.progress):
        return
    there, _ = look(store, key)
    if there is None or there.metadata.get("sha256") != sha256:
        store.put(key, body, sha256)


def _size(body: Path | bytes) -> int:
    return len(body) if isinstance(body, bytes) else body.stat().st_size


def sha256_of(content: bytes) -> str:
    """The SHA-256 of a text in hex."""
    return hashlib.sha256(content).hexdigest()
