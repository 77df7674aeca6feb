"""The agent is killed at any moment: it comes back, and each run is finalized once nonetheless."""

from random import Random

import pytest

from tests.fault_proxy import Matcher, Request, after, before
from tests.machines.findings import (
    check_completed,
    check_continued,
    check_down_by_itself,
    check_finalized_once,
    check_runs,
    finalized,
)
from tests.machines.jobs import Job
from tests.machines.plays import Play, Stage, interrupt, moment
from tests.machines.trainees import Trainee

REQUESTS_OF_A_RESTORE = 3  # the claim, and what the job has, for restore and for run
REQUESTS_OF_A_FINALIZATION = 8  # the fewest: sentinel, listings, a dump with metadata, log ...


def restore(job: Job, chance: Random) -> None:
    """Kill what begins the run, at a request of it to S3."""
    kill_at(job, chance, chance.randint(1, REQUESTS_OF_A_RESTORE))
    job.await_end()


def run(job: Job, chance: Random) -> None:
    """Kill `run`, and with it the trainer, which systemd ends."""
    first = job.trainee(1)
    first.await_position(moment(chance))
    kill(first, "run")
    job.await_end()


def watch(job: Job, chance: Random) -> None:
    """Kill `watch` right before the notice."""
    first = job.trainee(1)
    first.await_position(moment(chance))
    kill(first, "watch")
    interrupt(first)
    job.await_end()


def checkpoint(job: Job, chance: Random) -> None:
    """Kill the first periodic checkpoint, when it ships dump or metadata."""
    name = chance.choice([".dmp", ".metadata.json"])
    kill_when(job, chance, job.asks("PUT", name), "checkpoint")
    job.await_end()


def finalize(job: Job, chance: Random) -> None:
    """Kill whoever finalizes a completed training, at a request to S3."""
    kill_at(job, chance, chance.randint(1, REQUESTS_OF_A_FINALIZATION), finalizing(job))
    job.await_end()


def saving(job: Job, chance: Random) -> None:
    """Kill whoever finalizes after a notice, at a request to S3."""
    kill_at(job, chance, chance.randint(1, REQUESTS_OF_A_FINALIZATION), finalizing(job))
    first = job.trainee(1)
    first.await_position(moment(chance))
    interrupt(first)
    job.await_end()


def sealed(job: Job, _chance: Random) -> None:
    """Kill everything of the agent right after S3 has the sentinel, and before it hears of it."""
    job.s3.inject(job.asks("PUT", "_SUCCESS"), after(lambda: kill(job.trainee(1))), times=1)
    job.await_end()


def kill(trainee: Trainee, command: str = "[a-z]+") -> None:
    """Kill the agent's processes of a command, of all where none is named; some must be there."""
    killed = trainee.machine.run(["pkill", "-KILL", "-f", f"bin/dxnn-agent {command}"])
    assert killed.returncode == 0, command


def kill_at(job: Job, chance: Random, number: int, since: Matcher = lambda _: True) -> None:
    """Kill the whole agent at the job's so many'th request, counted from one that matches."""
    kill_when(job, chance, Nth(job, number, since))


def kill_when(job: Job, chance: Random, matches: Matcher, command: str = "[a-z]+") -> None:
    """Kill a command at the first request that matches, before S3 sees it or after that."""
    when = chance.choice([before, after])
    job.s3.inject(matches, when(lambda: kill(job.trainee(1), command)), times=1)


def finalizing(job: Job) -> Matcher:
    """Match the request with which finalize begins."""
    return job.asks("GET", "_SUCCESS")


class Nth:
    """Matches a job's so many'th request, counted from one that matches something."""

    def __init__(self, job: Job, number: int, since: Matcher) -> None:
        self._job, self._left, self._since, self._counting = job, number, since, False

    def __call__(self, request: Request) -> bool:
        if not self._job.owns(request):
            return False
        self._counting = self._counting or self._since(request)
        self._left -= self._counting
        return self._left == 0


PERIODIC = {"checkpoint_interval_seconds": 3}

PLAYS = {
    "restore": Play(restore),
    "run": Play(run, PERIODIC),
    "watch": Play(watch),
    # All are kept, so that finalize finds what a killed one did not ship.
    "checkpoint": Play(checkpoint, {**PERIODIC, "checkpoint_keep": 10}),
    "finalize": Play(finalize),
    "saving": Play(saving),
    "sealed": Play(sealed),
}
INTERRUPTED = ("watch", "saving")


@pytest.mark.parametrize("name", PLAYS)
def test_each_run_was_finalized_once_and_the_job_completed(stage: Stage, name: str) -> None:
    job = stage[name]
    assert killed(job), "or nothing was tested"
    check_runs(job, in_one_go=False)
    check_finalized_once(job, told=False)
    check_completed(job)


@pytest.mark.parametrize("name", PLAYS)
def test_the_machine_went_down_by_itself(stage: Stage, name: str) -> None:
    job = stage[name]
    assert len(job.trainees) == len(finalized(job)) == (2 if name in INTERRUPTED else 1)
    for number in range(1, len(job.trainees) + 1):
        check_down_by_itself(job, number)


@pytest.mark.parametrize("name", INTERRUPTED)
def test_the_notice_was_heard_and_the_next_went_on(stage: Stage, name: str) -> None:
    job = stage[name]
    first, second = finalized(job)
    assert first.sentinel["completion_status"] == "interrupted"
    assert first.sentinel["reason"] == "spot_interruption"
    check_continued(job, second, first)


def test_a_killed_run_goes_on_where_it_was(stage: Stage) -> None:
    (trainee,) = stage["run"].trainees
    starts = [one.values["run_id"] for one in trainee.said("RUN_START")]
    assert len(starts) == 2
    assert len(set(starts)) == 1, "it is the same run"


def test_a_killed_checkpoint_is_followed_by_the_next(stage: Stage) -> None:
    job = stage["checkpoint"]
    (only,) = finalized(job)
    killed_one, *_ = job.trainees[0].said("CHECKPOINT_START")
    newest = only.newest_checkpoint
    assert newest is not None
    assert newest > killed_one.values["file"]


def test_after_the_sentinel_only_the_poweroff_is_left_to_do(stage: Stage) -> None:
    (trainee,) = stage["sealed"].trainees
    states = [one.state for one in trainee.events if one.state != "WATCH_START"]
    assert "FINALIZE_SUCCESS" not in states
    assert states[-2:] == ["FINALIZE_SKIPPED", "TERMINATING"]


def killed(job: Job) -> bool:
    """Whether systemd saw one of the agent's processes killed."""
    lines = job.trainees[0].journal
    return any("dxnn-" in line and "status=9/KILL" in line for line in lines)
