"""watch: asks the metadata service, and saves the run when EC2 is about to take the machine."""

import threading
import time
from datetime import UTC, datetime

from dxnn_agent.commands import checkpoint, save
from dxnn_agent.errors import AgentError, ExitCode, UsageError
from dxnn_agent.log import Log, State
from dxnn_agent.machine import metadata_service, notices, systemd
from dxnn_agent.machine.metadata_service import MetadataError, MetadataService
from dxnn_agent.machine.notices import Notice
from dxnn_agent.settings import Settings
from dxnn_agent.state import run_state


def watch(settings: Settings, log: Log) -> ExitCode:
    """Watch until a notice comes, save the run, and return finalize's exit code.

    Nothing that the metadata service answers, or fails to, ends the watch; nor does a notice that
    comes before there is a run, which is saved once it begins.
    """
    service = metadata_service.connect()
    if service is None:
        raise UsageError("AWS_EC2_METADATA_DISABLED is true: there is nothing to watch")
    log(State.WATCH_START, poll_interval_seconds=settings.poll_interval_seconds)
    systemd.notify("READY=1")
    rebalance_at: datetime | None = None
    detected: Notice | None = None
    while True:
        systemd.notify("WATCHDOG=1")
        found = _notice(service, rebalancing=rebalance_at is not None)
        run = run_state.load(settings.state_dir)
        if found and (detected is None or run):
            log(
                State.DETECTED,
                reason=found.reason,
                time=found.time,
                action=found.detail,
                run_id=run.run_id if run else None,
            )
            detected = found
        if found and run:
            with systemd.beating():
                return save.save(settings, log, found, run)
        recommended = notices.rebalance_recommendation(
            _ask(service, "meta-data/events/recommendations/rebalance")
        )
        if recommended and recommended != rebalance_at:
            rebalance_at = recommended
            _rebalance(settings, log, recommended)
        time.sleep(settings.poll_interval_seconds)


def _notice(service: MetadataService, *, rebalancing: bool) -> Notice | None:
    return (
        notices.spot_notice(_ask(service, "meta-data/spot/instance-action"))
        or notices.scheduled_event(
            _ask(service, "meta-data/events/maintenance/scheduled"), datetime.now(UTC)
        )
        or notices.target_state_notice(
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
    log(State.DETECTED, reason=notices.REBALANCE, time=recommended)
    if not settings.use_rebalance_recommendation:
        return

    def save() -> None:
        try:
            checkpoint.checkpoint(settings, log, notices.REBALANCE)
        except AgentError:
            return  # the log says what happened, and training goes on

    threading.Thread(target=save, daemon=True).start()
