"""What lies on the instance and in S3, gathered for the plan."""

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dxnn_agent import dumps, layout
from dxnn_agent.dumps import Dump
from dxnn_agent.plan import Held, LocalFile
from dxnn_agent.s3 import Bucket, Stored
from dxnn_agent.shipped import Shipped

_PARALLEL_QUESTIONS = 8


def local_dumps(directory: Path) -> list[tuple[Dump, str | None]]:
    """Every dump, newest first, with its checksum: the one written down, else computed now."""
    return [(dump, dump.sha256 or _checksum(dump.path)) for dump in dumps.lying_in(directory)]


def artifacts(directory: Path, globs: Iterable[str]) -> dict[str, LocalFile]:
    """The files below the trainer's directory that the globs name, by their name within the run.

    Links that lead out of the directory are left alone: the trainer may not be allowed to read what
    the agent can.
    """
    root = directory.resolve()
    found: dict[str, LocalFile] = {}
    for pattern in globs:
        # Until Python 3.13 a final ** names folders only.
        whole = f"{pattern}/*" if pattern.endswith("**") else pattern
        for path in directory.glob(whole):
            if path.is_file() and path.resolve().is_relative_to(root):
                relative = os.fsencode(path.relative_to(directory)).decode(
                    "utf-8", "backslashreplace"
                )
                found[layout.ARTIFACTS_PREFIX + relative] = local_file(path)
    return found


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
