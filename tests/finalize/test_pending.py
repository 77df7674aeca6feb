"""finalize --pending, which a timer says: it finishes what is owed and touches nothing else."""

from tests.bucket import Bucket
from tests.fault_proxy import FaultProxy, access_denied
from tests.machine import Machine, NewMachine
from tests.programs import trains_until_told
from tests.waiting import wait_until


def pending(machine: Machine) -> int:
    return machine.agent("finalize", "--pending").code


def test_nothing_is_owed_on_a_machine_without_a_run(machine: Machine, bucket: Bucket) -> None:
    assert pending(machine) == 0
    assert bucket.keys() == []
    assert not machine.log_file.exists()


def test_a_run_under_way_is_left_alone(machine_with: NewMachine, bucket: Bucket) -> None:
    machine = machine_with(trainer_command=trains_until_told())
    assert machine.agent("restore").code == 0
    assert pending(machine) == 0
    running = machine.start("run")
    machine.trainer_pid()
    states = machine.states()
    assert pending(machine) == 0
    assert machine.states() == states
    assert running.process.poll() is None
    running.kill()
    assert pending(machine) == 0  # systemd starts `run` again, and that goes on
    assert "_SUCCESS" not in bucket.names(bucket.only_run())


def test_an_upload_that_failed_is_made_up_for(
    machine: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    machine.metadata.notice(in_seconds=12)  # cuts the seven attempts short
    proxy.inject(lambda request: request.name == "report.txt", access_denied)
    assert machine.agent("restore").code == 0
    machine.write_artifact("report.txt", b"best")
    assert machine.agent("watch").code == 3
    assert machine.poweroffs() == 0
    proxy.heal()
    assert pending(machine) == 0
    assert bucket.sentinel(bucket.only_run())["reason"] == "spot_interruption"
    assert machine.poweroffs() == 1
    states = machine.states()
    assert pending(machine) == 0
    assert machine.states() == states


def test_a_run_that_was_killed_before_it_finalized_is_finalized(
    machine: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    proxy.inject(lambda request: request.name == "_SUCCESS", lambda call: call.drop())
    running = machine.start("run")
    wait_until(lambda: machine.events("RUN_EXIT"), "the trainer to end")
    running.kill()
    proxy.heal()
    assert pending(machine) == 0
    sentinel = bucket.sentinel(bucket.only_run())
    assert (sentinel["completion_status"], sentinel["exit_code"]) == ("normal", 0)
    assert machine.poweroffs() == 1


def test_a_machine_killed_before_its_poweroff_powers_off(machine: Machine, bucket: Bucket) -> None:
    working = machine.settings["poweroff_command"]
    machine.configure(poweroff_command=["false"])
    assert machine.agent("run").code != 0
    machine.configure(poweroff_command=working)
    assert pending(machine) == 0
    assert machine.poweroffs() == 1
    assert len(bucket.runs()) == 1


def test_a_machine_that_is_to_stay_up_stays_up(machine_with: NewMachine) -> None:
    machine = machine_with(auto_terminate=False)
    assert machine.agent("run").code == 0
    states = machine.states()
    assert pending(machine) == 0
    assert machine.states() == states
    assert machine.poweroffs() == 0


def test_pending_takes_no_outcome(machine: Machine) -> None:
    result = machine.agent("finalize", "--pending", "--completion-status", "normal")
    assert result.code == 2
    assert "--pending stands alone" in result.err
