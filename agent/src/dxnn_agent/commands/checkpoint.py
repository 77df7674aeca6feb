"""checkpoint: a consistent dump, described, kept on the disk and shipped to S3 at once."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dxnn_agent.errors import AgentError, CheckpointError, CheckpointTimeoutError, UsageError
from dxnn_agent.log import Log, State
from dxnn_agent.machine import erlang, trainer_process, trainer_user
from dxnn_agent.settings import Settings
from dxnn_agent.state import dumps, job_hours, lock, run_state, standing_notice
from dxnn_agent.state.dumps import Dump
from dxnn_agent.state.run_state import Run
from dxnn_agent.store import keys, upload, uploaded
from dxnn_agent.store.keys import DumpName
from dxnn_agent.store.s3 import Bucket
from dxnn_agent.store.upload import Line

_LOCK_FILE = ".checkpoint.lock"
_TOLD_BYTES = 2000


def checkpoint(settings: Settings, log: Log, reason: str) -> Dump:
    """Take a checkpoint of this machine's run, prune old ones and ship it.

    Ships also what an earlier one, killed or without S3, left on the disk.

    Raises CheckpointError, LockedError where another checkpoint took all of the time, or
    UploadError where the dump is on the disk but did not reach S3.
    """
    run = _run(settings, log)
    dump = take(settings, run, log, reason, settings.checkpoint_deadline_seconds)
    for one in (dump, *_own(settings, run)):
        # finalize describes what nobody has described yet.
        if one.sha256 and not _left_to_finalize(settings, run):
            ship(settings, run, one, log)
    return dump


def take(settings: Settings, run: Run, log: Log, reason: str, seconds: float) -> Dump:
    """Take a checkpoint within `seconds`; two at once take turns. Raises as `checkpoint` does.

    Once the trainer has been told to stop, the one that was taken then is the last.
    """
    until = time.monotonic() + seconds
    with lock.hold(settings.state_dir / _LOCK_FILE, seconds, "another checkpoint"):
        if _is_stopping(settings) and (last := next(_own(settings, run), None)):
            return last
        began = time.monotonic()
        name = _free_name(settings.checkpoint_dir)
        log(State.CHECKPOINT_START, run_id=run.run_id, file=name.file, reason=reason)
        try:
            dump = _dump(settings, run, name, reason, until - began)
        except CheckpointTimeoutError as error:
            log(State.CHECKPOINT_TIMEOUT, run_id=run.run_id, file=name.file, error=str(error))
            raise
        except CheckpointError as error:
            log(State.CHECKPOINT_ERROR, run_id=run.run_id, file=name.file, error=str(error))
            raise
        log(
            State.CHECKPOINT_OK,
            run_id=run.run_id,
            file=name.file,
            size=dump.size,
            seconds=time.monotonic() - began,
            progress=dump.progress,
        )
        _prune(settings)
        return dump


def ship(settings: Settings, run: Run, dump: Dump, log: Log) -> None:
    """Send to the run's prefix what is not there yet of a dump and its metadata.

    Raises UploadError.
    """
    if settings.s3_bucket is None:
        return

    def until() -> datetime | None:
        standing = standing_notice.standing(settings.state_dir)
        return standing.time if standing else None

    line = Line(Bucket(settings.s3_bucket), settings.state_dir, log, until)
    prefix = keys.run_prefix(settings.s3_prefix, run.job_id, run.run_id)
    there = uploaded.remembered(settings.state_dir, settings.s3_bucket)
    if prefix + dump.name.file not in there:
        sha256 = dump.sha256 or dumps.sha256_of(dump.path)
        upload.send(line, prefix + dump.name.file, dump.path, sha256)
    if prefix + dump.name.metadata not in there:
        described = dumps.to_json(dump.described).encode()
        upload.send(line, prefix + dump.name.metadata, described, upload.sha256_of(described))


def _left_to_finalize(settings: Settings, run: Run) -> bool:
    """Whether shipping a dump is finalize's affair by now, which lists what lies on the disk."""
    now = run_state.load(settings.state_dir) or run
    return now.sealed or _is_stopping(settings)


def _is_stopping(settings: Settings) -> bool:
    standing = standing_notice.standing(settings.state_dir)
    return standing is not None and standing.told_to_stop


def _own(settings: Settings, run: Run) -> Iterator[Dump]:
    """The checkpoints of a run that lie on the disk, newest first."""
    for dump in dumps.lying_in(settings.checkpoint_dir):
        if dump.name.kind == dumps.CHECKPOINT and dump.run_id == run.run_id:
            yield dump


