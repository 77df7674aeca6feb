"""Giving a job up whose history can't be had: its machine would wait, and be paid for, for ever."""

from dxnn_agent.errors import RestoreRefusedError
from dxnn_agent.finalization import execute, giving_up, sentinel
from dxnn_agent.log import State
from dxnn_agent.machine import auto_scaling, metadata_service, power
from dxnn_agent.machine.auto_scaling import GroupError
from dxnn_agent.machine.notices import SHUTDOWN
from dxnn_agent.state import dumps
from dxnn_agent.state.outcome import CompletionStatus, Outcome
from dxnn_agent.state.run_state import Run
from dxnn_agent.store import keys
from dxnn_agent.store.context import Context


def consider(context: Context, run: Run | None, error: RestoreRefusedError) -> None:
    """After `restore_give_up_seconds` of this boot, end what waiting won't mend.

    The group is told to launch no other machine, `_FAILED_UPLOAD` says why where S3 takes it, and
    this machine powers off where nothing that lies on it would be lost. Nothing of it on a machine
    that is none of EC2's, nor where the group can't be told: it is tried again then.
    """
    settings, log = context.settings, context.log
    if not error.hopeless or not giving_up.without_history(settings):
        return
    instance_id = run.instance_id if run else None
    instance_id = instance_id or metadata_service.instance_id()
    if instance_id is None:
        return
    run_id = run.run_id if run else None
    reason = f"for {settings.restore_give_up_seconds} s: {error}"
    log(State.JOB_GIVEN_UP, run_id=run_id, reason=reason)
    if run:
        _mark_failed(context, run, reason)
    try:
        auto_scaling.stand_down(instance_id)
    except GroupError as refused:
        log(State.RESTORE_FAILED, run_id=run_id, error=str(refused))
        return
    if dumps.lying_in(settings.checkpoint_dir) or not settings.auto_terminate:
        return
    log(State.TERMINATING, run_id=run_id, last_because=reason)
    power.off(settings.poweroff_command)


def _mark_failed(context: Context, run: Run, reason: str) -> None:
    settings = context.settings
    ended = Outcome(CompletionStatus.INTERRUPTED, None, SHUTDOWN)
    key = keys.run_prefix(settings.s3_prefix, run.job_id, run.run_id) + keys.FAILED_NAME
    execute.put_failed(context, key, sentinel.of(settings, run, ended, "failed"), reason, [])
