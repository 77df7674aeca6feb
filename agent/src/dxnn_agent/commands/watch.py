"""watch: asks the metadata service, and saves the run when EC2 is about to take the machine."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

from dxnn_agent.commands import checkpoint, save
from dxnn_agent.errors import AgentError, ExitCode, UsageError
from dxnn_agent.log import State
from dxnn_agent.machine import metadata_service, notices, systemd
from dxnn_agent.machine.metadata_service import MetadataService
from dxnn_agent.machine.notices import Notice
from dxnn_agent.state import run_state
from dxnn_agent.store.context import Context


def watch(context: Context) -> ExitCode:
    """Watch until a notice comes, save the run, and return finalize's exit code.

    Nothing that the metadata service answers, or fails to, ends the watch; nor does a notice that
    comes before there is a run, which is saved once it begins.
    """
    settings, log = context.settings, context.log
    service = metadata_service.connect()
    if service is None:
        raise UsageError("AWS_EC2_METADATA_DISABLED is true: there is nothing to watch")
    log(State.WATCH_START, poll_interval_seconds=settings.poll_interval_seconds)
    systemd.notify("READY=1")
    rebalance_at: datetime | None = None
    detected: Notice | None = None
    while True:
        systemd.notify("WATCHDOG=1")
        notice = _notice(service, rebalancing=rebalance_at is not None)
        run = run_state.load(settings.state_dir)
        if notice and (detected is None or run):
            log(
                State.DETECTED,
                reason=notice.reason,
                time=notice.time,
                action=notice.detail,
                run_id=run.run_id if run else None,
            )
            detected = notice
        if notice and run:
            with systemd.beating():
                return save.save(context, notice, run)
        recommended = notices.rebalance_recommendation(service.ask(notices.REBALANCE_PATH))
        if recommended and recommended != rebalance_at:
            rebalance_at = recommended
            _rebalance(context, recommended)
        time.sleep(settings.poll_interval_seconds)


def _notice(service: MetadataService, *, rebalancing: bool) -> Notice | None:
    notice = notices.first(service.ask, datetime.now(UTC))
    if notice and notice.reason == notices.SHUTDOWN and rebalancing:
        return replace(notice, reason=notices.REBALANCE)  # the group follows the recommendation
    return notice


def _rebalance(context: Context, recommended: datetime) -> None:
    """Checkpoint and ship now, beside the watch: a notice may follow at any moment."""
    context.log(State.DETECTED, reason=notices.REBALANCE, time=recommended)
    if not context.settings.use_rebalance_recommendation:
        return

    def take() -> None:
        try:
            checkpoint.checkpoint(context, notices.REBALANCE)
        except AgentError:
            return  # the log says what happened, and training goes on

    threading.Thread(target=take, daemon=True).start()
