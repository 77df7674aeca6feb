"""watch: asks the metadata service, and saves the run when EC2 is about to take the machine."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

from dxnn_agent import (
    checkpoint,
    deadline,
    finalize,
    interruption,
    metadata_service,
    notice,
    run_state,
    trainer,
)
from dxnn_agent.errors import AgentError, ExitCode, UsageError
from dxnn_agent.log import Log, State
from dxnn_agent.metadata_service import MetadataError, MetadataService
from dxnn_agent.notice import Notice
from dxnn_agent.outcome import CompletionStatus, Outcome
from dxnn_agent.run_state import Phase, Run
from dxnn_agent.settings import Settings

_EXIT_RECORDED_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.05


def watch(settings: Settings, log: Log) -> ExitCode:
    """Watch until a notice comes, save the run, and return finalize's exit code.

    Nothing that the metadata service answers, or fails to, ends the watch.
    """
    service = metadata_service.connect()
    if service is None:
        raise UsageError("AWS_EC2_METADATA_DISABLED is true: there is nothing to watch")
    log(State.WATCH_START, poll_interval_seconds=settings.poll_interval_seconds)
    rebalance_at: datetime | None = None
    while True:
        found = _notice(service, rebalancing=rebalance_at is not None)
        if found:
            return _save(settings, log, found)
        recommended = notice.rebalance_recommendation(
            _ask(service, "meta-data/events/recommendations/rebalance")
        )
        if recommended and recommended != rebalance_at:
            rebalance_at = recommended
            _rebalance(settings, log, recommended)
        time.sleep(settings.poll_interval_seconds)


def _notice(service: MetadataService, *, rebalancing: bool) -> Notice | None:
    return (
        notice.spot_notice(_ask(service, "meta-data/spot/instance-action"))
        or notice.scheduled_event(
            _ask(service, "meta-data/events/maintenance/scheduled"), datetime.now(UTC)
        )
        or notice.target_state_notice(
            _ask(service, "meta-data/autoscaling/target-lifecycle-state"), rebalancing=rebalancing
        )
    )


def _ask(service: MetadataService, path: str) -> str:
    try:
        return service.get(path) or ""
    except MetadataError:
        return ""  # the next poll asks again


def _rebalance(settings: Settings, log: Log, recommended: datetime) -> None:
    """Checkpoint and ship now, beside the watch: a notice may follow at any moment."""
    log(State.DETECTED, reason=notice.REBALANCE, time=recommended)
    if not settings.use_rebalance_recommendation:
        return

    def save() -> None:
        try:
            checkpoint.checkpoint(settings, log, notice.REBALANCE)
        except AgentError:
            return  # the log says what happened, and training goes on

    threading.Thread(target=save, daemon=True).start()


def _save(settings: Settings, log: Log, found: Notice) -> ExitCode:
    """Checkpoint, stop the trainer and finalize, all within what the notice leaves."""
    detected_at = datetime.now(UTC)
    budget = deadline.budget(detected_at, found.time, settings.checkpoint_deadline_seconds)
    run = run_state.load(settings.state_dir)
    log(
        State.DETECTED,
        reason=found.reason,
        time=found.time,
        action=found.detail,
        run_id=run.run_id if run else None,
    )
    interruption.record(settings.state_dir, found, told_to_stop=False)
    if run is None:
        log(State.FINALIZE_SKIPPED, reason="no run is under way")
        return ExitCode.DONE
    if trainer.is_training(run):
        seconds = _until(budget.checkpoint_by)
        checkpoint.at_notice(settings, run, log, found.reason, seconds)
        run = run_state.load(settings.state_dir) or run
    if trainer.is_training(run):
        interruption.record(settings.state_dir, found, told_to_stop=True)
        number = trainer.stop(run, _until(budget.trainer_stopped_by))
        run = _after_exit(settings, run, number)
    return finalize.finalize(settings, _outcome(run, found), log)


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


def _outcome(run: Run, found: Notice) -> Outcome:
    if run.completion_status:
        status, reason = CompletionStatus(run.completion_status), run.reason or found.reason
        return Outcome(status, run.exit_code, reason, found.time)
    return Outcome(CompletionStatus.INTERRUPTED, run.exit_code, found.reason, found.time)


def _until(moment: datetime) -> float:
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
