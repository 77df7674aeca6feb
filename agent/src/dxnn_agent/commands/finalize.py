"""finalize: everything into S3 exactly once, `_SUCCESS` last, and the machine down."""

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from dxnn_agent.errors import ExitCode, LockedError
from dxnn_agent.finalization import execute, facts, plan, progress
from dxnn_agent.finalization.execute import IncompleteError
from dxnn_agent.finalization.plan import FinalizePlan, Held, Sentinel
from dxnn_agent.log import Log, State
from dxnn_agent.machine import auto_scaling, power
from dxnn_agent.machine.auto_scaling import GroupError
from dxnn_agent.settings import Settings
from dxnn_agent.state import beginning, dumps, lock, run_state, standing_notice, time_budget
from dxnn_agent.state.job_history import Streak
from dxnn_agent.state.outcome import CompletionStatus, Outcome
from dxnn_agent.state.run_state import Phase, Run
from dxnn_agent.store import keys, retry, upload
from dxnn_agent.store.s3 import ANYWAY, NEW, Bucket, S3Error
from dxnn_agent.store.upload import Line

# Long enough for another process to upload a large job, and short enough not to wait for ever.
WAIT_SECONDS = 900.0


Answer = TypeVar("Answer")


def finalize(
    settings: Settings, given: Outcome | None, log: Log, wait_seconds: float = WAIT_SECONDS
) -> ExitCode:
    """Finalize the run of this machine as the contract's five steps say.

    `given` is how the run ended; without it, what the run itself wrote down. Returns DONE, also
    where there was nothing left to do, or UPLOAD_FAILED. Raises LockedError after `wait_seconds`
    behind another finalization.
    """
    if settings.s3_bucket is None:
        log(State.FINALIZE_SKIPPED, reason="no s3_bucket")
        return ExitCode.DONE
    run = run_state.load(settings.state_dir)
    if run is None or run.phase is Phase.CLAIMING:
        run = beginning.begin(settings, log, State.FINALIZE_START, adopts=run is None)
    beginning.require_job(settings, run)
    outcome = facts.outcome_of(settings, run, given)
    log(
        State.FINALIZE_START,
        run_id=run.run_id,
        container_name=settings.container_name,
        completion_status=outcome.completion_status,
        exit_code=outcome.exit_code,
        reason=outcome.reason,
    )
    with lock.hold(settings.lock_file, wait_seconds, "another finalization"):
        run = run_state.load(settings.state_dir) or run
        line = Line(
            Bucket(settings.s3_bucket), settings.state_dir, log, _deadline(settings, outcome)
        )
        return _finalize_alone(settings, run, outcome, line)


def pending(settings: Settings, log: Log) -> ExitCode:
    """Finalize where that is owed: it failed, or whoever was at it was cut off.

    Does nothing, and says nothing, for a run that is under way, or that somebody is finalizing.
    """
    run = run_state.load(settings.state_dir)
    if run is None or run.phase is Phase.DOWN:
        return ExitCode.DONE
    if run.phase is Phase.FINALIZED and not settings.auto_terminate:
        return ExitCode.DONE
    try:
        with lock.hold(settings.state_dir / lock.RUN_LOCK, 0, "another run"):
            ended = run.sealed or run.phase is Phase.EXITED
            return finalize(settings, None, log, 0) if ended else ExitCode.DONE
    except LockedError:
        return ExitCode.DONE


