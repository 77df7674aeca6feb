"""Sending one object: seven attempts, a log line for each step, and remembering what arrived."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dxnn_agent import retry, shipped
from dxnn_agent.errors import UploadError
from dxnn_agent.log import Log, State
from dxnn_agent.retry import Deadline
from dxnn_agent.s3 import Bucket, S3Error


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


def send(line: Line, key: str, body: Path | bytes, sha256: str) -> None:
    """Put a file or a text at a key. Raises UploadError once the attempts are used up.

    A file that can't be read is not tried again.
    """
    name = key.rpartition("/run-")[2].partition("/")[2]
    attempts = 0
    began = time.monotonic()

    def put() -> None:
        nonlocal attempts
        attempts += 1
        if isinstance(body, Path):
            line.bucket.upload(key, body, sha256, line.progress)
        else:
            line.bucket.put(key, body, sha256)

    try:
        size = body.stat().st_size if isinstance(body, Path) else len(body)
        retry.attempt(put, deadline=line.deadline, retrying=line.retrying(name))
    except (S3Error, OSError) as error:
        reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        line.log(State.UPLOAD_FAIL, object=name, attempts=attempts, error=reason)
        raise UploadError(f"{name} did not arrive: {reason}") from error
    shipped.remember(line.state_dir, shipped.Shipped(line.bucket.name, key, size, sha256))
    line.log(State.UPLOAD_SUCCESS, object=name, size=size, seconds=time.monotonic() - began)


def sha256_of(content: bytes) -> str:
    """The SHA-256 of a text in hex."""
    return hashlib.sha256(content).hexdigest()
