"""The hours of all machines of a job together: a guard on the bill."""

import time

import pytest

from tests.auto_scaling_group import Group, launched
from tests.bucket import Bucket
from tests.dump_files import put_checkpoint
from tests.machine import NewMachine
from tests.programs import exits, trains_until_told

RUN, STAMP = "20250101-000000Z", "20250101-000500Z"


def test_the_run_is_saved_and_the_job_given_up(
    group: Group, machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = launched(
        group, machine_with, max_job_hours=4 / 3600, trainer_command=trains_until_told()
    )
    assert machine.agent("run", seconds=60).code == 0
    sentinel = bucket.sentinel(bucket.only_run())
    assert (sentinel["completion_status"], sentinel["reason"]) == ("interrupted", "shutdown")
    assert [n for n in bucket.names(bucket.only_run()) if n.endswith(".dmp")], "it was saved"
    [given_up] = machine.events("JOB_GIVEN_UP")
    assert given_up.values["reason"].startswith("hours of all its machines: 0.00")
    assert given_up.values["reason"].endswith(", max_job_hours is 0.00111111")
    assert group.desired() == 0
    assert machine.poweroffs() == 1


def test_the_hours_are_carried_along(machine_with: NewMachine, bucket: Bucket) -> None:
    put_checkpoint(bucket, RUN, STAMP, b"population", job_seconds=7200)
    machine = machine_with(trainer_command=trains_until_told(), auto_terminate=False)
    running = machine.start("run")
    machine.trainer_pid()
    time.sleep(1.5)
    assert machine.agent("checkpoint").code == 0
    running.process.terminate()
    assert running.result().code == 0
    [newest] = [n for n in bucket.names(bucket.runs()[-1]) if n.startswith("checkpoint-2")][:1]
    stem = newest.removesuffix(".dmp").removesuffix(".metadata.json")
    metadata = bucket.json(f"{bucket.runs()[-1]}{stem}.metadata.json")
    assert 7201 <= metadata["job_seconds"] < 7300


@pytest.mark.parametrize("hours", [1.5, 2])
def test_a_job_whose_hours_are_spent_is_not_gone_on_with(
    group: Group, machine_with: NewMachine, bucket: Bucket, hours: float
) -> None:
    put_checkpoint(bucket, RUN, STAMP, b"population", job_seconds=7200)
    machine = launched(group, machine_with, max_job_hours=hours)
    assert machine.agent("run").code == 0
    assert not machine.events("RUN_START")
    [refused] = machine.events("RUN_REFUSED")
    assert f"max_job_hours is {hours:g}" in refused.values["reason"]
    assert group.desired() == 0
    assert machine.poweroffs() == 1


@pytest.mark.parametrize("job_seconds", [None, "many", -5, True, 3000])
def test_a_job_that_has_hours_left_trains(
    machine_with: NewMachine, bucket: Bucket, job_seconds: object
) -> None:
    put_checkpoint(bucket, RUN, STAMP, b"population", job_seconds=job_seconds)
    machine = machine_with(max_job_hours=1)
    assert machine.agent("run").code == 0
    assert bucket.sentinel(bucket.runs()[-1])["completion_status"] == "normal"


def test_a_trainer_that_completes_in_time_completed(
    group: Group, machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = launched(group, machine_with, max_job_hours=10**23, trainer_command=exits(0))
    assert machine.agent("run").code == 0
    assert bucket.sentinel(bucket.only_run())["completion_status"] == "normal"
    assert not machine.events("JOB_GIVEN_UP")