def _finalize_alone(settings: Settings, run: Run, outcome: Outcome, line: Line) -> ExitCode:
    prefix = keys.run_prefix(settings.s3_prefix, run.job_id, run.run_id)
    sentinel_key = f"{prefix}{keys.SUCCESS_NAME}"
    stored: dict[str, Held] | None = None  # writing may be allowed where reading is not
    streak = facts.unknown_streak(settings, run)
    try:
        sentinel = _read(line, keys.SUCCESS_NAME, lambda: line.bucket.read(sentinel_key))
        if sentinel:
            return _skip(settings, run, sentinel, line)
        # Before anything is counted: from now on `checkpoint` adds nothing to the run.
        run = _sign(settings, run, outcome)
        stored, streak = _read(line, "listing", lambda: _look(settings, run, outcome, line.bucket))
    except S3Error as error:
        run = _sign(settings, run, outcome)
        if not error.denied:
            made = facts.draft(
                settings, run, outcome, line.bucket.name, None, streak, finalized_already=None
            )
            missing = [planned.key for planned in made.objects]
            return _fail(settings, made, line, IncompleteError(str(error), missing))
    made = facts.draft(
        settings, run, outcome, line.bucket.name, stored, streak, finalized_already=False
    )
    if made.gives_up:
        # Before the log is sent, which is all that can be read of it once the machine is gone.
        line.log(State.JOB_GIVEN_UP, run_id=run.run_id, reason=made.last_because)
    try:
        with progress.shown(made, line) as watched:
            manifest_sha256 = execute.carry_out(made, watched, run.signature or "")
        sentinel_written = _write_sentinel(settings, run, made, manifest_sha256, line)
    except IncompleteError as error:
        return _fail(settings, made, line, error)
    if not sentinel_written:
        line.log(State.FINALIZE_SKIPPED, run_id=run.run_id, reason="finalized by another machine")
        run_state.update(settings.state_dir, run.run_id, phase=Phase.DOWN)
        return ExitCode.DONE
    run_state.update(settings.state_dir, run.run_id, phase=Phase.FINALIZED)
    line.log(
        State.FINALIZE_SUCCESS,
        run_id=run.run_id,
        completion_status=outcome.completion_status,
        exit_code=outcome.exit_code,
        reason=outcome.reason,
        warning=made.warning,
    )
    return _leave(settings, run, made.last_because, line.log)


def _look(
    settings: Settings, run: Run, outcome: Outcome, bucket: Bucket
) -> tuple[dict[str, Held], Streak]:
    stored = facts.held(settings, run, bucket)
    return stored, facts.streak(settings, run, outcome, bucket, stored)


def _skip(
    settings: Settings, run: Run, sentinel: tuple[bytes, dict[str, str]], line: Line
) -> ExitCode:
    """Somebody finalized this run; where that was this machine it must still go down."""
    line.log(State.FINALIZE_SKIPPED, run_id=run.run_id, reason="finalized already")
    if run.phase is Phase.DOWN:
        return ExitCode.DONE
    if not run.wrote(sentinel[1]):
        run_state.update(settings.state_dir, run.run_id, phase=Phase.DOWN)
        return ExitCode.DONE
    run_state.update(settings.state_dir, run.run_id, phase=Phase.FINALIZED)
    outcome = facts.outcome_of(settings, run, None)  # as it was when the sentinel was signed
    complete = outcome.completion_status is CompletionStatus.NORMAL
    try:
        _, streak = _read(line, "listing", lambda: _look(settings, run, outcome, line.bucket))
    except S3Error:
        # The job trains on, at worst once more in vain.
        streak = facts.unknown_streak(settings, run)
    because = plan.last_because(settings, complete=complete, streak=streak)
    return _leave(settings, run, because, line.log)


def _sign(settings: Settings, run: Run, outcome: Outcome) -> Run:
    """Write down how the run ended, and by which signature its sentinel will be known as ours."""
    signed = run_state.update(
        settings.state_dir,
        run.run_id,
        signature=run.signature or secrets.token_hex(16),
        completion_status=str(outcome.completion_status),
        exit_code=outcome.exit_code,
        reason=outcome.reason,
    )
    return signed or run


def _leave(settings: Settings, run: Run, last_because: str | None, log: Log) -> ExitCode:
    """Let no machine follow where this was the last one, and power off."""
    try:
        group = auto_scaling.stand_down(run.instance_id) if last_because else None
    except GroupError as error:
        return _stay(settings, run, log, error)
    if settings.auto_terminate:
        _power_off(settings, run, log, last_because=last_because, group=group)
    return ExitCode.DONE


def _stay(settings: Settings, run: Run, log: Log, error: GroupError) -> ExitCode:
    """Everything is in S3, but the group would start the job again: the policy decides."""
    log(
        State.FINALIZE_FAILED,
        run_id=run.run_id,
        missing=0,
        on_upload_failure=settings.on_upload_failure,
        error=str(error),
    )
    if settings.on_upload_failure == "terminate":
        _power_off(settings, run, log)
    return error.exit_code