def _run(settings: Settings, log: Log) -> Run:
    run = run_state.load(settings.state_dir)
    if run is None or run.over:
        problem = f"no run is under way in {settings.state_dir}: `dxnn-agent run` begins one"
    elif run.sealed and not _is_stopping(settings):
        problem = f"run {run.run_id} is being finalized"
    else:
        return run
    log(State.CHECKPOINT_ERROR, error=problem)
    raise CheckpointError(problem)


def _dump(settings: Settings, run: Run, name: DumpName, reason: str, seconds: float) -> Dump:
    directory = settings.checkpoint_dir
    temporary = directory / f".{name.file}.tmp"
    told = Path(f"{temporary}{keys.METADATA_SUFFIX}")
    try:
        if settings.checkpoint_command:
            _run_command(settings, run, temporary, seconds)
            added: Mapping[str, Any] = dumps.read_metadata(told)
        else:
            user = trainer_user.of(settings.trainer_directory)
            node, cookie_file = settings.erlang_node, settings.erlang_cookie_file
            added = erlang.backup(node, cookie_file, temporary, seconds, user)
        return _keep(run, name, reason, temporary, directory / name.file, added)
    except OSError as error:
        raise CheckpointError(f"{name.file}: {error.filename}: {error.strerror}") from error
    except UsageError as error:
        raise CheckpointError(str(error)) from error
    finally:
        temporary.unlink(missing_ok=True)
        told.unlink(missing_ok=True)


def _keep(
    run: Run, name: DumpName, reason: str, temporary: Path, path: Path, added: Mapping[str, Any]
) -> Dump:
    """Give a finished dump its name; a power cut leaves all of it or nothing."""
    if not temporary.is_file() or temporary.stat().st_size == 0:
        raise CheckpointError(f"{name.file}: the trainer wrote no dump")
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    sha256 = dumps.sha256_of(temporary)
    temporary.rename(path)
    run_state.sync_directory(path.parent)
    taken = Dump(name, path, path.stat().st_size, datetime.now(UTC))
    spent = {job_hours.METADATA_KEY: round(job_hours.spent_seconds(run))}
    described = dumps.metadata(taken, sha256, run, reason, {**added, **spent})
    run_state.write_json(path.with_name(name.metadata), described)
    return Dump(name, path, taken.size, taken.modified_at, described)


def _run_command(settings: Settings, run: Run, path: Path, seconds: float) -> None:
    """Run `checkpoint_command` in the trainer's folder and environment, as its owner."""
    command = settings.checkpoint_command or []
    found = trainer_process.program(command, settings.trainer_directory, "checkpoint_command")
    user = trainer_user.of(settings.trainer_directory)
    seen = {**trainer_process.environment(settings, run, user), "DXNN_CHECKPOINT_PATH": str(path)}
    directory = settings.trainer_directory
    with tempfile.TemporaryFile() as said:
        process = trainer_process.launch(user, [found, *command[1:]], seen, directory, said)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise CheckpointTimeoutError(
                f"checkpoint_command did not finish in {seconds:.0f} s"
            ) from error
        finally:
            trainer_process.signal_group(process.pid, signal.SIGKILL)
            process.wait()
        if code != 0:
            said.seek(max(0, said.seek(0, os.SEEK_END) - _TOLD_BYTES))
            lines = said.read().decode(errors="replace").strip().splitlines()
            raise CheckpointError(
                f"checkpoint_command ended with {code}" + (f": {lines[-1]}" if lines else "")
            )


def _free_name(directory: Path) -> DumpName:
    """The name of a checkpoint taken now; the second in one second waits for the next."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"checkpoint_dir {directory}: {error.strerror}") from error
    while True:
        name = DumpName(dumps.CHECKPOINT, keys.stamp(datetime.now(UTC)))
        if not (directory / name.file).exists():
            return name
        time.sleep(0.05)


def _prune(settings: Settings) -> None:
    """Drop the oldest checkpoints from the disk; S3 keeps them all."""
    kept = [d for d in dumps.lying_in(settings.checkpoint_dir) if d.name.kind == dumps.CHECKPOINT]
    for dump in kept[settings.checkpoint_keep :]:
        dump.path.unlink(missing_ok=True)
        dump.path.with_name(dump.name.metadata).unlink(missing_ok=True)


def at_notice(settings: Settings, run: Run, log: Log, reason: str, seconds: float) -> None:
    """Take the last checkpoint before the machine goes; whatever is wrong, finalize comes next."""
    try:
        take(settings, run, log, reason, seconds)
    except (CheckpointTimeoutError, CheckpointError):
        return  # said in the log already
    except AgentError as error:
        log(State.CHECKPOINT_ERROR, run_id=run.run_id, error=str(error))
