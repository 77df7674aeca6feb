"""What lies on the instance and in S3, gathered for the plan."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dxnn_agent.finalization.plan import Held, LocalFile
from dxnn_agent.state import dumps
from dxnn_agent.state.dumps import Dump
from dxnn_agent.store.s3 import Bucket, Stored
from dxnn_agent.store.uploaded import Shipped

_PARALLEL_QUESTIONS = 8


def local_dumps(directory: Path) -> list[tuple[Dump, str | None]]:
    """Every dump, newest first, with its checksum: the one written down, else computed now."""
    return [(dump, dump.sha256 or _checksum(dump.path)) for dump in dumps.lying_in(directory)]


def local_file(path: Path) -> LocalFile:
    """A file's size and checksum; None for the checksum where it can't be read."""
    try:
        return LocalFile(path, path.stat().st_size, _checksum(path))
    except OSError:
        return LocalFile(path, 0, None)


def stored(
    bucket: Bucket, prefixes: Iterable[str], known: Mapping[str, Shipped]
) -> dict[str, Held]:
    """Every object below the prefixes, by key, with its checksum.

    What this machine sent itself it knows; S3 is asked for the rest. Raises S3Error.
    """
    listing = {key: found for prefix in prefixes for key, found in bucket.list(prefix).items()}

    def held(item: tuple[str, Stored]) -> Held:
        key, found = item
        shipped = known.get(key)
        if shipped and shipped.size == found.size:
            return Held(found.size, shipped.sha256)
        standing = bucket.head(key)
        return Held(found.size, standing.metadata.get("sha256", "") if standing else "")

    with ThreadPoolExecutor(_PARALLEL_QUESTIONS) as pool:
        return dict(zip(listing, pool.map(held, listing.items()), strict=True))


def _checksum(path: Path) -> str | None:
    try:
        return dumps.sha256_of(path)
    except OSError:
        return None