def _power_off(settings: Settings, run: Run, log: Log, **said: str | None) -> None:
    log(State.TERMINATING, run_id=run.run_id, **said)
    power.off(settings.poweroff_command)
    # Only now: whoever is killed before this powers off when it is started again.
    run_state.update(settings.state_dir, run.run_id, phase=Phase.DOWN)


def _write_sentinel(
    settings: Settings, run: Run, made: FinalizePlan, manifest_sha256: str, line: Line
) -> bool:
    """Write `_SUCCESS` unless somebody did: False where it was another machine."""
    sentinel = _now(settings, replace(made.sentinel, manifest_sha256=manifest_sha256))
    body = dumps.to_json(sentinel.content()).encode()
    sha256 = upload.sha256_of(body)
    told = {"sha256": sha256, "signature": run.signature or ""}

    def write() -> bool:
        if line.bucket.write(made.sentinel_key, body, sha256, told, NEW):
            return True
        standing = line.bucket.read(made.sentinel_key)
        return standing is not None and run.wrote(standing[1])

    try:
        return retry.attempt(
            write, deadline=line.deadline, retrying=line.retrying(keys.SUCCESS_NAME)
        )
    except S3Error as error:
        raise IncompleteError(str(error), [made.sentinel_key]) from error


def _fail(settings: Settings, made: FinalizePlan, line: Line, error: IncompleteError) -> ExitCode:
    """Leave `_FAILED_UPLOAD` where that much is possible, and let the policy decide."""
    sentinel = _now(settings, replace(made.sentinel, status="failed"))
    missing = [key.removeprefix(made.prefix) for key in error.missing]
    body = dumps.to_json({**sentinel.content(), "error": str(error), "missing": missing}).encode()
    run_state.update(settings.state_dir, made.run_id, phase=Phase.FAILED)
    written = True
    try:
        sha256 = upload.sha256_of(body)
        key = f"{made.prefix}{keys.FAILED_NAME}"
        line.bucket.write(key, body, sha256, {"sha256": sha256}, ANYWAY)
    except S3Error:
        written = False  # the log says why everything failed; once is enough
    line.log(
        State.FINALIZE_FAILED,
        run_id=made.run_id,
        missing=len(missing),
        failed_upload_written=written,
        on_upload_failure=settings.on_upload_failure,
        error=str(error),
    )
    if settings.on_upload_failure == "terminate":
        because = plan.last_because(settings, complete=False, streak=Streak())
        with contextlib.suppress(GroupError):  # nothing is left to be decided by it
            auto_scaling.stand_down(made.sentinel.instance_id if because else None)
        line.log(State.TERMINATING, run_id=made.run_id)
        power.off(settings.poweroff_command)
    return ExitCode.UPLOAD_FAILED


def _now(settings: Settings, sentinel: Sentinel) -> Sentinel:
    """The sentinel as of now, with the margin that was left before EC2 takes the machine."""
    now = datetime.now(UTC)
    notice_time = sentinel.outcome.notice_time
    if notice_time is None:
        standing = standing_notice.standing(settings.state_dir)
        notice_time = standing.time if standing else None
    margin = round((notice_time - now).total_seconds(), 1) if notice_time else None
    outcome = replace(sentinel.outcome, notice_time=notice_time)
    return replace(sentinel, finalized_at=now, margin_seconds=margin, outcome=outcome)


def _deadline(settings: Settings, outcome: Outcome) -> Callable[[], datetime | None]:
    """Until when uploads may take; a notice may still come while they are on their way."""

    def until() -> datetime | None:
        standing = standing_notice.standing(settings.state_dir)
        return time_budget.uploads_until(standing.time if standing else outcome.notice_time)

    return until


def _read(line: Line, name: str, question: Callable[[], Answer]) -> Answer:
    """Ask S3, but not again where reading is denied: writing may still be allowed."""
    return retry.attempt(
        question,
        deadline=line.deadline,
        retrying=line.retrying(name),
        give_up=lambda error: error.denied,
    )
