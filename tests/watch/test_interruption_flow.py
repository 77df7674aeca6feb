"""The guide's step 10: EC2 gives notice; checkpoint, stop, one finalization, and down it goes."""

import os
import signal
from collections import Counter

import pytest

from tests.bucket import Bucket
from tests.fault_proxy import FaultProxy
from tests.processes import runs
from tests.programs import trains_for_ever
from tests.waiting import wait_until
from tests.watch.conftest import StartTraining


def test_spot_interruption(training: StartTraining, bucket: Bucket, proxy: FaultProxy) -> None:
    busy = training()
    busy.machine.metadata.notice()
    busy.ends()

    run = bucket.only_run()
    sentinel = bucket.sentinel(run)
    assert sentinel["status"] == "success"
    assert sentinel["completion_status"] == "interrupted"
    assert sentinel["reason"] == "spot_interruption"
    assert sentinel["exit_code"] == 0  # the trainer's own, though it was told to stop
    assert not runs(busy.trainer)
    assert (busy.machine.trainer_directory / "signals.txt").read_text().split() == ["SIGTERM"]

    # Exactly one finalization, whoever of run and watch comes first.
    states = Counter(busy.machine.states())
    assert states["FINALIZE_SUCCESS"] == 1
    assert states["TERMINATING"] == 1
    assert busy.machine.poweroffs() == 1
    stored = Counter(key.removeprefix(run) for key in proxy.stored)
    assert {name for name, times in stored.items() if times > 1} == {"dxnn-run.log"}
    assert set(stored) == bucket.names(run)
    bucket.check_manifest(run)


def test_no_run_follows_on_a_machine_that_ec2_is_about_to_take(
    training: StartTraining, bucket: Bucket
) -> None:
    busy = training()
    busy.machine.metadata.notice()
    busy.ends()
    before = bucket.contents()
    assert busy.machine.agent("run").code == 0
    assert busy.machine.events("RUN_REFUSED")[-1].values["reason"].startswith("EC2 takes this")
    assert bucket.contents() == before
    assert busy.machine.poweroffs() == 1


def test_the_last_checkpoint_is_taken_after_the_notice_and_before_the_trainer_stops(
    training: StartTraining, bucket: Bucket
) -> None:
    busy = training()
    busy.machine.metadata.notice()
    busy.ends()
    order = ["WATCH_START", "DETECTED", "CHECKPOINT_START", "CHECKPOINT_OK", "RUN_EXIT"]
    states = busy.machine.states()
    assert [state for state in states if state in order] == order
    assert states.index("RUN_EXIT") < states.index("FINALIZE_SUCCESS")
    run = bucket.only_run()
    [name] = [n for n in bucket.names(run) if n.startswith("checkpoint-") and n.endswith(".json")]
    metadata = bucket.json(f"{run}{name}")
    assert metadata["kind"] == "checkpoint"
    assert metadata["reason"] == "spot_interruption"
    assert metadata["generation"] == 7


def test_the_exit_code_is_the_trainers_own(training: StartTraining, bucket: Bucket) -> None:
    busy = training(trainer_command=trains_for_ever())
    busy.machine.metadata.notice()
    busy.ends()
    sentinel = bucket.sentinel(bucket.only_run())
    assert sentinel["exit_code"] == 143
    assert sentinel["reason"] == "spot_interruption"


def test_detection_takes_no_longer_than_the_poll_interval(training: StartTraining) -> None:
    busy = training(poll_interval_seconds=2)
    announced = busy.machine.metadata.notice()
    detected = busy.machine.wait_for("DETECTED")
    assert (announced - detected.at).total_seconds() > 120 - 2 - 2
    assert detected.values["reason"] == "spot_interruption"
    busy.ends()


@pytest.mark.parametrize("command", [["false"], ["/nonexistent/checkpoint"]])
def test_a_checkpoint_that_fails_does_not_keep_the_rest_from_being_saved(
    training: StartTraining, bucket: Bucket, command: list[str]
) -> None:
    busy = training(checkpoint_command=command)
    busy.machine.metadata.notice()
    busy.ends()
    assert "CHECKPOINT_ERROR" in busy.machine.states()
    names = bucket.names(bucket.only_run())
    assert {"artifacts/benchmarks/report.txt", "_SUCCESS"} <= names


def test_the_target_state_of_auto_scaling_ends_the_run_too(
    training: StartTraining, bucket: Bucket
) -> None:
    busy = training()
    busy.machine.metadata.set_target_lifecycle_state("Terminated")
    busy.ends()
    sentinel = bucket.sentinel(bucket.only_run())
    assert sentinel["completion_status"] == "interrupted"
    assert sentinel["reason"] in {"shutdown", "rebalance"}
    assert busy.machine.poweroffs() == 1


def test_a_scheduled_event_that_is_near_ends_the_run_too(
    training: StartTraining, bucket: Bucket
) -> None:
    busy = training()
    busy.machine.metadata.schedule_event("instance-retirement", in_seconds=90)
    busy.ends()
    sentinel = bucket.sentinel(bucket.only_run())
    assert sentinel["completion_status"] == "interrupted"
    assert sentinel["reason"] == "scheduled_event"
    assert busy.machine.poweroffs() == 1


def test_a_scheduled_event_that_is_days_away_lets_the_trainer_train(
    training: StartTraining,
) -> None:
    busy = training()
    busy.machine.metadata.schedule_event("instance-retirement", in_seconds=5 * 86400)
    asked = len(busy.machine.metadata.requests)
    wait_until(lambda: len(busy.machine.metadata.requests) > asked + 8, "two more polls")
    assert busy.goes_on()
    busy.machine.metadata.notice()
    busy.ends()


def test_a_notice_after_the_run_has_ended_changes_nothing(
    training: StartTraining, bucket: Bucket
) -> None:
    busy = training(trainer_command=trains_for_ever(), auto_terminate=False)
    os.kill(busy.trainer, signal.SIGKILL)
    assert busy.running.result().code == 0
    finalized = bucket.contents()
    busy.machine.metadata.notice()
    assert busy.watching.result().code == 0
    assert bucket.contents() == finalized
    assert bucket.sentinel(bucket.only_run())["reason"] == "trainer_exit_137"


def test_a_watcher_that_is_killed_and_started_again(
    training: StartTraining, bucket: Bucket
) -> None:
    busy = training()
    busy.machine.metadata.notice()
    busy.machine.wait_for("DETECTED")
    busy.watching.kill()
    again = busy.machine.start("watch")
    assert again.result().code == 0
    assert busy.running.result().code == 0
    sentinel = bucket.sentinel(bucket.only_run())
    assert sentinel["reason"] == "spot_interruption"
    assert busy.machine.states().count("FINALIZE_SUCCESS") == 1
    assert busy.machine.poweroffs() == 1


def test_a_run_that_was_killed_leaves_its_trainer_to_the_watcher(
    training: StartTraining, bucket: Bucket
) -> None:
    busy = training()
    busy.running.kill()
    assert runs(busy.trainer)
    busy.machine.metadata.notice()
    assert busy.watching.result().code == 0
    assert not runs(busy.trainer)
    sentinel = bucket.sentinel(bucket.only_run())
    assert sentinel["completion_status"] == "interrupted"
    assert sentinel["reason"] == "spot_interruption"
    assert busy.machine.poweroffs() == 1
