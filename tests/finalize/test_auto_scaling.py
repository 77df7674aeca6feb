"""The machine's Auto Scaling group launches no other machine exactly when none is to follow."""

import json
from collections.abc import Callable

import pytest

from tests.agent_log import parse_log
from tests.auto_scaling_group import Group, launched
from tests.bucket import Bucket, sha256
from tests.dump_files import leave_checkpoint
from tests.fault_proxy import FaultProxy, Request, access_denied, slow_down
from tests.finalize.conftest import NEWEST
from tests.machine import Machine, NewMachine
from tests.programs import exits
from tests.waiting import wait_until


def asks_the_group(request: Request) -> bool:
    return request.method == "POST" and not request.bucket


def crash(machine: Machine) -> None:
    """Run a trainer that crashes before its first checkpoint."""
    machine.configure(trainer_command=exits(1))
    assert machine.agent("run").code == 0


def test_a_completed_job_stops_its_group_and_the_machine_powers_itself_off(
    group: Group, machine_with: NewMachine
) -> None:
    machine = launched(group, machine_with)
    assert machine.agent("run").code == 0
    assert group.desired() == 0
    [left] = machine.events("TERMINATING")
    assert left.values["group"] == group.name
    assert left.values["last_because"] == "the job is complete"
    assert machine.poweroffs() == 1


def test_an_interrupted_job_leaves_its_group_alone(
    group: Group, machine_with: NewMachine, proxy: FaultProxy
) -> None:
    machine = launched(group, machine_with)
    crash(machine)
    assert group.desired() == 1
    assert not any(asks_the_group(request) for request in proxy.requests)
    assert machine.poweroffs() == 1


def test_without_relaunch_one_run_is_all(group: Group, machine_with: NewMachine) -> None:
    machine = launched(group, machine_with, relaunch_on_interruption=False)
    crash(machine)
    assert group.desired() == 0
    assert machine.poweroffs() == 1


def test_the_group_stops_even_where_the_machine_stays_up(
    group: Group, machine_with: NewMachine
) -> None:
    machine = launched(group, machine_with, auto_terminate=False)
    assert machine.agent("run").code == 0
    assert group.desired() == 0
    assert machine.poweroffs() == 0


