"""Sending one object: seven attempts, a log line for each step, and remembering what arrived."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from dxnn_agent.errors import UploadError
from dxnn_agent.log import Log, State
from dxnn_agent.store import retry, uploaded
from dxnn_agent.store.retry import Deadline
from dxnn_agent.store.s3 import ANYWAY, NEW, PARTS_FROM_BYTES, Bucket, S3Error


@dataclass(frozen=True)
class Line:
    """The way into one bucket: whom to ask, until when, and whom to tell."""

    bucket: Bucket
    state_dir: Path
    log: Log
    deadline: Deadline
    progress: Callable[[int], None] | None = None

    def retrying(self, name: str) -> Callable[[int, float, S3Error], None]:
        """Tell the log of a failed attempt at `name`."""

        def tell(attempt: int, wait: float, error: S3Error) -> None:
            self.log(
                State.UPLOAD_RETRY,
                object=name,
                attempt=attempt,
                wait_seconds=wait,
                error=str(error),
            )

        return tell


def send(
    line: Line,
    key: str,
    body: Path | bytes,
    sha256: str,
    put: Callable[[], None] | None = None,
) -> None:
    """Put a file or a text at a key, by `put` where it takes more than writing.

    Raises UploadError once the attempts are used up; a file that can't be read is not tried again.
    """
    name = key.rpartition("/run-")[2].partition("/")[2]
    attempts = 0
    began = time.monotonic()

    def once() -> None:
        nonlocal attempts
        attempts += 1
        put() if put else _put(line, key, body, sha256)

    try:
        size = _size(body)
        retry.attempt(once, deadline=line.deadline, retrying=line.retrying(name))
    except (S3Error, OSError) as error:
        reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        line.log(State.UPLOAD_FAIL, object=name, attempts=attempts, error=reason)
        raise UploadError(f"{name} did not arrive: {reason}") from error
    uploaded.remember(line.state_dir, uploaded.Shipped(line.bucket.name, key, size, sha256))
    line.log(State.UPLOAD_SUCCESS, object=name, size=size, seconds=time.monotonic() - began)


def _put(line: Line, key: str, body: Path | bytes, sha256: str) -> None:
    """Write an object unless the very same is there: another machine may be sending it too."""
    if isinstance(body, bytes):
        _create_or_put(line.bucket, key, BytesIO(body), sha256)
    elif _size(body) < PARTS_FROM_BYTES:
        with body.open("rb") as file:
            _create_or_put(line.bucket, key, file, sha256)
    else:
        line.bucket.upload_in_parts(key, body, sha256, line.progress)
        return
    if line.progress:
        line.progress(_size(body))


def _create_or_put(bucket: Bucket, key: str, body: BinaryIO, sha256: str) -> None:
    told = {"sha256": sha256}
    if bucket.write(key, body, sha256, told, NEW):
        return
    standing = bucket.head(key)
    if standing is None or standing.metadata.get("sha256") != sha256:
        body.seek(0)
        bucket.write(key, body, sha256, told, ANYWAY)


def _size(body: Path | bytes) -> int:
    return len(body) if isinstance(body, bytes) else body.stat().st_size


def sha256_of(content: bytes) -> str:
    """The SHA-256 of a text in hex."""
    return hashlib.sha256(content).hexdigest()
