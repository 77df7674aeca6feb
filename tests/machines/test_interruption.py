"""EC2 takes instances with notice, at whatever moment, and the job goes on from there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from tests.fault_proxy import hold
from tests.machines.findings import (
    check_completed,
    check_continued,
    check_down_by_itself,
    check_finalized_once,
    check_runs,
    finalized,
)
from tests.machines.jobs import GENERATION_SECONDS, GENERATIONS, RUNS, Job
from tests.machines.plays import Play, Stage, interrupt, moment
from tests.machines.trainees import Trainee
from tests.waiting import wait_until


def at_a_random_moment(job: Job, chance: Random) -> None:
    first = job.trainee(1)
    first.await_position(moment(chance))
    interrupt(first)
    job.await_end()


def twice(job: Job, chance: Random) -> None:
    for number, (begin, end) in enumerate([(0, 0.3), (0.4, 0.6)], 1):
        trainee = job.trainee(number)
        trainee.await_position(moment(chance, begin, end))
        interrupt(trainee)
    job.await_end()


def during_restore(job: Job, chance: Random) -> None:
    first = job.trainee(1)
    first.await_position(moment(chance))
    fetches = job.asks("GET", ".dmp")
    with held(job, "GET", ".dmp"):
        interrupt(first)
        second = job.trainee(2)
        wait_until(lambda: any(map(fetches, job.s3.requests)), "the dump's restore", 90)
        notice(second)
    job.await_end()


def during_finalize(job: Job, _chance: Random) -> None:
    first = job.trainee(1)
    sends = job.asks("PUT", "_MANIFEST.json")
    with held(job, "PUT", "_MANIFEST.json"):
        wait_until(lambda: any(map(sends, job.s3.requests)), "the manifest", 120)
        notice(first)
    job.await_end()


def just_before_completion(job: Job, _chance: Random) -> None:
    first = job.trainee(1)
    first.await_position((RUNS, GENERATIONS - round(1 / GENERATION_SECONDS)))
    interrupt(first)
    job.await_end()


@contextmanager
def held(job: Job, method: str, name: str) -> Iterator[None]:
    """Keep the next request of a job that is made, until the block is left."""
    released = threading.Event()
    job.s3.inject(job.asks(method, name), hold(released), times=1)
    try:
        yield
    finally:
        released.set()


def notice(trainee: Trainee) -> None:
    """Give an instance a notice, and wait until it has heard of it."""
    interrupt(trainee)
    trainee.await_event("DETECTED", reason="spot_interruption")


PLAYS = {
    "random": Play(at_a_random_moment),
    "twice": Play(twice),
    "restore": Play(during_restore),
    "finalize": Play(during_finalize),
    "second": Play(just_before_completion, {"poll_interval_seconds": 0.5}),
}


def test_at_a_random_moment(stage: Stage) -> None:
    job = stage["random"]
    first, second = finalized(job)
    check_interrupted(job, 1)
    check_continued(job, second, first)
    check_down_by_itself(job, 2)
    assert len(job.trainees) == 2


def test_twice_in_a_row(stage: Stage) -> None:
    job = stage["twice"]
    first, second, third = finalized(job)
    check_interrupted(job, 1)
    check_continued(job, second, first)
    check_interrupted(job, 2)
    check_continued(job, third, second)
    assert len(job.trainees) == 3


def test_during_restore(stage: Stage) -> None:
    job = stage["restore"]
    first, second, third = finalized(job)
    check_interrupted(job, 2)
    assert second.sentinel["exit_code"] is None, "no trainer ran"
    assert not job.trainees[1].positions
    assert second.newest_checkpoint is None
    check_continued(job, third, first)
    assert len(job.trainees) == 3


def test_during_finalize(stage: Stage) -> None:
    job = stage["finalize"]
    (only,) = finalized(job)
    assert only.sentinel["completion_status"] == "normal"
    assert job.trainees[0].said("FINALIZE_SKIPPED"), "the one that the notice began"
    check_down_by_itself(job, 1)
    assert len(job.trainees) == 1


def test_a_second_before_completion(stage: Stage) -> None:
    job = stage["second"]
    assert job.trainees[0].said("DETECTED")
    runs = finalized(job)
    for number in range(1, len(runs) + 1):
        check_down_by_itself(job, number)
    if len(runs) > 1:  # the notice was quicker
        check_interrupted(job, 1)
        check_continued(job, runs[1], runs[0])
    assert len(job.trainees) == len(runs) <= 2


@pytest.mark.parametrize("name", PLAYS)
def test_each_run_was_finalized_once_and_the_job_completed(stage: Stage, name: str) -> None:
    job = stage[name]
    check_runs(job)
    check_finalized_once(job)
    check_completed(job)


def check_interrupted(job: Job, number: int) -> None:
    """Check that an instance was saved and went down in the time that its notice left."""
    run = finalized(job)[number - 1]
    sentinel, trainee = run.sentinel, job.trainees[number - 1]
    assert (sentinel["completion_status"], sentinel["reason"]) == (
        "interrupted",
        "spot_interruption",
    )
    assert sentinel["instance_id"] == trainee.id
    assert sentinel["notice_time"] is not None
    assert sentinel["margin_seconds"] > 5
    check_down_by_itself(job, number)
