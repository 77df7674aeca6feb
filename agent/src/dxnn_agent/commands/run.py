"""run: the trainer as a direct child; wait for it, and finalize with what was seen."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import IO, TYPE_CHECKING, cast

from dxnn_agent.commands import checkpoint, finalize, restore
from dxnn_agent.errors import AgentError, ExitCode, LockedError, NoProgramError, UsageError
from dxnn_agent.log import Log, State
from dxnn_agent.machine import erlang, metadata_service, notices, trainer_process
from dxnn_agent.machine.metadata_service import MetadataError
from dxnn_agent.machine.trainer_output import TrainerOutput
from dxnn_agent.settings import Settings
from dxnn_agent.state import (
    artifacts,
    beginning,
    job_history,
    job_hours,
    lock,
    outcome,
    run_state,
    stalled,
    standing_notice,
)
from dxnn_agent.state.outcome import CompletionStatus, Outcome, Stop
from dxnn_agent.state.run_state import Phase, Run
from dxnn_agent.store import keys
from dxnn_agent.store.s3 import Bucket, S3Error

if TYPE_CHECKING:
    from subprocess import Popen

_ORPHAN_GRACE_SECONDS = 5.0
_STALLED_GRACE_SECONDS = 10.0
_LAST_OUTPUT_SECONDS = 1.0

# As shells have them: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_08_02
_NOT_EXECUTABLE, _NO_SUCH_PROGRAM = 126, 127


class Told:
    """Signals that this process was sent; each is passed on to the trainer, if it runs by then."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.hours_spent = False
        self.trainer: Popen[bytes] | None = None

    def hear(self, number: int, _frame: FrameType | None = None) -> None:
        """Handle TERM or INT."""
        self.first = self.first or number
        if self.trainer and self.trainer.poll() is None:
            trainer_process.signal_group(self.trainer.pid, number)

    @property
    def stop(self) -> Stop | None:
        """What the trainer was told through us."""
        if self.hours_spent:
            return Stop(notices.SHUTDOWN)
        return outcome.of_signal(self.first) if self.first else None


def run(settings: Settings, log: Log, *, allow_fresh: bool = False) -> ExitCode:
    """Train, and finalize: returns finalize's exit code.

    Asks restore first where nobody did for this run. A run whose trainer has exited already, but
    which was cut off before it was finalized, is only finalized; one that was cut off after that
    only powers off. Once EC2 has given notice, no run follows the one that was saved. Raises
    RestoreRefusedError or LockedError, after RUN_REFUSED, where nothing may start.
    """
    if not settings.trainer_directory.is_dir():
        raise UsageError(f"trainer_directory {settings.trainer_directory}: there is no such folder")
    with _alone(settings, log):
        left = run_state.load(settings.state_dir)
        if left is None or left.over:
            # Nothing has begun: a mistyped word is a word to be corrected.
            trainer_process.program(
                settings.trainer_command, settings.trainer_directory, "trainer_command"
            )
        if left and left.leaving(settings):
            return finalize.finalize(settings, None, log)
        if left and left.over and (taken := _taken(settings)):
            log(State.RUN_REFUSED, run_id=left.run_id, reason=taken)
            return ExitCode.DONE
        try:
            current = _ready(settings, log, allow_fresh=allow_fresh)
        except AgentError as error:
            log(State.RUN_REFUSED, error=str(error))
            raise
        told = Told()
        # From here on, also while finalizing, which neither must cut short.
        signal.signal(signal.SIGTERM, told.hear)
        signal.signal(signal.SIGINT, told.hear)
        ended = _recorded(current)
        if ended is None:
            going = _why_not_to_start(settings, current)
            if going:
                log(State.RUN_REFUSED, run_id=current.run_id, reason=going)
                return ExitCode.DONE
            given_up = _why_given_up(settings, current)
            if given_up:
                log(State.RUN_REFUSED, run_id=current.run_id, reason=given_up)
                ended = Outcome(CompletionStatus.INTERRUPTED, None, notices.SHUTDOWN)
                return finalize.finalize(settings, ended, log)
            ended = _train(settings, current, told, log)
        return finalize.finalize(settings, ended, log)


@contextmanager
def _alone(settings: Settings, log: Log) -> Iterator[None]:
    held = lock.hold(settings.state_dir / lock.RUN_LOCK, 0, "another run")
    try:
        held.__enter__()
    except LockedError as error:
        log(State.RUN_REFUSED, error=str(error))
        raise
    try:
        yield
    finally:
        held.__exit__(None, None, None)


def _ready(settings: Settings, log: Log, *, allow_fresh: bool) -> Run:
    current = run_state.load(settings.state_dir)
    if current and current.phase is Phase.TRAINING:
        trainer_process.stop(current, _ORPHAN_GRACE_SECONDS)  # the `run` that started it was killed
    if settings.restore_from_s3_on_boot:
        current = restore.restore(settings, log, allow_fresh=allow_fresh)
    else:
        current = beginning.begin(settings, log, State.RUN_START)
    return current


def _why_not_to_start(settings: Settings, current: Run) -> str | None:
    """A machine that EC2 is about to take, or whose run `watch` has finalized, trains no more."""
    now = run_state.load(settings.state_dir) or current
    return "the run has been finalized meanwhile" if now.over else _taken(settings)


def _taken(settings: Settings) -> str | None:
    """What EC2 says where it is about to take the machine."""
    service = metadata_service.connect() if settings.spot_enabled else None
    try:
        answer = service.get("meta-data/spot/instance-action") if service else None
    except MetadataError:
        return None
    found = notices.spot_notice(answer or "")
    return f"EC2 takes this machine ({found.detail} at {found.time})" if found else None


