"""Files as they lie on the disk: how large, and with which checksum."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class LocalFile:
    """A file as it was when it was looked at; `problem` says why it can't be read, if it can't."""

    path: Path
    size: int
    sha256: str | None
    problem: str | None = None


def examine(path: Path) -> LocalFile:
    """Look at a file."""
    try:
        return LocalFile(path, path.stat().st_size, sha256_of(path))
    except OSError as error:
        return LocalFile(path, 0, None, error.strerror or str(error))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hex, read in pieces. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()
