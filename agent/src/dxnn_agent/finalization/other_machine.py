"""Two machines that finalize the same run: whose log stands in S3 decides whose account is kept.

A copy of a machine's disk knows the same run. Both may send the same dumps, but each has a log of
its own, and the manifest describes one of them. So a log is replaced only where the object that
stands there is still the one that was looked at:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

import time

from dxnn_agent.state import dumps
from dxnn_agent.store import keys, upload
from dxnn_agent.store.context import Context
from dxnn_agent.store.store import Store, look

# A machine writes its manifest right after its log; after this long it must have been cut off.
_WAIT_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.5


class OtherMachineError(Exception):
    """Another machine has put its log in place."""

    def __init__(self) -> None:
        super().__init__("another machine finalizes this run too")


def send_log(
    context: Context, key: str, body: bytes, sha256: str, signature: str, *, take_over: bool
) -> None:
    """Put this machine's log in place.

    Raises OtherMachineError where another machine's stands there, unless this one is to take over,
    and UploadError where the store fails.
    """

    def put(store: Store) -> None:
        there, condition = look(store, key)
        by = there.metadata.get("signature", signature) if there else signature
        if by != signature and not take_over:
            raise OtherMachineError
        if not store.put(key, body, sha256, {"signature": signature}, condition):
            now = store.head(key)
            ours = {"sha256": sha256, "signature": signature}
            if now is None or now.metadata != ours:  # else an answer to our own write was lost
                raise OtherMachineError

    upload.send(context, key, body, sha256, put)


def manifest_of_other(context: Context, prefix: str) -> str | None:
    """The SHA-256 of the manifest that goes with another machine's log, once it is there.

    None where it does not come: that machine was cut off between the two. Raises StoreError.
    """
    store = context.store
    until = time.monotonic() + _WAIT_SECONDS
    while store and time.monotonic() < until:
        log = store.head(f"{prefix}{keys.LOG_NAME}")
        manifest = store.read(f"{prefix}{keys.MANIFEST_NAME}")
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
