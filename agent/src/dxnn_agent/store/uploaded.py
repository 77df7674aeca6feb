"""What this machine has put into S3, remembered so that S3 need not be asked for every checksum."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_FILE = "uploaded.jsonl"


@dataclass(frozen=True)
class Uploaded:
    """An object that arrived and was verified."""

    bucket: str
    key: str
    size: int
    sha256: str


def remember(state_dir: Path, uploaded: Uploaded) -> None:
    """Append one object. Where that can't be done, the store will be asked instead."""
    line = (json.dumps(asdict(uploaded)) + "\n").encode()
    with suppress(OSError):
        descriptor = os.open(
            state_dir / _FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def remembered(state_dir: Path, bucket: str) -> dict[str, Uploaded]:
    """Everything this machine put into a bucket, by key; a torn line counts for nothing."""
    known: dict[str, Uploaded] = {}
    try:
        lines = (state_dir / _FILE).read_text(encoding="utf-8").splitlines()
    except OSError:
        return known
    for line in lines:
        try:
            uploaded = Uploaded(**json.loads(line))
        except (ValueError, TypeError):
            continue
        if uploaded.bucket == bucket:
            known[uploaded.key] = uploaded
    return known
