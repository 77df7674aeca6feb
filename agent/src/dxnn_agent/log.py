"""The run's log: one line an event, the same for every command, and a copy on stderr."""

import json
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from dxnn_agent import timestamps
from dxnn_agent.errors import UsageError


class State(StrEnum):
    """The log's states (docs/contract.md, Log)."""

    RUN_START = "RUN_START"
    RUN_EXIT = "RUN_EXIT"
    RUN_REFUSED = "RUN_REFUSED"
    WATCH_START = "WATCH_START"
    DETECTED = "DETECTED"
    CHECKPOINT_START = "CHECKPOINT_START"
    CHECKPOINT_OK = "CHECKPOINT_OK"
    CHECKPOINT_TIMEOUT = "CHECKPOINT_TIMEOUT"
    CHECKPOINT_ERROR = "CHECKPOINT_ERROR"
    RESTORE_START = "RESTORE_START"
    RESTORE_OK = "RESTORE_OK"
    RESTORE_NONE = "RESTORE_NONE"
    RESTORE_SKIPPED = "RESTORE_SKIPPED"
    RESTORE_FAILED = "RESTORE_FAILED"
    TRAINER_STALLED = "TRAINER_STALLED"
    JOB_GIVEN_UP = "JOB_GIVEN_UP"
    FINALIZE_START = "FINALIZE_START"
    FINALIZE_SKIPPED = "FINALIZE_SKIPPED"
    UPLOAD_SUCCESS = "UPLOAD_SUCCESS"
    UPLOAD_RETRY = "UPLOAD_RETRY"
    UPLOAD_FAIL = "UPLOAD_FAIL"
    FINALIZE_SUCCESS = "FINALIZE_SUCCESS"
    FINALIZE_FAILED = "FINALIZE_FAILED"
    TERMINATING = "TERMINATING"


Value = str | int | float | bool | None | Path | datetime

_BARE = re.compile(r"[!#-<>-\[\]-~]+")  # printable ASCII but for space, quote, equals, backslash


def format_event(moment: datetime, state: State, fields: dict[str, Value]) -> str:
    """One event as one line without its newline; fields that are None are left out."""
    words = [f"[UTC {timestamps.timestamp(moment)}] STATE: {state}"]
    words += [f"{name}={_value(value)}" for name, value in fields.items() if value is not None]
    return " ".join(words)


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    text = timestamps.timestamp(value) if isinstance(value, datetime) else str(value)
    if _BARE.fullmatch(text):
        return text
    # A file name may hold bytes that are no UTF-8; they are shown, not passed on.
    return json.dumps(text.encode("utf-8", "backslashreplace").decode())


class Log:
    """Appends events to `log_file` and shows them; safe to share between threads and processes."""

    def __init__(self, file: Path, show: Callable[[str], None] | None = None) -> None:
        self.file = file
        self.show = show or _to_stderr

    def open(self) -> "Log":
        """Make sure that the file can be written, so that nothing starts which can't be told of.

        Raises UsageError where it can't.
        """
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            os.close(self._descriptor())
        except OSError as error:
            raise UsageError(
                f"log_file {self.file} can't be written ({error.strerror}): "
                "run as a user who may, or name another with --log-file"
            ) from error
        return self

    def __call__(self, state: State, **fields: Value) -> None:
        """Record one event."""
        self.write(format_event(datetime.now(UTC), state, fields))

    def write(self, text: str) -> None:
        """Append one finished line; a full disk is shown, but must not stop a finalization."""
        try:
            descriptor = self._descriptor()
            try:
                # One write to a file opened for appending: lines of several processes never mix.
                os.write(descriptor, f"{text}\n".encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            self.show(f"{self.file}: {error.strerror}")
        self.show(text)

    def _descriptor(self) -> int:
        return os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
