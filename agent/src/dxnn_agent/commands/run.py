"""run: the trainer as a direct child; wait for it, and finalize with what was seen."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import FrameType
from typing import IO, TYPE_CHECKING, cast

from dxnn_agent.commands import checkpoint, finalize, restore
from dxnn_agent.errors import AgentError, ExitCode, LockedError, NoProgramError, UsageError
from dxnn_agent.finalization import giving_up
from dxnn_agent.log import Log, State
from dxnn_agent.machine import metadata_service, notices, trainer, trainer_process
from dxnn_agent.machine.trainer_output import TrainerOutput
from dxnn_agent.settings import Settings
from dxnn_agent.state import (
    artifacts,
    beginning,
    job_hours,
    lock,
    outcome,
    run_state,
    stalled,
    standing_notice,
)
from dxnn_agent.state.outcome import CompletionStatus, Outcome, Stop
from dxnn_agent.state.run_state import Phase, Run
from dxnn_agent.store.context import Context

if TYPE_CHECKING:
    from subprocess import Popen

_ORPHAN_GRACE_SECONDS = 5.0
_STALLED_GRACE_SECONDS = 10.0
_LAST_OUTPUT_SECONDS = 1.0

# As shells have them: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_08_02
_NOT_EXECUTABLE, _NO_SUCH_PROGRAM = 126, 127


class Signals:
    """Those that this process was sent; each is passed on to the trainer, if it runs by then."""

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


def run(context: Context, *, allow_fresh: bool = False) -> ExitCode:
    """Train, and finalize: returns finalize's exit code.

    Asks restore first where nobody did for this run. A run whose trainer has exited already, but
    which was cut off before it was finalized, is only finalized; one that was cut off after that
    only powers off. Once EC2 has given notice, no run follows the one that was saved. Raises
    RestoreRefusedError or LockedError, after RUN_REFUSED, where nothing may start.
    """
    settings, log = context.settings, context.log
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
            return finalize.finalize(context, None)
        if left and left.over and (taken := _taken(settings)):
            log(State.RUN_REFUSED, run_id=left.run_id, reason=taken)
            return ExitCode.DONE
        try:
            current = _ready(context, allow_fresh=allow_fresh)
        except AgentError as error:
            log(State.RUN_REFUSED, error=str(error))
            raise
        signals = Signals()
        # From here on, also while finalizing, which neither must cut short.
        signal.signal(signal.SIGTERM, signals.hear)
        signal.signal(signal.SIGINT, signals.hear)
        sealed = current.sealed or current.phase is Phase.EXITED
        ended = outcome.recorded(current) if sealed else None
        if ended is None:
            going = _why_not_to_start(settings, current)
            if going:
                log(State.RUN_REFUSED, run_id=current.run_id, reason=going)
                return ExitCode.DONE
            given_up = giving_up.before_training(context, current)
            if given_up:
                log(State.RUN_REFUSED, run_id=current.run_id, reason=given_up)
                ended = Outcome(CompletionStatus.INTERRUPTED, None, notices.SHUTDOWN)
                return finalize.finalize(context, ended)
            ended = _train(context, current, signals)
        return finalize.finalize(context, ended)


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


def _ready(context: Context, *, allow_fresh: bool) -> Run:
    settings = context.settings
    current = run_state.load(settings.state_dir)
    if current and current.phase is Phase.TRAINING:
        trainer_process.stop(
            current.trainer, _ORPHAN_GRACE_SECONDS
        )  # the `run` that started it was killed
    if settings.restore_from_s3_on_boot:
        current = restore.restore(context, allow_fresh=allow_fresh)
    else:
        current = beginning.begin(context, State.RUN_START)
    return current


def _why_not_to_start(settings: Settings, current: Run) -> str | None:
    """A machine that EC2 is about to take, or whose run `watch` has finalized, trains no more."""
    now = run_state.load(settings.state_dir) or current
    return "the run has been finalized meanwhile" if now.over else _taken(settings)


def _taken(settings: Settings) -> str | None:
    """What EC2 says where it is about to take the machine."""
    service = metadata_service.connect() if settings.spot_enabled else None
    notice = notices.first(service.ask, datetime.now(UTC)) if service else None
    if notice is None:
        return None
    when = f" at {notice.time}" if notice.time else ""
    return f"EC2 takes this machine ({notice.detail}{when})"


def _train(context: Context, current: Run, signals: Signals) -> Outcome:
    settings, log = context.settings, context.log
    trainer.of(settings).prepare()
    if current.phase is not Phase.TRAINING:
        artifacts.note(settings, current)
    path = restore.newest_of(settings, current)
    started = run_state.update(settings.state_dir, current.run_id, restore_path=path) or current
    try:
        process = trainer_process.start(settings, started.environment())
    except (NoProgramError, OSError) as error:
        return _not_started(settings, current, error, log)
    output = TrainerOutput(cast("IO[bytes]", process.stdout))
    signals.trainer = process
    identity = trainer_process.identify(process.pid)
    started = replace(started, trainer_pid=identity.pid, trainer_started=identity.started_at)
    run_state.update(
        settings.state_dir,
        current.run_id,
        phase=Phase.TRAINING,
        trainer_pid=started.trainer_pid,
        trainer_started=started.trainer_started,
    )
    if signals.first:
        signals.hear(signals.first)  # it came before there was a trainer to pass it to
    log(
        State.RUN_START,
        run_id=current.run_id,
        job_id=current.job_id,
        container_name=settings.container_name,
        parent_run_id=current.parent_run_id,
        restore_path=path,
        pid=process.pid,
    )
    with _within_job_hours(context, started, signals):
        ended = _await(context, started, process, output, signals)
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
    outcome.record(settings.state_dir, current, ended, phase=Phase.EXITED)
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
def _within_job_hours(context: Context, run: Run, signals: Signals) -> Iterator[None]:
    """Once the job's hours are spent, take a last checkpoint and stop the trainer."""
    settings = context.settings

    def stop() -> None:
        if signals.stop is None and standing_notice.current(settings.state_dir) is None:
            seconds = settings.checkpoint_deadline_seconds
            checkpoint.at_notice(context, run, notices.SHUTDOWN, seconds)
            signals.hours_spent = True
            trainer_process.stop(run.trainer, _STALLED_GRACE_SECONDS)

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
    context: Context,
    run: Run,
    process: "Popen[bytes]",
    output: TrainerOutput,
    signals: Signals,
) -> Outcome:
    """Wait for the trainer, end it where it stands still, and judge how it ended."""
    settings, log = context.settings, context.log

    def leaving() -> bool:
        return signals.stop is not None or standing_notice.current(settings.state_dir) is not None

    still = stalled.wait(settings, run, process, output, leaving)
    if still:
        log(State.TRAINER_STALLED, run_id=run.run_id, error=still)
        trainer_process.stop(run.trainer, _STALLED_GRACE_SECONDS)
    exit_code = outcome.shell_code(process.wait())
    trainer_process.signal_group(process.pid, signal.SIGKILL)  # what it left behind
    output.await_end(_LAST_OUTPUT_SECONDS)
    notice = standing_notice.current(settings.state_dir)
    stop = (notice.stop if notice else None) or signals.stop
    if stop is None and still is None:
        still = trainer.of(settings).why_stalled(exit_code, output.lines())
        if still:
            log(State.TRAINER_STALLED, run_id=run.run_id, error=still)
    return outcome.of_exit(exit_code, stop, stalled=still is not None)
