"""restore: the job's newest checkpoint that verifies, across all its runs."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from dxnn_agent.errors import RestoreRefusedError
from dxnn_agent.finalization import give_up
from dxnn_agent.log import Log, State
from dxnn_agent.machine import erlang
from dxnn_agent.settings import Settings
from dxnn_agent.state import beginning, dumps, job_history, job_hours, reasons, run_state
from dxnn_agent.state.run_state import Phase, Run
from dxnn_agent.store import keys, retry
from dxnn_agent.store.keys import DumpName
from dxnn_agent.store.s3 import Bucket, S3Error, Stored
from dxnn_agent.store.upload import Line

RESTORE_DIRECTORY = "restore"
_STALLED_RUNS = 2

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Candidate:
    """A dump of the job that might be restored: in S3, or on this machine's own disk."""

    name: DumpName
    run_id: str
    moment: datetime
    key: str | None = None
    path: Path | None = None


def restore(settings: Settings, log: Log, *, allow_fresh: bool = False) -> Run:
    """Answer for this machine's run what it goes on from, and write it down.

    Returns the run, whose `restore_path` is None where the job has no history. Raises
    RestoreRefusedError where there is some but none of it verifies, unless `allow_fresh`.
    """
    run = run_state.load(settings.state_dir)
    if run is not None and run.leaving(settings):
        return run  # `run` and `finalize` see to that
    if run is not None and not run.over and run.phase not in {Phase.CLAIMING, Phase.CLAIMED}:
        beginning.require_job(settings, run)
        return run  # answered already
    try:
        run = beginning.begin(settings, log, State.RESTORE_START)
    except S3Error as error:
        log(State.RESTORE_FAILED, error=str(error))
        refused = _unreadable(error)
        give_up.consider(settings, log, None, refused)
        raise refused from error
    log(State.RESTORE_START, run_id=run.run_id, job_id=run.job_id, instance_id=run.instance_id)
    if not settings.restore_from_s3_on_boot:
        log(State.RESTORE_NONE, run_id=run.run_id, reason="restore_from_s3_on_boot is false")
        return _answered(settings, run)
    try:
        return _restore(settings, run, log)
    except RestoreRefusedError as error:
        if allow_fresh:
            log(State.RESTORE_NONE, run_id=run.run_id, reason="--allow-fresh", error=str(error))
            return _answered(settings, run)
        log(State.RESTORE_FAILED, run_id=run.run_id, error=str(error))
        give_up.consider(settings, log, run, error)
        raise


def _unreadable(error: S3Error) -> RestoreRefusedError:
    return RestoreRefusedError(f"the job's history can't be read: {error}", hopeless=error.denied)


def candidates(
    listing: dict[str, Stored], job_prefix: str, local: list[dumps.Dump], job_id: str
) -> list[Candidate]:
    """Every dump of a job, newest first; of two in the same second the later run's comes first."""
    found = []
    for key, stored in listing.items():
        place = keys.split_key(key, job_prefix)
        name = keys.dump_name(place[1]) if place else None
        if place and name:
            moment = name.taken_at or stored.last_modified
            found.append(Candidate(name, place[0], moment, key=key))
    in_s3 = {(candidate.run_id, candidate.name) for candidate in found}
    found += [
        Candidate(dump.name, dump.run_id, dump.taken_at, path=dump.path)
        for dump in local
        if dump.job_id == job_id and dump.run_id and (dump.run_id, dump.name) not in in_s3
    ]
    return sorted(found, key=lambda one: (one.moment, one.run_id, one.name.kind), reverse=True)


def newest_of(settings: Settings, run: Run) -> str | None:
    """The newest dump of a run that lies here whole: what a trainer started again goes on from."""
    for dump in dumps.lying_in(settings.checkpoint_dir):
        if dump.run_id == run.run_id and dump.sha256 == dumps.sha256_of(dump.path):
            return str(dump.path)
    return run.restore_path


def _restore(settings: Settings, run: Run, log: Log) -> Run:
    bucket = Bucket(settings.s3_bucket) if settings.s3_bucket else None
    prefix = keys.job_prefix(settings.s3_prefix, run.job_id)
    listing: dict[str, Stored] = {}
    if bucket:
        s3 = bucket
        listing = _insist(settings, log, s3, "listing", lambda: s3.list(prefix))
    found = candidates(listing, prefix, dumps.lying_in(settings.checkpoint_dir), run.job_id)
    if not found:
        log(State.RESTORE_NONE, run_id=run.run_id, reason="the job has no checkpoint yet")
        return _answered(settings, run)
    problems = []
    for candidate in found:
        described, problem = _fetch(settings, log, bucket, candidate)
        if problem is None:
            path = settings.state_dir / RESTORE_DIRECTORY / candidate.name.file
            log(
                State.RESTORE_OK,
                run_id=run.run_id,
                parent_run_id=candidate.run_id,
                file=candidate.name.file,
                size=path.stat().st_size,
                path=path,
                progress=dumps.progress_of(described),
            )
            return _answered(
                settings,
                run,
                parent_run_id=candidate.run_id,
                restore_path=str(path),
                job_seconds_before=job_hours.carried(described),
                begins_anew=_stood_still(settings, run, bucket, listing),
            )
        log(
            State.RESTORE_SKIPPED,
            run_id=run.run_id,
            parent_run_id=candidate.run_id,
            file=candidate.name.file,
            error=problem,
        )
        problems.append(f"run-{candidate.run_id}/{candidate.name.file}: {problem}")
    raise RestoreRefusedError(
        f"none of the {len(found)} dumps of job {run.job_id} verifies; {problems[0]}; "
        "to train from zero nonetheless, give --allow-fresh",
        hopeless=True,
    )


