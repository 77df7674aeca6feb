"""Two machines that finalize the same run: whose log stands in S3 decides whose account is kept.

A copy of a machine's disk knows the same run. Both may send the same dumps, but each has a log of
its own, and the manifest describes one of them. So a log is replaced only where the object that
stands there is still the one that was looked at:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

import time
from pathlib import Path

from dxnn_agent.state import dumps
from dxnn_agent.store import keys, upload
from dxnn_agent.store.s3 import over
from dxnn_agent.store.upload import Line

# A machine writes its manifest right after its log; after this long it must have been cut off.
_WAIT_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.5


class RivalError(Exception):
    """Another machine has put its log in place."""


def send_log(
    line: Line, key: str, path: Path, sha256: str, signature: str, *, take_over: bool
) -> None:
    """Put this machine's log in place.

    Raises RivalError where another machine's stands there, unless this one is to take over, and
    UploadError where S3 fails.
    """
    told = {"sha256": sha256, "signature": signature}

    def put() -> None:
        standing = line.bucket.head(key)
        by = standing.metadata.get("signature", signature) if standing else signature
        if by != signature and not take_over:
            raise RivalError
        with path.open("rb") as file:
            written = line.bucket.write(key, file, sha256, told, over(standing))
        if not written:
            now = line.bucket.head(key)
            if now is None or now.metadata != told:  # else an answer to our own write was lost
                raise RivalError

    upload.send(line, key, path, sha256, put)


def manifest_of_other(line: Line, prefix: str) -> str | None:
    """The SHA-256 of the manifest that goes with another machine's log, once it is there.

    None where it does not come: that machine was cut off between the two. Raises S3Error.
    """
    until = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < until:
        log = line.bucket.head(f"{prefix}{keys.LOG_NAME}")
        manifest = line.bucket.read(f"{prefix}{keys.MANIFEST_NAME}")
        if log and manifest and _describes(manifest[0], log.metadata.get("sha256", "")):
            return upload.sha256_of(manifest[0])
        time.sleep(_LOOK_AGAIN_SECONDS)
    return None


def _describes(manifest: bytes, log_sha256: str) -> bool:
    objects = dumps.parse_metadata(manifest).get("objects", [])
    return any(
        described.get("key") == keys.LOG_NAME and described.get("sha256") == log_sha256
        for described in objects
    )