def test_the_third_fruitless_run_in_a_row_is_the_last(
    group: Group, machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = launched(group, machine_with, max_failed_runs=9)
    crash(machine)
    leave_checkpoint(machine, "none", NEWEST, b"population")
    (machine.checkpoint_dir / f"checkpoint-{NEWEST}.metadata.json").unlink()
    crash(machine)  # this one has a checkpoint, and the count begins anew
    for path in machine.checkpoint_dir.iterdir():
        path.unlink()
    crash(machine)
    crash(machine)
    assert group.desired() == 1
    crash(machine)
    assert group.desired() == 0
    assert len(bucket.runs()) == 5
    last = machine.events("TERMINATING")[-1]
    assert last.values["last_because"] == "runs in a row without a checkpoint: 3"
    [given_up] = machine.events("JOB_GIVEN_UP")
    assert given_up.values["reason"] == last.values["last_because"]
    assert given_up.values["run_id"] == last.values["run_id"]


def test_the_third_failed_run_in_a_row_is_the_last(
    group: Group, machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = launched(group, machine_with, max_fruitless_runs=9)
    crash(machine)
    machine.configure(trainer_command=["sleep", "60"], stalled_after_seconds=1)
    assert machine.agent("run").code == 0
    assert group.desired() == 1
    assert not machine.events("JOB_GIVEN_UP")
    crash(machine)
    assert group.desired() == 0
    [given_up] = machine.events("JOB_GIVEN_UP")
    assert given_up.values["reason"] == "runs in a row that the trainer itself ended: 3"
    run = bucket.runs()[-1]
    assert run.endswith(f"run-{given_up.values['run_id']}/")
    told = parse_log(bucket.read(f"{run}dxnn-run.log").decode())
    assert "JOB_GIVEN_UP" in [event.state for event in told]
    assert machine.events("TERMINATING")[-1].values["last_because"] == given_up.values["reason"]

    crash(machine)  # started again on purpose: it trains, and gives up at once
    assert len(machine.events("RUN_START")) == 4
    assert len(machine.events("JOB_GIVEN_UP")) == 2
    machine.configure(trainer_command=exits(0))
    assert machine.agent("run").code == 0
    assert bucket.sentinel(bucket.runs()[-1])["completion_status"] == "normal"


def told_to_stop(machine: Machine, _: Bucket) -> None:
    machine.configure(trainer_command=["sleep", "60"])
    started = len(machine.events("RUN_START"))
    running = machine.start("run")
    wait_until(lambda: len(machine.events("RUN_START")) > started, "the trainer")
    running.process.terminate()
    assert running.result().code == 0


def without_sentinel(_: Machine, bucket: Bucket) -> None:
    bucket.delete(f"{bucket.runs()[-1]}_SUCCESS")


def with_nonsense(_: Machine, bucket: Bucket) -> None:
    bucket.put(f"{bucket.runs()[-1]}_SUCCESS", b"trainer_exit_1")


@pytest.mark.parametrize("ends", [told_to_stop, without_sentinel, with_nonsense])
def test_what_ends_a_row_of_failed_runs(
    group: Group,
    machine_with: NewMachine,
    bucket: Bucket,
    ends: Callable[[Machine, Bucket], None],
) -> None:
    machine = launched(group, machine_with, max_fruitless_runs=9)
    crash(machine)
    crash(machine)
    ends(machine, bucket)
    crash(machine)
    assert group.desired() == 1
    assert not machine.events("JOB_GIVEN_UP")


def test_a_sentinel_that_can_not_be_read_ends_the_row_and_nothing_else(
    group: Group, machine_with: NewMachine, bucket: Bucket, proxy: FaultProxy
) -> None:
    machine = launched(group, machine_with, max_fruitless_runs=9, max_failed_runs=2)
    crash(machine)
    earlier = f"{bucket.only_run()}_SUCCESS"
    proxy.inject(lambda r: r.method == "GET" and r.key == earlier, slow_down)
    crash(machine)
    assert group.desired() == 1
    assert bucket.sentinel(bucket.runs()[-1])["status"] == "success"


def test_a_job_that_loses_three_machines_before_any_checkpoint_is_given_up(
    group: Group, machine_with: NewMachine, bucket: Bucket
) -> None:
    for second in (1, 2, 3):
        bucket.put(f"dxnn/xor/run-20250111-14300{second}Z/dxnn-run.log", b"cut off\n")
    machine = launched(group, machine_with)
    assert machine.agent("run").code == 0
    [refused] = machine.events("RUN_REFUSED")
    assert refused.values["reason"] == "runs in a row without a checkpoint: 3"
    assert machine.events("JOB_GIVEN_UP")[0].values["run_id"] == refused.values["run_id"]
    assert not machine.events("RUN_START")
    assert group.desired() == 0
    sentinel = bucket.sentinel(bucket.runs()[-1])
    assert (sentinel["completion_status"], sentinel["exit_code"]) == ("interrupted", None)
    assert machine.poweroffs() == 1

    assert machine.agent("run").code == 0  # started again on purpose
    assert machine.events("RUN_START")
    assert bucket.sentinel(bucket.runs()[-1])["completion_status"] == "normal"


def test_a_machine_of_no_group_asks_for_none(machine_with: NewMachine, proxy: FaultProxy) -> None:
    machine = machine_with()
    assert machine.agent("run").code == 0
    assert not any(asks_the_group(request) for request in proxy.requests)
    assert machine.poweroffs() == 1


def test_a_group_that_was_busy_is_asked_again(
    group: Group, machine_with: NewMachine, proxy: FaultProxy
) -> None:
    machine = launched(group, machine_with)
    proxy.inject(asks_the_group, slow_down, times=2)
    assert machine.agent("run").code == 0
    assert group.desired() == 0


@pytest.mark.parametrize(("policy", "poweroffs"), [("keep", 0), ("terminate", 1)])
def test_a_group_that_can_not_be_told(
    group: Group,
    machine_with: NewMachine,
    proxy: FaultProxy,
    bucket: Bucket,
    policy: str,
    poweroffs: int,
) -> None:
    machine = launched(group, machine_with, on_upload_failure=policy)
    proxy.inject(asks_the_group, access_denied)
    assert machine.agent("run").code == 3
    [failed] = machine.events("FINALIZE_FAILED")
    assert "can't be told to launch no other machine" in failed.values["error"]
    assert "_FAILED_UPLOAD" not in bucket.names(bucket.only_run())
    assert machine.poweroffs() == poweroffs
    if policy == "keep":
        proxy.heal()
        assert machine.agent("finalize").code == 0
        assert group.desired() == 0
        assert machine.poweroffs() == 1


def test_the_region_is_the_machines_own(group: Group, machine_with: NewMachine) -> None:
    machine = launched(group, machine_with)
    del machine.environment["AWS_DEFAULT_REGION"]
    assert machine.agent("run").code == 0
    assert group.desired() == 0


def test_dry_run_says_whether_another_machine_is_to_follow(
    group: Group, machine_with: NewMachine
) -> None:
    machine = launched(group, machine_with)
    assert machine.agent("restore").code == 0
    done = machine.agent("finalize", "--dry-run", "--completion-status", "normal")
    assert "would be told to launch no other machine: the job is complete" in done.out
    cut = machine.agent("finalize", "--dry-run", "--completion-status", "interrupted")
    assert "would be left to launch the next machine" in cut.out
    assert group.desired() == 1


def test_dry_run_says_that_the_job_would_be_given_up(
    group: Group, machine_with: NewMachine
) -> None:
    machine = launched(group, machine_with, max_failed_runs=2)
    crash(machine)
    assert machine.agent("restore").code == 0
    failed = ("--dry-run", "--exit-code", "1")
    shown = machine.agent("finalize", *failed, env={"COLUMNS": "200"}).out
    assert "The job would be given up." in shown
    assert "no other machine: runs in a row that the trainer itself ended: 2." in shown
    plan = json.loads(machine.agent("finalize", *failed, "--json").out)
    assert plan["gives_up"] is True
    assert plan["last_because"] == "runs in a row that the trainer itself ended: 2"
    other = machine.agent("finalize", "--dry-run", "--completion-status", "interrupted")
    assert "given up" not in other.out


def test_run_after_a_kill_between_success_and_poweroff_only_powers_off(
    group: Group, machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = launched(group, machine_with)
    machine.configure(poweroff_command=["false"])  # the machine dies in it
    assert machine.agent("run").code != 0
    working = machine_with().settings["poweroff_command"]
    machine.configure(poweroff_command=working)
    assert machine.agent("restore").code == 0
    assert machine.agent("run").code == 0
    assert len(bucket.runs()) == 1
    assert machine.states()[-2:] == ["FINALIZE_SKIPPED", "TERMINATING"]
    assert len(machine.events("RUN_START")) == 1


def test_a_role_that_may_list_only_its_prefix_is_told_403_for_what_is_not_there(
    machine: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    def reads_what_is_not_there(request: Request) -> bool:
        reads = request.method in {"GET", "HEAD"} and request.key != ""
        return reads and not bucket.keys(request.key)

    bucket.client.put_object(  # a dump whose metadata never came
        Bucket=bucket.name,
        Key=f"dxnn/xor/run-20250111-143001Z/checkpoint-{NEWEST}.dmp",
        Body=b"population",
        Metadata={"sha256": sha256(b"population")},
    )
    proxy.inject(reads_what_is_not_there, access_denied)
    assert machine.agent("run").code == 0
    assert machine.events("RESTORE_OK")
    assert not machine.events("UPLOAD_RETRY")
    assert bucket.sentinel(bucket.runs()[-1])["completion_status"] == "normal"
