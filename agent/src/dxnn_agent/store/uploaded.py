"""What this machine has put into S3, remembered so that S3 need not be asked for every checksum."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

_SHIPPED_FILE = "shipped.jsonl"


@dataclass(frozen=True)
class Shipped:
    """An object that arrived and was verified."""

    bucket: str
    key: str
    size: int
    sha256: str


def remember(state_dir: Path, shipped: Shipped) -> None:
    """Append one object."""
    descriptor = os.open(
        state_dir / _SHIPPED_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    try:
        os.write(descriptor, (json.dumps(asdict(shipped)) + "\n").encode())
    finally:
        os.close(descriptor)


def remembered(state_dir: Path, bucket: str) -> dict[str, Shipped]:
    """Everything this machine put into a bucket, by key; a torn line counts for nothing."""
    found: dict[str, Shipped] = {}
    try:
        lines = (state_dir / _SHIPPED_FILE).read_text(encoding="utf-8").splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            shipped = Shipped(**json.loads(line))
        except (ValueError, TypeError):
            continue
        if shipped.bucket == bucket:
            found[shipped.key] = shipped
    return found
