"""How a run ended: a notice or the trainer's exit becomes an Outcome."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from signal import Signals
from typing import Any

from dxnn_agent.errors import UsageError
from dxnn_agent.state import run_state
from dxnn_agent.state.run_state import Run


class CompletionStatus(StrEnum):
    """`normal` when the trainer exited 0 of its own accord, else `interrupted`."""

    NORMAL = "normal"
    INTERRUPTED = "interrupted"


TRAINING_COMPLETED = "training_completed"
TRAINER_STALLED = "trainer_stalled"
MANUAL = "manual"

_TRAINER_EXIT = "trainer_exit_"


@dataclass(frozen=True)
class Outcome:
    """What the sentinel says of a run's end; `exit_code` is None only where no trainer ran."""

    completion_status: CompletionStatus
    exit_code: int | None
    reason: str
    notice_time: datetime | None = None


@dataclass(frozen=True)
class Stop:
    """Why and since when the trainer was told to stop."""

    reason: str
    notice_time: datetime | None = None


def shell_code(returncode: int) -> int:
    """The exit code as shells give it: 128+n for a trainer that signal n ended."""
    return 128 - returncode if returncode < 0 else returncode


def of_exit(exit_code: int, stop: Stop | None, *, stalled: bool = False) -> Outcome:
    """Judge a trainer that exited; `stop` is what it was told before it did.

    One that is `stalled` was ended since it stood still, by its launcher or by us.
    """
    if stop is not None:
        return Outcome(
            CompletionStatus.INTERRUPTED, exit_code, stop.reason, notice_time=stop.notice_time
        )
    if stalled:
        return Outcome(CompletionStatus.INTERRUPTED, exit_code, TRAINER_STALLED)
    if exit_code == 0:
        return Outcome(CompletionStatus.NORMAL, 0, TRAINING_COMPLETED)
    return Outcome(CompletionStatus.INTERRUPTED, exit_code, f"{_TRAINER_EXIT}{exit_code}")


def is_failure(reason: str) -> bool:
    """Whether the trainer itself ended a run of that reason, by crashing or by standing still."""
    return reason == TRAINER_STALLED or reason.startswith(_TRAINER_EXIT)


def recorded(run: Run, notice_time: datetime | None = None) -> Outcome | None:
    """How a run says of itself that it ended; None where it does not say yet."""
    if not run.completion_status:
        return None
    status = CompletionStatus(run.completion_status)
    return Outcome(status, run.exit_code, run.reason or MANUAL, notice_time)


def record(state_dir: Path, run: Run, ended: Outcome, **changes: Any) -> Run | None:
    """Write down how a run ended, and what else changes of it; None where it is gone."""
    return run_state.update(
        state_dir,
        run.run_id,
        completion_status=str(ended.completion_status),
        exit_code=ended.exit_code,
        reason=ended.reason,
        **changes,
    )


def of_signal(number: int) -> Stop:
    """Why a trainer stops that is passed a signal."""
    return Stop(f"signal_{Signals(number).name}")


def of_words(status: str | None, code: str | None) -> Outcome | None:
    """What COMPLETION_STATUS and EXIT_CODE say, whether from options or the environment.

    None where neither is given. Raises UsageError where they are wrong or contradict each other.
    """
    if not status and not code:
        return None
    try:
        exit_code = int(code) if code else None
    except ValueError:
        exit_code = -1
    if exit_code is not None and not 0 <= exit_code <= 255:
        raise UsageError(f"exit code {code!r} (--exit-code or EXIT_CODE): should be 0 to 255")
    if not status:
        return of_exit(exit_code or 0, None)
    if status == CompletionStatus.NORMAL:
        if exit_code:
            raise UsageError(
                f"completion status normal and exit code {exit_code} contradict each other: "
                "a trainer that completed exits 0"
            )
        return of_exit(0, None)
    if status == CompletionStatus.INTERRUPTED:
        reason = f"{_TRAINER_EXIT}{exit_code}" if exit_code else MANUAL
        return Outcome(CompletionStatus.INTERRUPTED, exit_code, reason)
    raise UsageError(
        f"completion status {status!r} (--completion-status or COMPLETION_STATUS): "
        "should be normal or interrupted"
    )
