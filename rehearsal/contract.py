"""The formats of docs/contract.md, written once more: the agent is not to be its own judge."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

STAMP = re.compile(r"\d{8}-\d{6}Z", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REASON = re.compile(
    r"training_completed|spot_interruption|rebalance|scheduled_event|shutdown|manual"
    r"|signal_SIG[A-Z0-9]+|trainer_exit_\d+|trainer_stalled"
)

STATES = {
    "RUN_START",
    "RUN_EXIT",
    "RUN_REFUSED",
    "WATCH_START",
    "DETECTED",
    "CHECKPOINT_START",
    "CHECKPOINT_OK",
    "CHECKPOINT_TIMEOUT",
    "CHECKPOINT_ERROR",
    "RESTORE_START",
    "RESTORE_OK",
    "RESTORE_NONE",
    "RESTORE_SKIPPED",
    "RESTORE_FAILED",
    "TRAINER_STALLED",
    "JOB_GIVEN_UP",
    "FINALIZE_START",
    "FINALIZE_SKIPPED",
    "UPLOAD_SUCCESS",
    "UPLOAD_RETRY",
    "UPLOAD_FAIL",
    "FINALIZE_SUCCESS",
    "FINALIZE_FAILED",
    "TERMINATING",
}
_LOG_LINE = re.compile(
    r"\[UTC (?P<time>[^\]]+)\] STATE: (?P<state>[A-Z_]+)(?P<fields>(?: [a-z0-9_]+=\S.*)?)"
)
_FIELD = re.compile(r' [a-z0-9_]+=(?:(?P<quoted>"(?:[^"\\]|\\.)*")|[^\s"]+)')

Check = Callable[[object], bool]


def is_time(value: object) -> bool:
    """Tell whether a value is a moment in UTC, to the second."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _matches(pattern: re.Pattern[str]) -> Check:
    return lambda value: isinstance(value, str) and bool(pattern.fullmatch(value))


def _is(*kinds: type) -> Check:
    return lambda value: isinstance(value, kinds) and not isinstance(value, bool)


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


_TEXT = _matches(re.compile(r".+"))

SENTINEL: Mapping[str, Check] = {
    "run_id": _matches(STAMP),
    "finalized_at": is_time,
    "status": lambda value: value == "success",
    "completion_status": lambda value: value in {"normal", "interrupted"},
    "exit_code": _or_null(_is(int)),
    "reason": _matches(_REASON),
    "job_id": _TEXT,
    "container_name": _TEXT,
    "instance_id": _TEXT,
    "parent_run_id": _or_null(_matches(STAMP)),
    "manifest_sha256": _matches(_SHA256),
    "notice_time": _or_null(is_time),
    "margin_seconds": _or_null(_is(int, float)),
    "agent_version": _TEXT,
    "skipped": _is(int),
}

DUMP_METADATA: Mapping[str, Check] = {
    "kind": lambda value: value in {"checkpoint", "completion"},
    "file": _TEXT,
    "size": _is(int),
    "sha256": _matches(_SHA256),
    "taken_at": is_time,
    "reason": _TEXT,
    "job_id": _TEXT,
    "run_id": _matches(STAMP),
    "parent_run_id": _or_null(_matches(STAMP)),
}


def wrong_keys(content: object, checks: Mapping[str, Check]) -> list[str]:
    """Name the keys of a JSON object that are missing or hold what they may not."""
    if not isinstance(content, dict):
        return ["not a JSON object"]
    found: dict[str, Any] = content
    return [
        f"{key} missing" if key not in found else f"{key} = {found[key]!r}"
        for key, check in checks.items()
        if key not in found or not check(found[key])
    ]


def log_state(line: str) -> str | None:
    """Read a log line's state; None where the line is not as docs/contract.md says."""
    found = _LOG_LINE.fullmatch(line)
    if not found or found["state"] not in STATES or not is_time(found["time"]):
        return None
    rest = found["fields"]
    while rest:
        field = _FIELD.match(rest)
        if not field or (field["quoted"] and not _is_json(field["quoted"])):
            return None
        rest = rest[field.end() :]
    return found["state"]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
