"""Somebody reboots a machine or powers it off, or the trainer crashes: nothing is lost."""

from random import Random

import pytest

from tests.machines.findings import (
    check_completed,
    check_continued,
    check_down_by_itself,
    check_finalized_once,
    check_runs,
    finalized,
)
from tests.machines.jobs import Job
from tests.machines.plays import Play, Stage, moment


def rebooted(job: Job, chance: Random) -> None:
    first = job.trainee(1)
    first.await_position(moment(chance))
    first.machine.run(["systemctl", "reboot"])
    job.await_end()


def powered_off(job: Job, chance: Random) -> None:
    first = job.trainee(1)
    first.await_position(moment(chance))
    first.machine.run(["systemctl", "poweroff"])
    job.await_end()


def crashed(job: Job, chance: Random) -> None:
    """Kill the trainer after its first checkpoint."""
    first = job.trainee(1)
    first.await_event("UPLOAD_SUCCESS")
    first.await_position(moment(chance, 0.3))
    assert first.machine.run(["pkill", "-KILL", "beam"]).returncode == 0
    job.await_end()


PLAYS = {
    "rebooted": Play(rebooted),
    "powered": Play(powered_off),
    "crashed": Play(crashed, {"checkpoint_interval_seconds": 3}),
}


def test_reboot(stage: Stage) -> None:
    job = stage["rebooted"]
    first, second = finalized(job)
    (trainee,) = job.trainees
    assert (first.sentinel["reason"], second.sentinel["reason"]) == (
        "shutdown",
        "training_completed",
    )
    check_continued(job, second, first)
    booted = [line for line in trainee.machine.lines() if "Detected virtualization" in line]
    assert len(booted) == 2
    assert trainee.states == ["pending", "running", "shutting-down", "terminated"]
    check_down_by_itself(job, 1)


def test_poweroff(stage: Stage) -> None:
    job = stage["powered"]
    first, second = finalized(job)
    assert first.sentinel["completion_status"] == "interrupted"
    assert first.sentinel["reason"] == "shutdown"
    check_continued(job, second, first)
    assert len(job.trainees) == 2


def test_the_trainer_crashes(stage: Stage) -> None:
    job = stage["crashed"]
    first, second = finalized(job)
    assert first.sentinel["completion_status"] == "interrupted"
    assert (first.sentinel["exit_code"], first.sentinel["reason"]) == (137, "trainer_exit_137")
    check_down_by_itself(job, 1)
    check_continued(job, second, first)
    assert len(job.trainees) == 2


@pytest.mark.parametrize("name", PLAYS)
def test_each_run_was_finalized_once_and_the_job_completed(stage: Stage, name: str) -> None:
    job = stage[name]
    check_runs(job)
    check_finalized_once(job)
    check_completed(job)