def _why_given_up(settings: Settings, current: Run) -> str | None:
    """Why a job is not gone on with.

    Its hours are spent, or it keeps losing its machines before the next checkpoint. Where a run was
    finalized, that finalization decided; whoever starts the job again after it was given up wants
    it to run.
    """
    spent = job_hours.why_given_up(settings, current)
    if spent or settings.s3_bucket is None:
        return spent
    prefix = keys.job_prefix(settings.s3_prefix, current.job_id)
    try:
        past = job_history.runs(Bucket(settings.s3_bucket).list(prefix), prefix)
    except S3Error:
        return None
    fruitless = job_history.fruitless_before(past, current.run_id)
    if fruitless < settings.max_fruitless_runs or not job_history.cut_off_before(
        past, current.run_id
    ):
        return None
    return f"runs in a row without a checkpoint: {fruitless}"


def _recorded(current: Run) -> Outcome | None:
    if not current.completion_status or not (current.sealed or current.phase is Phase.EXITED):
        return None
    status = CompletionStatus(current.completion_status)
    return Outcome(status, current.exit_code, current.reason or outcome.MANUAL)


def _train(settings: Settings, current: Run, told: Told, log: Log) -> Outcome:
    if settings.checkpoint_command is None:
        erlang.make_cookie(settings.erlang_cookie_file)
    if current.phase is not Phase.TRAINING:
        artifacts.note(settings, current)
    path = restore.newest_of(settings, current)
    started = run_state.update(settings.state_dir, current.run_id, restore_path=path) or current
    try:
        process = trainer_process.start(settings, started)
    except (NoProgramError, OSError) as error:
        return _not_started(settings, current, error, log)
    output = TrainerOutput(cast("IO[bytes]", process.stdout))
    told.trainer = process
    started = replace(
        started, trainer_pid=process.pid, trainer_started=trainer_process.started_at(process.pid)
    )
    run_state.update(
        settings.state_dir,
        current.run_id,
        phase=Phase.TRAINING,
        trainer_pid=started.trainer_pid,
        trainer_started=started.trainer_started,
    )
    if told.first:
        told.hear(told.first)  # it came before there was a trainer to pass it to
    log(
        State.RUN_START,
        run_id=current.run_id,
        job_id=current.job_id,
        container_name=settings.container_name,
        parent_run_id=current.parent_run_id,
        restore_path=path,
        pid=process.pid,
    )
    with _within_job_hours(settings, started, told, log):
        ended = _await(settings, started, process, output, told, log)
    failed = ended.exit_code and outcome.is_failure(ended.reason)
    return _exited(settings, current, ended, output.last_line() if failed else None, log)


def _not_started(
    settings: Settings, current: Run, error: NoProgramError | OSError, log: Log
) -> Outcome:
    """A trainer that can't be started has failed, with the exit codes that shells have for it."""
    missing = isinstance(error, NoProgramError | FileNotFoundError)
    ended = outcome.of_exit(_NO_SUCH_PROGRAM if missing else _NOT_EXECUTABLE, None)
    return _exited(settings, current, ended, str(error), log)


def _exited(
    settings: Settings, current: Run, ended: Outcome, error: str | None, log: Log
) -> Outcome:
    """Write down how the trainer ended."""
    run_state.update(
        settings.state_dir,
        current.run_id,
        phase=Phase.EXITED,
        completion_status=str(ended.completion_status),
        exit_code=ended.exit_code,
        reason=ended.reason,
    )
    log(
        State.RUN_EXIT,
        run_id=current.run_id,
        container_name=settings.container_name,
        exit_code=ended.exit_code,
        completion_status=ended.completion_status,
        reason=ended.reason,
        error=error,
    )
    return ended


@contextmanager
def _within_job_hours(settings: Settings, run: Run, told: Told, log: Log) -> Iterator[None]:
    """Once the job's hours are spent, take a last checkpoint and stop the trainer."""

    def stop() -> None:
        if told.stop is None and standing_notice.standing(settings.state_dir) is None:
            seconds = settings.checkpoint_deadline_seconds
            checkpoint.at_notice(settings, run, log, notices.SHUTDOWN, seconds)
            told.hours_spent = True
            trainer_process.stop(run, _STALLED_GRACE_SECONDS)

    left = job_hours.left_seconds(settings, run)
    timer = threading.Timer(min(max(0.0, left or 0.0), threading.TIMEOUT_MAX), stop)
    timer.daemon = True
    if left is not None:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _await(
    settings: Settings,
    run: Run,
    process: "Popen[bytes]",
    output: TrainerOutput,
    told: Told,
    log: Log,
) -> Outcome:
    """Wait for the trainer, end it where it stands still, and judge how it ended."""

    def leaving() -> bool:
        return told.stop is not None or standing_notice.standing(settings.state_dir) is not None

    found = stalled.wait(settings, run, process, output, leaving)
    if found:
        log(State.TRAINER_STALLED, run_id=run.run_id, error=found)
        trainer_process.stop(run, _STALLED_GRACE_SECONDS)
    exit_code = outcome.shell_code(process.wait())
    trainer_process.signal_group(process.pid, signal.SIGKILL)  # what it left behind
    output.await_end(_LAST_OUTPUT_SECONDS)
    standing = standing_notice.standing(settings.state_dir)
    stop = (standing.stop if standing else None) or told.stop
    if exit_code == stalled.LAUNCHERS_EXIT_CODE and stop is None and found is None:
        found = stalled.said_by_launcher(output.lines())
        if found:
            log(State.TRAINER_STALLED, run_id=run.run_id, error=found)
    return outcome.of_exit(exit_code, stop, stalled=found is not None)