def _fetch(
    settings: Settings, log: Log, bucket: Bucket | None, candidate: Candidate
) -> tuple[Mapping[str, Any], str | None]:
    """Put a dump into place if it verifies; give its metadata, and what is wrong with it if not."""
    directory = settings.state_dir / RESTORE_DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f".{candidate.name.file}.tmp"
    try:
        if candidate.path:
            shutil.copyfile(candidate.path, temporary)
            described = dumps.read_metadata(candidate.path.with_name(candidate.name.metadata))
        else:
            s3, key = cast("Bucket", bucket), candidate.key or ""
            described = _described(settings, log, s3, key, candidate.name)
            if "sha256" in described:
                _insist(settings, log, s3, candidate.name.file, lambda: s3.download(key, temporary))
        problem = _problem(described, temporary) or _unfit(settings, described, temporary)
        if problem:
            return described, problem
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.rename(directory / candidate.name.file)
        run_state.sync_directory(directory)
        return described, None
    finally:
        temporary.unlink(missing_ok=True)


def _described(
    settings: Settings, log: Log, bucket: Bucket, key: str, name: DumpName
) -> dict[str, Any]:
    """What a dump's metadata says; a dump whose metadata never came brought its own checksum."""
    beside = key.removesuffix(name.file) + name.metadata
    found = _insist(settings, log, bucket, name.metadata, lambda: bucket.read(beside))
    described = dumps.parse_metadata(found[0]) if found else {}
    if "sha256" in described:
        return described
    standing = _insist(settings, log, bucket, name.file, lambda: bucket.head(key))
    return dict(standing.metadata) if standing else {}


def _problem(described: Mapping[str, Any], file: Path) -> str | None:
    if "sha256" not in described:
        return "nothing says what its checksum should be"
    size = described.get("size")
    if size is not None and size != file.stat().st_size:
        return f"it has {file.stat().st_size} bytes, its metadata says {size}"
    if dumps.sha256_of(file) != described["sha256"]:
        return "its SHA-256 is not what its metadata says"
    return None


def _unfit(settings: Settings, described: Mapping[str, Any], file: Path) -> str | None:
    """Say why the trainer could not start from a dump whose bytes are right."""
    if settings.checkpoint_command:
        return None  # only its own trainer knows what such a dump is
    checked = dumps.references_checked(described)
    return erlang.why_no_trainer_starts_from(file, settings, checked=checked)


def _insist(
    settings: Settings, log: Log, bucket: Bucket, name: str, question: Callable[[], Answer]
) -> Answer:
    """Ask S3 up to seven times. Raises RestoreRefusedError: without an answer nothing may start."""
    line = Line(bucket, settings.state_dir, log, retry.no_deadline)
    try:
        return retry.attempt(
            question,
            deadline=retry.no_deadline,
            retrying=line.retrying(name),
            give_up=lambda error: error.denied,
        )
    except S3Error as error:
        raise _unreadable(error) from error


def _stood_still(
    settings: Settings, run: Run, bucket: Bucket | None, listing: dict[str, Stored]
) -> bool:
    """Whether the last machines stood still with what is restored, one after the other.

    One may have been unlucky; where a second was, a population holds an agent that never ends.
    """
    if settings.checkpoint_command or bucket is None:
        return False
    past = job_history.runs(listing, keys.job_prefix(settings.s3_prefix, run.job_id))
    reason_of = reasons.of_job(settings, run.job_id, bucket)
    return job_history.stalled_before(past, run.run_id, reason_of, _STALLED_RUNS) == _STALLED_RUNS


def _answered(settings: Settings, run: Run, **answer: Any) -> Run:
    """Write down what the run goes on from: nothing, unless the answer says otherwise."""
    give_up.forget(settings.state_dir)
    nothing = {"parent_run_id": None, "restore_path": None}
    changes = {**nothing, **answer}
    answered = run_state.update(settings.state_dir, run.run_id, phase=Phase.READY, **changes)
    return answered or run
