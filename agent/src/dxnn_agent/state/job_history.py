"""A job's runs in order, as the keys below its prefix tell them, and why they ended."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from dxnn_agent.settings import Settings
from dxnn_agent.state import dumps, outcome
from dxnn_agent.store.keys import SUCCESS_NAME, dump_name, job_prefix, run_prefix, split_key
from dxnn_agent.store.store import Store, StoreError


@dataclass(frozen=True)
class PastRun:
    """What S3 holds of a run: whether a dump newer than all before it, and whether `_SUCCESS`."""

    run_id: str
    fruitful: bool
    finalized: bool


@dataclass(frozen=True)
class Streak:
    """How many runs in a row, up to this one, got no further, and were ended by the trainer itself.

    None: not known. `spent` says that the hours of all its machines are, where they are.
    """

    fruitless: int | None = None
    failed: int | None = None
    spent: str | None = None


def runs(keys: Iterable[str], prefix: str) -> list[PastRun]:
    """The runs of a job, oldest first."""
    names: dict[str, set[str]] = {}
    for key in keys:
        place = split_key(key, prefix)
        if place:
            names.setdefault(place[0], set()).add(place[1])
    found: list[PastRun] = []
    newest: datetime | None = None
    for run_id, held in sorted(names.items()):
        got = got_further(held, newest)
        found.append(PastRun(run_id, fruitful=got, finalized=SUCCESS_NAME in held))
        newest = max(filter(None, [newest, *_moments(held)]), default=None)
    return found


def read(settings: Settings, job_id: str, store: Store) -> list[PastRun]:
    """The runs of a job, oldest first, as the store has them. Raises StoreError."""
    prefix = job_prefix(settings.s3_prefix, job_id)
    return runs(store.list(prefix), prefix)


def got_further(names: Iterable[str], newest: datetime | None) -> bool:
    """Whether a run with these objects has a dump newer than the newest before it.

    A dump that a person named otherwise counts: nobody knows its age.
    """
    moments = _moments(names)
    return any(one is None or newest is None or one > newest for one in moments)


def _moments(names: Iterable[str]) -> list[datetime | None]:
    return [found.taken_at for name in names if (found := dump_name(name))]


def fruitless_before(past: list[PastRun], run_id: str) -> int:
    """How many runs in a row, right before this one, left no dump newer than those before."""
    count = 0
    for run in reversed([one for one in past if one.run_id < run_id]):
        if run.fruitful:
            break
        count += 1
    return count


def failed_before(
    past: list[PastRun], run_id: str, reason_of: Callable[[str], str | None], most: int
) -> int:
    """How many runs in a row, right before this one, the trainer itself ended; at most `most`.

    `reason_of` reads it from a run's `_SUCCESS`; None where it can't be read.
    """
    return _ended_before(past, run_id, reason_of, most, outcome.is_failure)


def stalled_before(
    past: list[PastRun], run_id: str, reason_of: Callable[[str], str | None], most: int
) -> int:
    """How many runs in a row, right before this one, ended in a trainer that stood still."""
    return _ended_before(past, run_id, reason_of, most, lambda one: one == outcome.TRAINER_STALLED)


def _ended_before(
    past: list[PastRun],
    run_id: str,
    reason_of: Callable[[str], str | None],
    most: int,
    so: Callable[[str], bool],
) -> int:
    count = 0
    for run in reversed([one for one in past if one.run_id < run_id]):
        if count == most or not run.finalized:
            break
        reason = reason_of(run.run_id)
        if reason is None or not so(reason):
            break
        count += 1
    return count


def cut_off_before(past: list[PastRun], run_id: str) -> bool:
    """Whether the run right before this one ended without `_SUCCESS`."""
    earlier = [one for one in past if one.run_id < run_id]
    return bool(earlier) and not earlier[-1].finalized


def reasons(settings: Settings, job_id: str, store: Store) -> Callable[[str], str | None]:
    """What reads from a run's `_SUCCESS` why it ended; None where that can't be read."""

    def reason_of(run_id: str) -> str | None:
        try:
            sentinel = store.read(run_prefix(settings.s3_prefix, job_id, run_id) + SUCCESS_NAME)
        except StoreError:
            return None
        return str(dumps.parse_metadata(sentinel[0]).get("reason")) if sentinel else None

    return reason_of
