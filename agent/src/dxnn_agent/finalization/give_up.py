"""Giving a job up whose history can't be had: its machine would wait, and be paid for, for ever."""

import json
from datetime import UTC, datetime
from pathlib import Path

from dxnn_agent import __version__
from dxnn_agent.errors import RestoreRefusedError
from dxnn_agent.finalization.plan import Sentinel
from dxnn_agent.log import Log, State
from dxnn_agent.machine import auto_scaling, boot_clock, metadata_service, power
from dxnn_agent.machine.auto_scaling import GroupError
from dxnn_agent.machine.notices import SHUTDOWN
from dxnn_agent.settings import Settings
from dxnn_agent.state import dumps, run_state
from dxnn_agent.state.outcome import CompletionStatus, Outcome
from dxnn_agent.state.run_state import Run
from dxnn_agent.store import keys, upload
from dxnn_agent.store.s3 import ANYWAY, Bucket, S3Error

_SINCE_FILE = "no-history.json"


def consider(settings: Settings, log: Log, run: Run | None, error: RestoreRefusedError) -> None:
    """After `restore_give_up_seconds` of this boot, end what waiting won't mend.

    The group is told to launch no other machine, `_FAILED_UPLOAD` says why where S3 takes it, and
    this machine powers off where nothing that lies on it would be lost. Nothing of it on a machine
    that is none of EC2's, nor where the group can't be told: it is tried again then.
    """
    patience = settings.restore_give_up_seconds
    if not error.hopeless or not patience or _since(settings.state_dir) < patience:
        return
    instance_id = run.instance_id if run else None
    instance_id = instance_id or metadata_service.instance_id()
    if instance_id is None:
        return
    reason = f"for {patience} s: {error}"
    log(State.JOB_GIVEN_UP, run_id=run.run_id if run else None, reason=reason)
    if run:
        _tell_s3(settings, run, reason)
    try:
        auto_scaling.stand_down(instance_id)
    except GroupError as refused:
        log(State.RESTORE_FAILED, run_id=run.run_id if run else None, error=str(refused))
        return
    if dumps.lying_in(settings.checkpoint_dir) or not settings.auto_terminate:
        return
    log(State.TERMINATING, run_id=run.run_id if run else None, last_because=reason)
    power.off(settings.poweroff_command)


def forget(state_dir: Path) -> None:
    """The history could be had after all."""
    (state_dir / _SINCE_FILE).unlink(missing_ok=True)


def _since(state_dir: Path) -> float:
    """Seconds since it could not be had for the first time; 0 where that is now."""
    file = state_dir / _SINCE_FILE
    try:
        first = json.loads(file.read_text(encoding="utf-8"))
        if first["boot_id"] == boot_clock.boot_id():
            return boot_clock.since(first["boot_id"], float(first["at"]))
    except (OSError, ValueError, KeyError, TypeError):
        first = None
    run_state.write_json(file, {"boot_id": boot_clock.boot_id(), "at": boot_clock.now()})
    return 0.0


def _tell_s3(settings: Settings, run: Run, reason: str) -> None:
    if settings.s3_bucket is None:
        return
    sentinel = Sentinel(
        run_id=run.run_id,
        finalized_at=datetime.now(UTC),
        status="failed",
        outcome=Outcome(CompletionStatus.INTERRUPTED, None, SHUTDOWN),
        job_id=run.job_id,
        container_name=settings.container_name,
        instance_id=run.instance_id,
        parent_run_id=None,
        manifest_sha256=None,
        margin_seconds=None,
        agent_version=__version__,
    )
    body = dumps.to_json({**sentinel.content(), "error": reason, "missing": []}).encode()
    sha256 = upload.sha256_of(body)
    key = keys.run_prefix(settings.s3_prefix, run.job_id, run.run_id) + keys.FAILED_NAME
    try:
        Bucket(settings.s3_bucket).write(key, body, sha256, {"sha256": sha256}, ANYWAY)
    except S3Error:
        return  # the log says what S3 answers
