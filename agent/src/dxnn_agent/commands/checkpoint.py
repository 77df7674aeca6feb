"""checkpoint: a consistent dump, described, kept on the disk and shipped to S3 at once."""

import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dxnn_agent import timestamps
from dxnn_agent.errors import AgentError, CheckpointError, CheckpointTimeoutError, UsageError
from dxnn_agent.log import Log, State
from dxnn_agent.machine import trainer
from dxnn_agent.settings import Settings
from dxnn_agent.state import dumps, durable, files, job_hours, lock, run_state, standing_notice
from dxnn_agent.state.dumps import Dump
from dxnn_agent.state.run_state import Run
from dxnn_agent.store import keys, upload, uploaded
from dxnn_agent.store.context import Context
from dxnn_agent.store.keys import DumpName

_LOCK_FILE = ".checkpoint.lock"


def checkpoint(context: Context, reason: str) -> Dump:
    """Take a checkpoint of this machine's run, prune old ones and ship it.

    Ships also what an earlier one, killed or without S3, left on the disk.

    Raises CheckpointError, LockedError where another checkpoint took all of the time, or
    UploadError where the dump is on the disk but did not reach S3.
    """
    settings = context.settings
    run = _run(settings, context.log)
    dump = take(context, run, reason, settings.checkpoint_deadline_seconds)
    for one in (dump, *_own(settings, run)):
        # finalize describes what nobody has described yet.
        if one.sha256 and not _left_to_finalize(settings, run):
            ship(context, run, one)
    return dump


def take(context: Context, run: Run, reason: str, seconds: float) -> Dump:
    """Take a checkpoint within `seconds`; two at once take turns. Raises as `checkpoint` does.

    Once the trainer has been told to stop, the one that was taken then is the last.
    """
    settings, log = context.settings, context.log
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


def ship(context: Context, run: Run, dump: Dump) -> None:
    """Send to the run's prefix what is not there yet of a dump and its metadata.

    Raises UploadError.
    """
    settings, store = context.settings, context.store
    if store is None:
        return
    prefix = keys.run_prefix(settings.s3_prefix, run.job_id, run.run_id)
    there = uploaded.remembered(settings.state_dir, store.name)
    if prefix + dump.name.file not in there:
        sha256 = dump.sha256 or files.sha256_of(dump.path)
        upload.send(context, prefix + dump.name.file, dump.path, sha256)
    if prefix + dump.name.metadata not in there:
        described = dumps.to_json(dump.described).encode()
        upload.send(context, prefix + dump.name.metadata, described, upload.sha256_of(described))


def _left_to_finalize(settings: Settings, run: Run) -> bool:
    """Whether shipping a dump is finalize's affair by now, which lists what lies on the disk."""
    now = run_state.load(settings.state_dir) or run
    return now.sealed or _is_stopping(settings)


def _is_stopping(settings: Settings) -> bool:
    notice = standing_notice.current(settings.state_dir)
    return notice is not None and notice.told_to_stop


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
    beside = Path(f"{temporary}{keys.METADATA_SUFFIX}")
    try:
        by_node = trainer.of(settings).dump(temporary, seconds, run.environment())
        described = {**dumps.read_metadata(beside), **by_node}
        return _keep(run, name, reason, temporary, directory / name.file, described)
    except OSError as error:
        raise CheckpointError(f"{name.file}: {error.filename}: {error.strerror}") from error
    except UsageError as error:
        raise CheckpointError(str(error)) from error
    finally:
        temporary.unlink(missing_ok=True)
        beside.unlink(missing_ok=True)


def _keep(
    run: Run, name: DumpName, reason: str, temporary: Path, path: Path, added: Mapping[str, Any]
) -> Dump:
    """Give a finished dump its name; a power cut leaves all of it or nothing."""
    if not temporary.is_file() or temporary.stat().st_size == 0:
        raise CheckpointError(f"{name.file}: the trainer wrote no dump")
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    sha256 = files.sha256_of(temporary)
    temporary.rename(path)
    durable.sync_directory(path.parent)
    taken = Dump(name, path, path.stat().st_size, datetime.now(UTC))
    spent = {job_hours.METADATA_KEY: round(job_hours.spent_seconds(run))}
    described = dumps.metadata(taken, sha256, run, reason, {**added, **spent})
    durable.write_json(path.with_name(name.metadata), described)
    return Dump(name, path, taken.size, taken.modified_at, described)


def _free_name(directory: Path) -> DumpName:
    """The name of a checkpoint taken now; the second in one second waits for the next."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"checkpoint_dir {directory}: {error.strerror}") from error
    while True:
        name = DumpName(dumps.CHECKPOINT, timestamps.stamp(datetime.now(UTC)))
        if not (directory / name.file).exists():
            return name
        time.sleep(0.05)


def _prune(settings: Settings) -> None:
    """Drop the oldest checkpoints from the disk; S3 keeps them all."""
    kept = [d for d in dumps.lying_in(settings.checkpoint_dir) if d.name.kind == dumps.CHECKPOINT]
    for dump in kept[settings.checkpoint_keep :]:
        dump.path.unlink(missing_ok=True)
        dump.path.with_name(dump.name.metadata).unlink(missing_ok=True)


def at_notice(context: Context, run: Run, reason: str, seconds: float) -> None:
    """Take the last checkpoint before the machine goes; whatever is wrong, finalize comes next."""
    try:
        take(context, run, reason, seconds)
    except (CheckpointTimeoutError, CheckpointError):
        return  # said in the log already
    except AgentError as error:
        context.log(State.CHECKPOINT_ERROR, run_id=run.run_id, error=str(error))
