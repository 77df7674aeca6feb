"""The trainer's end becomes the run's outcome."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.bucket import Bucket
from tests.machine import NewMachine
from tests.processes import runs
from tests.programs import exits, python, trains_for_ever, trains_until_told


@pytest.mark.parametrize("code", [1, 255])
def test_a_trainer_that_fails(machine_with: NewMachine, bucket: Bucket, code: int) -> None:
    machine = machine_with(trainer_command=exits(code))
    assert machine.agent("run").code == 0
    sentinel = bucket.sentinel(bucket.only_run())
    assert sentinel["status"] == "success"
    assert sentinel["completion_status"] == "interrupted"
    assert sentinel["exit_code"] == code
    assert sentinel["reason"] == f"trainer_exit_{code}"
    assert machine.events("RUN_EXIT")[0].values["exit_code"] == str(code)
    assert machine.poweroffs() == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_trainer_that_somebody_else_kills(
    machine_with: NewMachine, bucket: Bucket, number: signal.Signals
) -> None:
    machine = machine_with(trainer_command=trains_for_ever())
    running = machine.start("run")
    os.kill(machine.trainer_pid(), number)
    assert running.result().code == 0
    sentinel = bucket.sentinel(bucket.only_run())
    assert sentinel["completion_status"] == "interrupted"
    assert sentinel["exit_code"] == 128 + number
    assert sentinel["reason"] == f"trainer_exit_{128 + number}"


def test_a_trainer_that_cannot_be_started(machine_with: NewMachine, bucket: Bucket) -> None:
    machine = machine_with(trainer_command=["/nonexistent/trainer"])
    result = machine.agent("run")
    assert result.code != 0
    assert "/nonexistent/trainer" in result.err
    sentinels = [bucket.sentinel(r) for r in bucket.runs() if "_SUCCESS" in bucket.names(r)]
    assert "normal" not in [sentinel["completion_status"] for sentinel in sentinels]


def test_term_is_passed_on_and_a_trainer_that_exits_0_then_was_interrupted(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(trainer_command=trains_until_told())
    running = machine.start("run")
    machine.trainer_pid()

    running.process.terminate()

    assert running.result().code == 0
    assert (machine.trainer_directory / "signals.txt").read_text().split() == ["SIGTERM"]
    sentinel = bucket.sentinel(bucket.only_run())
    assert sentinel["completion_status"] == "interrupted"
    assert sentinel["exit_code"] == 0
    assert sentinel["reason"] == "signal_SIGTERM"
    assert machine.poweroffs() == 1


def test_term_and_a_trainer_that_dies_of_it(machine_with: NewMachine, bucket: Bucket) -> None:
    machine = machine_with(trainer_command=trains_for_ever())
    running = machine.start("run")
    trainer = machine.trainer_pid()
    running.process.terminate()
    assert running.result().code == 0
    assert not runs(trainer)
    sentinel = bucket.sentinel(bucket.only_run())
    assert sentinel["exit_code"] == 143
    assert sentinel["reason"] == "signal_SIGTERM"


def test_control_c_reaches_the_trainer_once(machine_with: NewMachine, bucket: Bucket) -> None:
    """A terminal sends INT to the whole group in front: the trainer has a group of its own."""
    machine = machine_with(trainer_command=trains_until_told())
    running = machine.start("run")
    trainer = machine.trainer_pid()
    assert os.getpgid(trainer) == trainer
    assert os.getpgid(running.process.pid) == running.process.pid

    os.killpg(running.process.pid, signal.SIGINT)

    assert running.result().code == 0
    assert (machine.trainer_directory / "signals.txt").read_text().split() == ["SIGINT"]
    sentinel = bucket.sentinel(bucket.only_run())
    assert sentinel["completion_status"] == "interrupted"
    assert sentinel["reason"] == "signal_SIGINT"


def test_a_signal_during_the_uploads_does_not_stop_them(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(trainer_command=exits(0))
    running = machine.start("run")
    machine.wait_for("RUN_EXIT")
    running.process.terminate()
    assert running.result().code == 0
    assert bucket.sentinel(bucket.only_run())["completion_status"] == "normal"


def test_the_environment_of_the_trainer(machine_with: NewMachine, bucket: Bucket) -> None:
    machine = machine_with(
        trainer_command=python(
            """
            import json, os, pathlib
            pathlib.Path("benchmarks").mkdir()
            seen = dict(os.environ) | {"cwd": os.getcwd()}
            pathlib.Path("benchmarks/environment.json").write_text(json.dumps(seen))
            """
        ),
        checkpoint_interval_seconds=0,
    )
    machine.environment["OF_THE_USER"] = "kept"
    assert machine.agent("run").code == 0
    run = bucket.only_run()
    seen = bucket.json(f"{run}artifacts/benchmarks/environment.json")
    assert seen["DXNN_JOB_ID"] == "xor"
    assert run.endswith(f"run-{seen['DXNN_RUN_ID']}/")
    assert seen["DXNN_CHECKPOINT_DIR"] == str(machine.checkpoint_dir)
    assert "DXNN_RESTORE_PATH" not in seen
    assert seen["cwd"] == str(machine.trainer_directory)
    assert seen["OF_THE_USER"] == "kept"


def test_what_the_trainer_prints_is_not_in_the_log(machine_with: NewMachine) -> None:
    machine = machine_with(trainer_command=python('print("generation 1")'))
    result = machine.agent("run")
    assert "generation 1" in result.out + result.err
    machine.events()  # fails on any line that is not the agent's


def test_run_never_polls(machine_with: NewMachine) -> None:
    """It sleeps in the kernel until its trainer ends, and is not once woken before."""
    machine = machine_with(trainer_command=trains_until_told())
    running = machine.start("run")
    machine.trainer_pid()

    def switches() -> int:
        tasks = Path(f"/proc/{running.process.pid}/task").glob("*/status")
        lines = [line for task in tasks for line in task.read_text().splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt"))

    time.sleep(1.0)  # it may still be settling after the trainer's start
    before = switches()
    time.sleep(2.0)
    assert switches() - before <= 2
    running.process.terminate()
    assert running.result().code == 0
