"""Moments as text: in the names of runs and dumps, and in JSON and log lines; always UTC."""

import re
from datetime import UTC, datetime

_STAMP_FORMAT = "%Y%m%d-%H%M%SZ"
_STAMP = re.compile(r"\d{8}-\d{6}Z", re.ASCII)


def stamp(moment: datetime) -> str:
    """A moment as runs and dumps are named by it: to the second, `20250111-143012Z`."""
    return moment.astimezone(UTC).strftime(_STAMP_FORMAT)


def moment_of(text: str) -> datetime | None:
    """The moment that a stamp names, or None where the text is no stamp."""
    if not _STAMP.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, _STAMP_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


def timestamp(moment: datetime) -> str:
    """A moment as JSON and log lines carry it: to the second, `2025-01-11T14:30:12Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
