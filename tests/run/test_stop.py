"""stop: a machine that goes down without a notice still checkpoints and finalizes."""

from tests.bucket import Bucket
from tests.machine import Machine, NewMachine
from tests.programs import trains_until_told


def test_a_stop_saves_the_run(machine_with: NewMachine, bucket: Bucket) -> None:
    machine = machine_with(trainer_command=trains_until_told())
    running = machine.start("run")
    machine.trainer_pid()
    assert machine.agent("stop").code == 0
    assert running.result().code == 0
    run = bucket.only_run()
    sentinel = bucket.sentinel(run)
    assert (sentinel["completion_status"], sentinel["reason"]) == ("interrupted", "shutdown")
    assert sentinel["exit_code"] == 0
    assert any(name.endswith(".dmp") for name in bucket.names(run))
    bucket.check_manifest(run)
    assert machine.poweroffs() == 1


def test_what_systemd_tells_a_stop_command_is_not_taken_for_the_outcome(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(trainer_command=trains_until_told())
    running = machine.start("run")
    machine.trainer_pid()
    assert machine.agent("stop", env={"EXIT_CODE": "exited", "EXIT_STATUS": "0"}).code == 0
    assert running.result().code == 0
    assert bucket.sentinel(bucket.only_run())["reason"] == "shutdown"


def test_a_stop_where_nothing_runs_does_nothing(machine: Machine, bucket: Bucket) -> None:
    assert machine.agent("stop").code == 0
    assert bucket.keys() == []
    assert machine.agent("run").code == 0
    states = machine.states()
    assert machine.agent("stop").code == 0
    assert machine.states() == states
    assert machine.poweroffs() == 1
