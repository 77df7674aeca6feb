"""finalize: everything into S3 exactly once, `_SUCCESS` last, and the machine down."""

import contextlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from dxnn_agent import timestamps
from dxnn_agent.errors import ExitCode, LockedError
from dxnn_agent.finalization import decide, execute, facts, progress
from dxnn_agent.finalization.execute import IncompleteError
from dxnn_agent.finalization.facts import Facts
from dxnn_agent.finalization.plan import Action, Departure, FinalizePlan
from dxnn_agent.log import State
from dxnn_agent.machine.auto_scaling import GroupError
from dxnn_agent.settings import Settings
from dxnn_agent.state import beginning, lock, outcome, run_state
from dxnn_agent.state.outcome import Outcome
from dxnn_agent.state.run_state import Phase, Run
from dxnn_agent.store import keys, retry
from dxnn_agent.store.context import Context
from dxnn_agent.store.store import Store, StoreError

# Long enough for another process to upload a large job, and short enough not to wait for ever.
WAIT_SECONDS = 900.0

# What is not known after these is sent without having been asked for.
_READING_ATTEMPTS = 3

Answer = TypeVar("Answer")


def finalize(
    context: Context, given: Outcome | None, wait_seconds: float = WAIT_SECONDS
) -> ExitCode:
    """Finalize the run of this machine: gather, decide, execute.

    `given` is how the run ended; without it, what the run itself wrote down. Returns DONE, also
    where there was nothing left to do, or UPLOAD_FAILED. Raises LockedError after `wait_seconds`
    behind another finalization.
    """
    settings, log, store = context.settings, context.log, context.store
    run = run_state.load(settings.state_dir)
    idle = facts.idle(settings, run, store)
    if idle or store is None:
        log(State.FINALIZE_SKIPPED, reason=idle)
        return ExitCode.DONE
    if run is None or run.phase is Phase.CLAIMING:
        run = beginning.begin(context, State.FINALIZE_START, adopts=run is None)
    beginning.require_job(settings, run)
    ended = facts.outcome_of(settings, run, given)
    log(
        State.FINALIZE_START,
        run_id=run.run_id,
        container_name=settings.container_name,
        completion_status=ended.completion_status,
        exit_code=ended.exit_code,
        reason=ended.reason,
    )
    with lock.hold(settings.lock_file, wait_seconds, "another finalization"):
        run = run_state.load(settings.state_dir) or run
        sealing = partial(_seal, settings, run, ended)
        gathered = _gather(context, store, run, ended, sealing, _READING_ATTEMPTS)
        return _carry_out(context, gathered.run, decide.decide(settings, gathered))


def dry_run(context: Context, given: Outcome | None) -> FinalizePlan:
    """The plan that finalize would carry out, made without writing anything.

    Without network or credentials the plan says that it does not know what S3 holds.
    """
    settings, store = context.settings, context.store
    run = run_state.load(settings.state_dir)
    idle = facts.idle(settings, run, store)
    if run is None or run.phase is Phase.CLAIMING:
        run_id = timestamps.stamp(datetime.now(UTC))
        run = Run(run_id, settings.job_id, "", Phase.CLAIMED, adopts=run is None)
    beginning.require_job(settings, run)
    ended = facts.outcome_of(settings, run, given)
    if idle or store is None:
        return decide.decide(settings, Facts(run, ended, settings.s3_bucket or "", idle=idle))
    as_it_is = run
    return decide.decide(settings, _gather(context, store, run, ended, lambda: as_it_is, 1))


def pending(context: Context) -> ExitCode:
    """Finalize where that is owed: it failed, or whoever was at it was cut off.

    Does nothing, and says nothing, for a run that is under way, or that somebody is finalizing.
    """
    settings = context.settings
    run = run_state.load(settings.state_dir)
    if run is None or run.phase is Phase.DOWN:
        return ExitCode.DONE
    if run.phase is Phase.FINALIZED and not settings.auto_terminate:
        return ExitCode.DONE
    try:
        with lock.hold(settings.state_dir / lock.RUN_LOCK, 0, "another run"):
            ended = run.sealed or run.phase is Phase.EXITED
            return finalize(context, None, 0) if ended else ExitCode.DONE
    except LockedError:
        return ExitCode.DONE


