"""What the agent asks of an object store; `s3` answers it for S3."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from dxnn_agent.errors import UploadError


class StoreError(UploadError):
    """The store refused, failed or was out of reach.

    `denied` where asking again won't help soon, `refused` where it will never take this very
    object.
    """

    def __init__(self, message: str, *, denied: bool = False, refused: bool = False) -> None:
        super().__init__(message)
        self.denied = denied
        self.refused = refused


@dataclass(frozen=True)
class Listed:
    """An object as a listing shows it."""

    size: int
    last_modified: datetime


@dataclass(frozen=True)
class Head:
    """An object that is there: which version of it, and what was stored beside it."""

    version: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Condition:
    """When an object is written: if the key is free, or if a version still stands; else always."""

    absent: bool = False
    version: str | None = None


ALWAYS = Condition()
NO_METADATA: Mapping[str, str] = MappingProxyType({})
IF_ABSENT = Condition(absent=True)


def if_unchanged(seen: Head | None) -> Condition:
    """The condition that nobody has written since the object was looked at."""
    return Condition(version=seen.version) if seen else IF_ABSENT


def look(store: "Store", key: str) -> tuple[Head | None, Condition]:
    """An object that is there, and the condition that it stays as it is.

    Where looking is denied, writing may still be allowed: then there is no condition. Raises
    StoreError.
    """
    try:
        there = store.head(key)
    except StoreError as error:
        if not error.denied:
            raise
        return None, ALWAYS
    return there, if_unchanged(there)


class Store(Protocol):
    """One place for objects. Everything raises StoreError where there is no answer."""

    name: str

    def list(self, prefix: str) -> dict[str, Listed]:
        """Every object below a prefix, by key."""

    def head(self, key: str) -> Head | None:
        """What is known of an object; None where it is not there."""

    def read(self, key: str) -> tuple[bytes, Mapping[str, str]] | None:
        """A small object's content and metadata; None where it is not there."""

    def put(
        self,
        key: str,
        body: Path | bytes,
        sha256: str,
        metadata: Mapping[str, str] = NO_METADATA,
        condition: Condition = ALWAYS,
        progress: Callable[[int], None] | None = None,
    ) -> bool:
        """Write an object whose checksum the store verifies; False where the condition fails.

        The checksum is stored beside it, as `sha256`, with what else `metadata` says.
        `progress` hears how many more bytes are on their way. Raises OSError where a file can't be
        read.
        """

    def fetch(self, key: str, path: Path) -> None:
        """Fetch an object into a file. Raises OSError where that can't be written."""
