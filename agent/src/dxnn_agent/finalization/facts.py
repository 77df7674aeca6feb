"""All that decides a finalization, gathered from the disk and the store; nothing is written."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dxnn_agent.settings import Settings
from dxnn_agent.state import (
    artifacts,
    dumps,
    files,
    job_history,
    job_hours,
    outcome,
    standing_notice,
)
from dxnn_agent.state.dumps import Dump
from dxnn_agent.state.files import LocalFile
from dxnn_agent.state.job_history import Streak
from dxnn_agent.state.outcome import MANUAL, CompletionStatus, Outcome
from dxnn_agent.state.run_state import Run
from dxnn_agent.store import keys, uploaded
from dxnn_agent.store.store import Listed, Store

_PARALLEL_QUESTIONS = 8


@dataclass(frozen=True)
class Held:
    """An object that the store holds already; the checksum is empty where it is not known."""

    size: int
    sha256: str


@dataclass(frozen=True)
class WrittenSentinel:
    """A `_SUCCESS` that is there: what it says, and whether this machine wrote it."""

    content: dict[str, Any]
    by_this_machine: bool


@dataclass(frozen=True)
class Facts:
    """What a plan is decided from.

    `dumps` are those on the disk, newest first, with their checksums; `artifacts` are by name
    within the run; `stored` is what the store holds by key, None where it did not say. `idle` says
    why there is nothing on this machine to finalize, where there isn't.
    """

    run: Run
    outcome: Outcome
    bucket: str
    sentinel: WrittenSentinel | None = None
    stored: Mapping[str, Held] | None = None
    dumps: tuple[tuple[Dump, str | None], ...] = ()
    artifacts: Mapping[str, LocalFile] = field(default_factory=dict)
    streak: Streak = field(default_factory=Streak)
    idle: str | None = None


def on_disk(
    settings: Settings,
    run: Run,
    ended: Outcome,
    bucket: str,
    sentinel: WrittenSentinel | None = None,
) -> Facts:
    """What this machine knows by itself; of the store only the sentinel, where it was asked.

    Once that is written, the run ended as it was recorded then, whatever is said of it now.
    """
    recorded = outcome.recorded(run, ended.notice_time) if sentinel else None
    return Facts(
        run=run,
        outcome=recorded or ended,
        bucket=bucket,
        sentinel=sentinel,
        dumps=tuple(
            (dump, dump.sha256 or files.examine(dump.path).sha256)
            for dump in dumps.lying_in(settings.checkpoint_dir)
        ),
        artifacts=artifacts.changed(settings, run),
        streak=Streak(spent=job_hours.why_given_up(settings, run)),
    )


def idle(settings: Settings, run: Run | None, store: Store | None) -> str | None:
    """Why there is nothing to finalize on this machine; None where there may be."""
    if store is None:
        return "no s3_bucket"
    if run is None and not dumps.lying_in(settings.checkpoint_dir):
        return "nothing to finalize: no run, and no dump in checkpoint_dir"
    return None


def written_sentinel(settings: Settings, run: Run, store: Store) -> WrittenSentinel | None:
    """The run's `_SUCCESS`; None where it has none. Raises StoreError."""
    key = keys.run_prefix(settings.s3_prefix, run.job_id, run.run_id) + keys.SUCCESS_NAME
    there = store.read(key)
    if there is None:
        return None
    return WrittenSentinel(dumps.parse_metadata(there[0]), run.wrote(there[1]))


def with_store(settings: Settings, facts: Facts, store: Store) -> Facts:
    """The facts with what the store holds and the job's history. Raises StoreError."""
    run = facts.run
    homes = {run.run_id} | {
        dumps.home_of(dump, run) for dump, _ in facts.dumps if dump.job_id in {None, run.job_id}
    }
    prefixes = [keys.run_prefix(settings.s3_prefix, run.job_id, home) for home in sorted(homes)]
    known = uploaded.remembered(settings.state_dir, store.name)
    stored = _stored(store, prefixes, known)
    return replace(facts, stored=stored, streak=_streak(settings, facts, stored, store))


def outcome_of(settings: Settings, run: Run, given: Outcome | None) -> Outcome:
    """How the run ended: as given, else as it wrote down itself, else nobody trained here."""
    notice = standing_notice.current(settings.state_dir)
    notice_time = notice.time if notice else None
    if given:
        return given if given.notice_time else replace(given, notice_time=notice_time)
    reason = notice.reason if notice else MANUAL
    unknown = Outcome(CompletionStatus.INTERRUPTED, None, reason, notice_time)
    return outcome.recorded(run, notice_time) or unknown


def _stored(
    store: Store, prefixes: Iterable[str], known: Mapping[str, uploaded.Uploaded]
) -> dict[str, Held]:
    """Every object below the prefixes, by key, with its checksum.

    What this machine sent itself it knows; the store is asked for the rest.
    """
    listing = {key: listed for prefix in prefixes for key, listed in store.list(prefix).items()}

    def held(item: tuple[str, Listed]) -> Held:
        key, listed = item
        sent = known.get(key)
        if sent and sent.size == listed.size:
            return Held(listed.size, sent.sha256)
        head = store.head(key)
        return Held(listed.size, head.metadata.get("sha256", "") if head else "")

    with ThreadPoolExecutor(_PARALLEL_QUESTIONS) as pool:
        return dict(zip(listing, pool.map(held, listing.items()), strict=True))


def _streak(settings: Settings, facts: Facts, stored: Mapping[str, Held], store: Store) -> Streak:
    """How many runs in a row, up to this one, were in vain.

    The job's history is looked at only where it can matter: for an interrupted run without a dump
    newer than the one it began from, and for one that the trainer itself ended.
    """
    run, ended = facts.run, facts.outcome
    interrupted = ended.completion_status is CompletionStatus.INTERRUPTED
    fruitless = interrupted and not _got_further(settings, facts, stored)
    failed = outcome.is_failure(ended.reason)
    if not fruitless and not failed:
        return replace(facts.streak, fruitless=0, failed=0)
    past = job_history.read(settings, run.job_id, store)
    reason_of = job_history.reasons(settings, run.job_id, store)
    most = settings.max_failed_runs - 1
    return replace(
        facts.streak,
        fruitless=job_history.fruitless_before(past, run.run_id) + 1 if fruitless else 0,
        failed=job_history.failed_before(past, run.run_id, reason_of, most) + 1 if failed else 0,
    )


def _got_further(settings: Settings, facts: Facts, stored: Mapping[str, Held]) -> bool:
    run = facts.run
    own = keys.run_prefix(settings.s3_prefix, run.job_id, run.run_id)
    names = [key.removeprefix(own) for key in stored if key.startswith(own)]
    names += [
        dump.name.file
        for dump, _ in facts.dumps
        if dump.job_id in {None, run.job_id} and dumps.home_of(dump, run) == run.run_id
    ]
    restored = keys.dump_name(Path(run.restore_path).name) if run.restore_path else None
    return job_history.got_further(names, restored.taken_at if restored else None)
