"""Read the agent's log as strictly as the contract writes it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

STATES = frozenset(
    """
    RUN_START RUN_EXIT RUN_REFUSED WATCH_START DETECTED CHECKPOINT_START CHECKPOINT_OK
    CHECKPOINT_TIMEOUT CHECKPOINT_ERROR RESTORE_START RESTORE_OK RESTORE_NONE RESTORE_SKIPPED
    RESTORE_FAILED TRAINER_STALLED JOB_GIVEN_UP FINALIZE_START FINALIZE_SKIPPED UPLOAD_SUCCESS
    UPLOAD_RETRY UPLOAD_FAIL FINALIZE_SUCCESS FINALIZE_FAILED TERMINATING
    """.split()  # noqa: SIM905 (a list of words is read as a list of words)
)

_VALUE = r'"(?:[^"\\]|\\.)*"|[^\s"]*'
_LINE = re.compile(rf"\[UTC (\S+)\] STATE: ([A-Z_]+)((?: [a-z][a-z0-9_]*=(?:{_VALUE}))*)")
_PAIR = re.compile(rf" ([a-z][a-z0-9_]*)=({_VALUE})")


@dataclass(frozen=True)
class Event:
    """One line of the log."""

    at: datetime
    state: str
    values: Mapping[str, str]


def parse_line(line: str) -> Event:
    """Return what a line says; fail on a line that the contract does not know."""
    match = _LINE.fullmatch(line)
    assert match, f"malformed log line: {line!r}"
    stamp, state, pairs = match.groups()
    assert state in STATES, f"unknown state: {line!r}"
    at = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    found = _PAIR.findall(pairs)
    values = {name: json.loads(value) if value[:1] == '"' else value for name, value in found}
    assert len(values) == len(found), f"a name stands twice in: {line!r}"
    return Event(at, state, values)


def parse_log(text: str) -> list[Event]:
    """Return the events of a whole log."""
    assert not text or text.endswith("\n"), f"the log ends in a torn line: {text[-200:]!r}"
    # Not splitlines(): it would also split at characters that a value may well contain.
    return [parse_line(line) for line in text.split("\n")[:-1]]


def read_log(path: Path) -> list[Event]:
    """Return the events in the log at `path`, none where there is no log yet."""
    return parse_log(path.read_bytes().decode("utf-8")) if path.exists() else []
