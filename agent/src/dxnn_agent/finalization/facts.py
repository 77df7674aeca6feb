"""Drafting the plan of a finalization: gathering all that decides it, and writing nothing."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dxnn_agent import __version__
from dxnn_agent.errors import UsageError
from dxnn_agent.finalization import inventory, plan
from dxnn_agent.finalization.plan import FinalizePlan, Held
from dxnn_agent.settings import Settings
from dxnn_agent.state import (
    artifacts,
    beginning,
    dumps,
    job_history,
    job_hours,
    reasons,
    run_state,
    standing_notice,
)
from dxnn_agent.state.job_history import Streak
from dxnn_agent.state.outcome import MANUAL, CompletionStatus, Outcome, is_failure
from dxnn_agent.state.run_state import Phase, Run
from dxnn_agent.store import keys, uploaded
from dxnn_agent.store.s3 import Bucket, S3Error


def dry_run(settings: Settings, given: Outcome | None) -> FinalizePlan:
    """The plan that finalize would carry out, made without writing anything.

    Without network or credentials the plan says that it does not know what S3 holds.
    """
    run = run_state.load(settings.state_dir)
    if run is None or run.phase is Phase.CLAIMING:
        run_id = keys.stamp(datetime.now(UTC))
        run = Run(run_id, settings.job_id, "", Phase.CLAIMED, adopts=run is None)
    beginning.require_job(settings, run)
    outcome = outcome_of(settings, run, given)
    if settings.s3_bucket is None:
        raise UsageError("s3_bucket is not set: finalize would upload nothing and change nothing")
    bucket = Bucket(settings.s3_bucket, connect_seconds=1, read_seconds=3)
    key = keys.run_prefix(settings.s3_prefix, run.job_id, run.run_id) + keys.SUCCESS_NAME
    try:
        sentinel = bucket.read(key)
        stored = held(settings, run, bucket)
        found = streak(settings, run, outcome, bucket, stored)
    except S3Error:
        unknown = unknown_streak(settings, run)
        return draft(settings, run, outcome, bucket.name, None, unknown, finalized_already=None)
    made = draft(
        settings,
        run,
        outcome,
        bucket.name,
        stored,
        found,
        finalized_already=sentinel is not None,
    )
    if sentinel and (run.phase is Phase.DOWN or not run.wrote(sentinel[1])):
        return replace(made, last_because=None, gives_up=False, poweroff=False)
    return made


def draft(
    settings: Settings,
    run: Run,
    outcome: Outcome,
    bucket: str,
    stored: dict[str, Held] | None,
    found: Streak,
    *,
    finalized_already: bool | None,
) -> FinalizePlan:
    """The plan for a run, from what lies on the disk and `stored`, what S3 holds."""
    return plan.make(
        settings,
        run,
        outcome,
        bucket=bucket,
        local_dumps=inventory.local_dumps(settings.checkpoint_dir),
        artifacts=artifacts.changed(settings, run),
        log=inventory.local_file(settings.log_file),
        stored=stored,
        finalized_already=finalized_already,
        streak=found,
        poweroff=settings.auto_terminate,
        agent_version=__version__,
    )


def held(settings: Settings, run: Run, bucket: Bucket) -> dict[str, Held]:
    """What S3 holds of this run and of earlier runs whose dumps still lie here. Raises S3Error."""
    runs = {run.run_id} | {
        dumps.home_of(dump, run)
        for dump in dumps.lying_in(settings.checkpoint_dir)
        if dump.job_id in {None, run.job_id}
    }
    prefixes = [keys.run_prefix(settings.s3_prefix, run.job_id, run_id) for run_id in sorted(runs)]
    return inventory.stored(bucket, prefixes, uploaded.remembered(settings.state_dir, bucket.name))


def streak(
    settings: Settings, run: Run, outcome: Outcome, bucket: Bucket, stored: dict[str, Held]
) -> Streak:
    """How many runs in a row, up to this one, were in vain. Raises S3Error.

    The job's history is looked at only where it can matter: for an interrupted run without a dump
    newer than the one it began from, and for one that the trainer itself ended.
    """
    interrupted = outcome.completion_status is CompletionStatus.INTERRUPTED
    fruitless = interrupted and not _got_further(settings, run, stored)
    failed = is_failure(outcome.reason)
    spent = job_hours.why_given_up(settings, run)
    if not fruitless and not failed:
        return Streak(0, 0, spent)
    prefix = keys.job_prefix(settings.s3_prefix, run.job_id)
    past = job_history.runs(bucket.list(prefix), prefix)

    reason_of = reasons.of_job(settings, run.job_id, bucket)
    most = settings.max_failed_runs - 1
    return Streak(
        job_history.fruitless_before(past, run.run_id) + 1 if fruitless else 0,
        job_history.failed_before(past, run.run_id, reason_of, most) + 1 if failed else 0,
        spent,
    )


def unknown_streak(settings: Settings, run: Run) -> Streak:
    """What is known of a job's streak where S3 does not answer."""
    return Streak(spent=job_hours.why_given_up(settings, run))


def _got_further(settings: Settings, run: Run, stored: dict[str, Held]) -> bool:
    own = keys.run_prefix(settings.s3_prefix, run.job_id, run.run_id)
    names = [key.removeprefix(own) for key in stored if key.startswith(own)]
    names += [
        dump.name.file
        for dump in dumps.lying_in(settings.checkpoint_dir)
        if dump.job_id in {None, run.job_id} and dumps.home_of(dump, run) == run.run_id
    ]
    restored = keys.dump_name(Path(run.restore_path).name) if run.restore_path else None
    return job_history.got_further(names, restored.taken_at if restored else None)


def outcome_of(settings: Settings, run: Run, given: Outcome | None) -> Outcome:
    """How the run ended: as told, else as it wrote down itself, else nobody trained here."""
    standing = standing_notice.standing(settings.state_dir)
    notice_time = standing.time if standing else None
    if given:
        return given if given.notice_time else replace(given, notice_time=notice_time)
    if run.completion_status:
        status = CompletionStatus(run.completion_status)
        return Outcome(status, run.exit_code, run.reason or MANUAL, notice_time)
    reason = standing.reason if standing else MANUAL
    return Outcome(CompletionStatus.INTERRUPTED, None, reason, notice_time)
