"""A job's runs in order, as the keys below its prefix tell them."""

from collections.abc import Iterable
from dataclasses import dataclass

from dxnn_agent import layout


@dataclass(frozen=True)
class PastRun:
    """What S3 holds of a run: whether any dump, and whether `_SUCCESS`."""

    run_id: str
    fruitful: bool
    finalized: bool


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


def cut_off_before(past: list[PastRun], run_id: str) -> bool:
    """Whether the run right before this one ended without `_SUCCESS`."""
    earlier = [one for one in past if one.run_id < run_id]
    return bool(earlier) and not earlier[-1].finalized
