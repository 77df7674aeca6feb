"""restore: the job's newest checkpoint that verifies, across all its runs."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from dxnn_agent.commands import no_history
from dxnn_agent.errors import RestoreRefusedError
from dxnn_agent.finalization import giving_up
from dxnn_agent.log import State
from dxnn_agent.machine import trainer
from dxnn_agent.settings import Settings
from dxnn_agent.state import (
    beginning,
    dumps,
    durable,
    files,
    job_history,
    job_hours,
    run_state,
)
from dxnn_agent.state.run_state import Phase, Run
from dxnn_agent.store import keys, retry
from dxnn_agent.store.context import Context
from dxnn_agent.store.keys import DumpName
from dxnn_agent.store.store import Listed, StoreError

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


def restore(context: Context, *, allow_fresh: bool = False) -> Run:
    """Answer for this machine's run what it goes on from, and write it down.

    Returns the run, whose `restore_path` is None where the job has no history. Raises
    RestoreRefusedError where there is some but none of it verifies, unless `allow_fresh`.
    """
    settings, log = context.settings, context.log
    run = run_state.load(settings.state_dir)
    if run is not None and run.leaving(settings):
        return run  # `run` and `finalize` see to that
    if run is not None and not run.over and run.phase not in {Phase.CLAIMING, Phase.CLAIMED}:
        beginning.require_job(settings, run)
        return run  # answered already
    try:
        run = beginning.begin(context, State.RESTORE_START)
    except StoreError as error:
        log(State.RESTORE_FAILED, error=str(error))
        refused = _unreadable(error)
        no_history.consider(context, None, refused)
        raise refused from error
    log(State.RESTORE_START, run_id=run.run_id, job_id=run.job_id, instance_id=run.instance_id)
    if not settings.restore_from_s3_on_boot:
        log(State.RESTORE_NONE, run_id=run.run_id, reason="restore_from_s3_on_boot is false")
        return _answered(settings, run)
    try:
        return _restore(context, run)
    except RestoreRefusedError as error:
        if allow_fresh:
            log(State.RESTORE_NONE, run_id=run.run_id, reason="--allow-fresh", error=str(error))
            return _answered(settings, run)
        log(State.RESTORE_FAILED, run_id=run.run_id, error=str(error))
        no_history.consider(context, run, error)
        raise


def _unreadable(error: StoreError) -> RestoreRefusedError:
    return RestoreRefusedError(f"the job's history can't be read: {error}", hopeless=error.denied)


def candidates(
    listing: dict[str, Listed], job_prefix: str, local: list[dumps.Dump], job_id: str
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
        if dump.run_id == run.run_id and dump.sha256 == files.sha256_of(dump.path):
            return str(dump.path)
    return run.restore_path


def _restore(context: Context, run: Run) -> Run:
    settings, log, store = context.settings, context.log, context.store
    prefix = keys.job_prefix(settings.s3_prefix, run.job_id)
    listing: dict[str, Listed] = {}
    if store:
        listing = _insist(context, "listing", lambda: store.list(prefix))
    found = candidates(listing, prefix, dumps.lying_in(settings.checkpoint_dir), run.job_id)
    if not found:
        log(State.RESTORE_NONE, run_id=run.run_id, reason="the job has no checkpoint yet")
        return _answered(settings, run)
    problems = []
    for candidate in found:
        described, problem = _fetch(context, candidate)
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
                begins_anew=_stood_still(context, run, listing),
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


def _fetch(context: Context, candidate: Candidate) -> tuple[Mapping[str, Any], str | None]:
    """Put a dump into place if it verifies; give its metadata, and what is wrong with it if not."""
    directory = context.settings.state_dir / RESTORE_DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f".{candidate.name.file}.tmp"
    try:
        described = _copy(context, candidate, temporary)
        problem = _problem(described, temporary)
        problem = problem or trainer.of(context.settings).why_unfit(temporary, described)
        if problem:
            return described, problem
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.rename(directory / candidate.name.file)
        durable.sync_directory(directory)
        return described, None
    finally:
        temporary.unlink(missing_ok=True)


def _copy(context: Context, candidate: Candidate, target: Path) -> Mapping[str, Any]:
    """Copy a dump to `target`, from the store or this disk, and give its metadata."""
    if candidate.path:
        shutil.copyfile(candidate.path, target)
        return dumps.read_metadata(candidate.path.with_name(candidate.name.metadata))
    store, key, name = context.store, candidate.key, candidate.name
    if store is None or key is None:
        return {}
    beside = key.removesuffix(name.file) + name.metadata
    found = _insist(context, name.metadata, lambda: store.read(beside))
    described: Mapping[str, Any] = dumps.parse_metadata(found[0]) if found else {}
    if "sha256" not in described:
        # A dump whose metadata never came brought its own checksum.
        head = _insist(context, name.file, lambda: store.head(key))
        described = head.metadata if head else {}
    if "sha256" in described:
        _insist(context, name.file, lambda: store.fetch(key, target))
    return described


def _problem(described: Mapping[str, Any], file: Path) -> str | None:
    if "sha256" not in described:
        return "nothing says what its checksum should be"
    size = described.get("size")
    if size is not None and size != file.stat().st_size:
        return f"it has {file.stat().st_size} bytes, its metadata says {size}"
    if files.sha256_of(file) != described["sha256"]:
        return "its SHA-256 is not what its metadata says"
    return None


def _insist(context: Context, name: str, question: Callable[[], Answer]) -> Answer:
    """Ask up to seven times. Raises RestoreRefusedError: without an answer nothing may start."""
    try:
        return retry.attempt(
            question,
            deadline=context.deadline,
            retrying=context.retrying(name),
            give_up=lambda error: error.denied,
        )
    except StoreError as error:
        raise _unreadable(error) from error


def _stood_still(context: Context, run: Run, listing: dict[str, Listed]) -> bool:
    """Whether the last machines stood still with what is restored, one after the other.

    One may have been unlucky; where a second was, a population holds an agent that never ends.
    """
    settings, store = context.settings, context.store
    if store is None or not trainer.of(settings).has_launcher:
        return False
    past = job_history.runs(listing, keys.job_prefix(settings.s3_prefix, run.job_id))
    reason_of = job_history.reasons(settings, run.job_id, store)
    return job_history.stalled_before(past, run.run_id, reason_of, _STALLED_RUNS) == _STALLED_RUNS


def _answered(settings: Settings, run: Run, **answer: Any) -> Run:
    """Write down what the run goes on from: nothing, unless the answer says otherwise."""
    giving_up.history_was_had(settings.state_dir)
    nothing = {"parent_run_id": None, "restore_path": None}
    changes = {**nothing, **answer}
    answered = run_state.update(settings.state_dir, run.run_id, phase=Phase.READY, **changes)
    return answered or run