def _gather(
    context: Context,
    store: Store,
    run: Run,
    ended: Outcome,
    seal: Callable[[], Run],
    attempts: int,
) -> Facts:
    """Gather the facts; a run without a sentinel is sealed before anything of it is counted.

    What the store does not say is left unknown: writing may be allowed where reading is not.
    """
    settings = context.settings

    def ask(name: str, question: Callable[[], Answer]) -> Answer:
        return retry.attempt(
            question,
            deadline=context.deadline,
            retrying=context.retrying(name),
            give_up=lambda error: error.denied,
            attempts=attempts,
        )

    try:
        sentinel = ask(keys.SUCCESS_NAME, lambda: facts.written_sentinel(settings, run, store))
    except StoreError:
        return facts.on_disk(settings, seal(), ended, store.name)
    known = facts.on_disk(settings, run if sentinel else seal(), ended, store.name, sentinel)
    with contextlib.suppress(StoreError):
        return ask("listing", lambda: facts.with_store(settings, known, store))
    return known


def _seal(settings: Settings, run: Run, ended: Outcome) -> Run:
    """Write down how the run ended, and by which signature its sentinel will be known as ours."""
    signature = run.signature or secrets.token_hex(16)
    return outcome.record(settings.state_dir, run, ended, signature=signature) or run


def _carry_out(context: Context, run: Run, plan: FinalizePlan) -> ExitCode:
    log, state_dir = context.log, context.settings.state_dir
    if plan.action is not Action.UPLOAD:
        log(State.FINALIZE_SKIPPED, run_id=plan.run_id, reason=plan.because)
        phase = Phase.FINALIZED if plan.action is Action.LEAVE else Phase.DOWN
        if run.phase is not Phase.DOWN:
            run_state.update(state_dir, plan.run_id, phase=phase)
        return _leave(context, plan)
    if plan.gives_up:
        # Before the log is sent, which is all that can be read of it once the machine is gone.
        log(State.JOB_GIVEN_UP, run_id=plan.run_id, reason=plan.on_success.last_because)
    try:
        with progress.shown(plan, context) as watched:
            ours = execute.upload_all(plan, watched, run.signature or "")
    except IncompleteError as error:
        return _fail(context, plan, error)
    if not ours:
        log(State.FINALIZE_SKIPPED, run_id=plan.run_id, reason="finalized by another machine")
        run_state.update(state_dir, plan.run_id, phase=Phase.DOWN)
        return ExitCode.DONE
    run_state.update(state_dir, plan.run_id, phase=Phase.FINALIZED)
    log(
        State.FINALIZE_SUCCESS,
        run_id=plan.run_id,
        completion_status=plan.sentinel.outcome.completion_status,
        exit_code=plan.sentinel.outcome.exit_code,
        reason=plan.sentinel.outcome.reason,
        warning=plan.warning,
    )
    return _leave(context, plan)


def _leave(context: Context, plan: FinalizePlan) -> ExitCode:
    """Let no machine follow where this was the last one, and power off."""
    departure = plan.on_success
    try:
        group = execute.tell_group(plan, departure)
    except GroupError as error:
        # Everything is in S3, but the group would start the job again: the policy decides.
        context.log(
            State.FINALIZE_FAILED,
            run_id=plan.run_id,
            missing=0,
            on_upload_failure=plan.policy,
            error=str(error),
        )
        _power_off(context, plan, plan.on_failure)
        return error.exit_code
    _power_off(context, plan, departure, last_because=departure.last_because, group=group)
    return ExitCode.DONE


def _power_off(
    context: Context, plan: FinalizePlan, departure: Departure, **said: str | None
) -> None:
    if not departure.poweroff:
        return
    context.log(State.TERMINATING, run_id=plan.run_id, **said)
    execute.power_off(plan)
    # Only now: whoever is killed before this powers off when it is started again.
    run_state.update(context.settings.state_dir, plan.run_id, phase=Phase.DOWN)


def _fail(context: Context, plan: FinalizePlan, error: IncompleteError) -> ExitCode:
    """Leave `_FAILED_UPLOAD` where that much is possible, and let the policy decide."""
    run_state.update(context.settings.state_dir, plan.run_id, phase=Phase.FAILED)
    written = execute.mark_failed(plan, context, error)
    context.log(
        State.FINALIZE_FAILED,
        run_id=plan.run_id,
        missing=len(error.missing),
        failed_upload_written=written,
        on_upload_failure=plan.policy,
        error=str(error),
    )
    with contextlib.suppress(GroupError):  # nothing is left to be decided by it
        execute.tell_group(plan, plan.on_failure)
    if plan.on_failure.poweroff:
        context.log(State.TERMINATING, run_id=plan.run_id)
        execute.power_off(plan)
    return ExitCode.UPLOAD_FAILED
