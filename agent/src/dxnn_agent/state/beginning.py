"""Beginning a run: its id and its prefix in S3, claimed by a conditional write of its log."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dxnn_agent import log, timestamps
from dxnn_agent.errors import UsageError
from dxnn_agent.log import State
from dxnn_agent.machine import boot_clock, metadata_service
from dxnn_agent.settings import Settings
from dxnn_agent.state import run_state, standing_notice
from dxnn_agent.state.run_state import Phase, Run
from dxnn_agent.store import keys, retry, upload
from dxnn_agent.store.context import Context
from dxnn_agent.store.store import IF_ABSENT


def begin(context: Context, first: State, *, adopts: bool = False) -> Run:
    """The unfinished run of this machine, else a new one.

    A new run claims its prefix by writing its log there unless somebody did before, with `first` as
    its first event; two machines that begin in the same second get two ids. A command that was
    killed while claiming recognises its own claim. Raises StoreError, or UsageError where the
    unfinished run is another job's.
    """
    settings = context.settings
    with run_state.exclusive(settings.state_dir):
        run = run_state.load(settings.state_dir)
        if run and not run.over:
            require_job(settings, run)
            if run.phase is not Phase.CLAIMING:
                return run
        if run is None or run.over:
            standing_notice.forget(settings.state_dir)
            run = _new(settings, run, adopts=adopts)
        run_state.save(settings.state_dir, run)
        while not _claimed(context, run, first):
            run = replace(run, run_id=_next(run.run_id))
            run_state.save(settings.state_dir, run)
        run = replace(run, phase=Phase.CLAIMED)
        run_state.save(settings.state_dir, run)
        return run


def require_job(settings: Settings, run: Run) -> None:
    """Raise UsageError where a machine's run belongs to another job than the settings name."""
    if run.job_id != settings.job_id:
        raise UsageError(
            f"job_id = {settings.job_id!r}, but {settings.state_dir} holds run {run.run_id} of job "
            f"{run.job_id!r}: name that job, or another state_dir"
        )


def _new(settings: Settings, after: Run | None, *, adopts: bool) -> Run:
    run_id = timestamps.stamp(datetime.now(UTC))
    if after and run_id <= after.run_id:
        run_id = _next(after.run_id)
    return Run(
        run_id=run_id,
        job_id=settings.job_id,
        claim=secrets.token_hex(16),
        phase=Phase.CLAIMING,
        instance_id=metadata_service.instance_id(),
        adopts=adopts,
        boot_id=boot_clock.boot_id(),
        began_at=boot_clock.now(),
    )


def _next(run_id: str) -> str:
    moment = timestamps.moment_of(run_id) or datetime.now(UTC)
    return timestamps.stamp(moment + timedelta(seconds=1))


def _claimed(context: Context, run: Run, first: State) -> bool:
    settings, store = context.settings, context.store
    if store is None:
        return True  # nothing of this run will ever leave the machine
    key = keys.run_prefix(settings.s3_prefix, run.job_id, run.run_id) + keys.LOG_NAME
    event = {
        "run_id": run.run_id,
        "job_id": run.job_id,
        "container_name": settings.container_name,
        "instance_id": run.instance_id,
    }
    body = (log.format_event(datetime.now(UTC), first, {**event}) + "\n").encode()

    def create() -> bool:
        if store.put(key, body, upload.sha256_of(body), {"claim": run.claim}, IF_ABSENT):
            return True
        there = store.head(key)
        return there is not None and there.metadata.get("claim") == run.claim

    return retry.attempt(
        create,
        deadline=context.deadline,
        retrying=context.retrying(keys.LOG_NAME),
        give_up=lambda error: error.denied,
    )
