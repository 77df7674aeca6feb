"""Saving the run when the machine is about to go: checkpoint, stop the trainer, finalize."""

import signal
import time
from dataclasses import replace
from datetime import UTC, datetime
from types import FrameType

from dxnn_agent.commands import checkpoint, finalize
from dxnn_agent.errors import ExitCode
from dxnn_agent.machine import trainer_process
from dxnn_agent.machine.notices import Notice
from dxnn_agent.settings import Settings
from dxnn_agent.state import outcome, run_state, standing_notice, time_budget
from dxnn_agent.state.outcome import CompletionStatus, Outcome
from dxnn_agent.state.run_state import Phase, Run
from dxnn_agent.store.context import Context

_EXIT_RECORDED_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.05


def save(context: Context, notice: Notice, run: Run) -> ExitCode:
    """Checkpoint, stop the trainer and finalize, all within what the notice leaves.

    Returns finalize's exit code. TERM and INT are not heard meanwhile: the machine goes anyway.
    """
    settings = context.settings
    signal.signal(signal.SIGTERM, _deaf)
    signal.signal(signal.SIGINT, _deaf)
    budget = time_budget.budget(
        datetime.now(UTC), notice.time, settings.checkpoint_deadline_seconds
    )
    standing_notice.record(settings.state_dir, notice, told_to_stop=False)
    if trainer_process.is_alive(run.trainer):
        seconds = _seconds_until(budget.checkpoint_by)
        checkpoint.at_notice(context, run, notice.reason, seconds)
        run = run_state.load(settings.state_dir) or run
    if trainer_process.is_alive(run.trainer):
        standing_notice.record(settings.state_dir, notice, told_to_stop=True)
        number = trainer_process.stop(run.trainer, _seconds_until(budget.trainer_stopped_by))
        run = _after_exit(settings, run, number)
    by_notice = Outcome(CompletionStatus.INTERRUPTED, run.exit_code, notice.reason, notice.time)
    return finalize.finalize(context, outcome.recorded(run, notice.time) or by_notice)


def _after_exit(settings: Settings, run: Run, number: int | None) -> Run:
    """The run with its trainer's exit code, which `run` writes down at once if it is there.

    Where `run` itself was killed, all that is known of the exit is the signal that we sent.
    """
    until = time.monotonic() + _EXIT_RECORDED_SECONDS
    while time.monotonic() < until:
        now = run_state.load(settings.state_dir) or run
        if now.phase is not Phase.TRAINING:
            return now
        time.sleep(_LOOK_AGAIN_SECONDS)
    return replace(run, exit_code=128 + number) if number else run


def _seconds_until(moment: datetime) -> float:
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _deaf(_number: int, _frame: FrameType | None) -> None:
    """Not SIG_IGN, which the commands that are run meanwhile would inherit."""
