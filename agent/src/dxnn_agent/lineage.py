"""A job's runs in order, as the keys below its prefix tell them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dxnn_agent import layout, outcome


@dataclass(frozen=True)
class PastRun:
    """What S3 holds of a run: whether any dump, and whether `_SUCCESS`."""

    run_id: str
    fruitful: bool
    finalized: bool


@dataclass(frozen=True)
class Streak:
    """How many runs in a row, up to this one, left no dump, and were ended by the trainer itself.

    None: not known.
    """

    fruitless: int | None = None
    failed: int | None = None


def runs(keys: Iterable[str], job_prefix: str) -> list[PastRun]:
    """The runs of a job, oldest first."""
    names: dict[str, set[str]] = {}
    for key in keys:
        place = layout.split_key(key, job_prefix)
        if place:
            names.setdefault(place[0], set()).add(place[1])
    return [
        PastRun(
            run_id,
            fruitful=any(layout.dump_name(name) for name in held),
            finalized=layout.SUCCESS_NAME in held,
        )
        for run_id, held in sorted(names.items())
    ]


def fruitless_before(past: list[PastRun], run_id: str) -> int:
    """How many runs in a row, right before this one, left no dump."""
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
    count = 0
    for run in reversed([one for one in past if one.run_id < run_id]):
        if count == most or not run.finalized:
            break
        reason = reason_of(run.run_id)
        if reason is None or not outcome.is_failure(reason):
            break
        count += 1
    return count


def cut_off_before(past: list[PastRun], run_id: str) -> bool:
    """Whether the run right before this one ended without `_SUCCESS`."""
    earlier = [one for one in past if one.run_id < run_id]
    return bool(earlier) and not earlier[-1].finalized
