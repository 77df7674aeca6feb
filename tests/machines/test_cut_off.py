"""EC2 takes instances without a word: the job goes on from the last checkpoint that was shipped."""

from random import Random

import pytest

from rehearsal.runs import LOG, SUCCESS, StoredRun
from tests.machines.findings import (
    check_completed,
    check_continued,
    check_finalized_once,
    check_runs,
)
from tests.machines.jobs import GENERATIONS, RUNS, Job
from tests.machines.plays import Play, Stage, moment
from tests.machines.positions import passed
from tests.machines.trainees import Trainee

INTERVAL_SECONDS = 3
SLACK_SECONDS = 1.5
"""The timer's accuracy, and a part of a second between the checkpoint and its first log line."""


def later(job: Job, chance: Random) -> None:
    """Cut off the first instance at any time after its first checkpoint."""
    first = job.trainee(1)
    first.await_event("UPLOAD_SUCCESS")
    first.await_position(moment(chance, 0.3, 0.8))
    job.region.cut(first.id)
    job.await_end()


def twice(job: Job, chance: Random) -> None:
    """Cut off the first instance before any checkpoint, and the second one after one."""
    first = job.trainee(1)
    first.await_event("RUN_START")
    job.region.cut(first.id)
    second = job.trainee(2)
    second.await_event("UPLOAD_SUCCESS")
    second.await_position(moment(chance, 0.3, 0.8))
    job.region.cut(second.id)
    job.await_end()


OFTEN = {"checkpoint_interval_seconds": INTERVAL_SECONDS}
PLAYS = {"later": Play(later, OFTEN), "twice": Play(twice, OFTEN)}


def test_the_next_goes_on_from_the_last_shipped_checkpoint(stage: Stage) -> None:
    job = stage["later"]
    cut_off, completed = job.runs
    check_cut_off(job, 1)
    check_lost_at_most_one_interval(job, 1, cut_off)
    check_continued(job, completed, cut_off)
    assert len(job.trainees) == 2


def test_twice_in_a_row_the_first_before_any_checkpoint(stage: Stage) -> None:
    job = stage["twice"]
    fruitless, cut_off, completed = job.runs
    check_cut_off(job, 1)
    check_cut_off(job, 2)
    assert set(fruitless.objects) == {LOG}
    assert job.trainees[1].said("RESTORE_NONE")
    assert job.trainees[1].positions[0] == (1, 1)
    check_lost_at_most_one_interval(job, 2, cut_off)
    check_continued(job, completed, cut_off)
    assert len(job.trainees) == 3


@pytest.mark.parametrize("name", PLAYS)
def test_the_job_completed_and_was_finalized_once(stage: Stage, name: str) -> None:
    job = stage[name]
    check_runs(job)
    check_finalized_once(job)
    check_completed(job)
    for run in job.runs[:-1]:
        assert SUCCESS not in run.objects


def check_cut_off(job: Job, number: int) -> None:
    """Check that an instance was told nothing, and did nothing about its end."""
    trainee = job.trainees[number - 1]
    told = job.clients["ec2"].describe_instances(InstanceIds=[trainee.id])
    (described,) = told["Reservations"][0]["Instances"]
    assert described["StateReason"]["Code"] == "Server.SpotInstanceTermination"
    assert not {"DETECTED", "RUN_EXIT", "FINALIZE_START"} & {one.state for one in trainee.events}


def check_lost_at_most_one_interval(job: Job, number: int, run: StoredRun) -> None:
    """Check how long before its end an instance's restored dump was taken."""
    trainee = job.trainees[number - 1]
    newest = run.newest_checkpoint
    assert newest is not None
    ships = trainee.said("UPLOAD_SUCCESS")
    shipped = {one.values["object"] for one in ships if one.values["object"].endswith(".dmp")}
    assert newest == max(shipped), "nothing that had arrived was passed over"
    resumed = job.trainees[number].positions[0]
    assert (1, 1) <= resumed <= trainee.positions[-1] < (RUNS, GENERATIONS)
    lost = trainee.output[-1].at - _printed_at(trainee, resumed)
    # The next one may have been on its way.
    assert lost <= INTERVAL_SECONDS + _longest_checkpoint(trainee) + SLACK_SECONDS


def _printed_at(trainee: Trainee, position: tuple[int, int]) -> float:
    lines = list(trainee.output)
    numbers = {at: number for number, at in passed(one.text for one in lines)}
    return lines[numbers[position]].at


def _longest_checkpoint(trainee: Trainee) -> float:
    """How long it took at most until S3 had a checkpoint, in seconds, by a log of whole ones."""
    begins = {one.values["file"]: one.at for one in trainee.said("CHECKPOINT_START")}
    arrivals = {one.values["object"]: one.at for one in trainee.said("UPLOAD_SUCCESS")}
    took = [
        (arrivals[file] - begun).total_seconds()
        for file, begun in begins.items()
        if file in arrivals
    ]
    return max(took) + 1
