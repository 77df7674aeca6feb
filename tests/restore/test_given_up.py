"""A history that waiting won't mend is not waited for, and paid for, without end."""

import time
from collections.abc import Callable

import pytest

from tests.auto_scaling_group import Group, launched
from tests.bucket import Bucket
from tests.dump_files import leave_checkpoint, put_checkpoint
from tests.fault_proxy import Action, FaultProxy, access_denied, slow_down
from tests.machine import Machine, NewMachine

RUN, STAMP = "20250101-000000Z", "20250101-000500Z"


def refuses(status: int, code: str) -> Action:
    return lambda call: call.refuse(status, code)


def everything_is(action: Action) -> Callable[[FaultProxy, Bucket], None]:
    def spoil(proxy: FaultProxy, bucket: Bucket) -> None:
        proxy.inject(lambda request: request.bucket == bucket.name, action)

    return spoil


def none_verifies(_: FaultProxy, bucket: Bucket) -> None:
    put_checkpoint(bucket, RUN, STAMP, b"population", sha256="0" * 64)


HOPELESS = {
    "access denied": everything_is(access_denied),
    "no such bucket": everything_is(refuses(404, "NoSuchBucket")),
    "a key that is disabled": everything_is(refuses(400, "KMS.DisabledException")),
    "none verifies": none_verifies,
}


def tried(machine: Machine) -> None:
    """Try a restore in vain, which takes no seven attempts."""
    began = time.monotonic()
    assert machine.agent("restore").code == 5
    assert time.monotonic() - began < 15


def tried_for_a_second(machine: Machine) -> None:
    tried(machine)
    assert machine.poweroffs() == 0
    assert not machine.events("JOB_GIVEN_UP")
    time.sleep(1.1)
    tried(machine)


@pytest.mark.parametrize("spoil", HOPELESS.values(), ids=HOPELESS)
def test_the_job_is_given_up_and_the_machine_goes_down(
    group: Group,
    machine_with: NewMachine,
    proxy: FaultProxy,
    bucket: Bucket,
    spoil: Callable[[FaultProxy, Bucket], None],
) -> None:
    machine = launched(group, machine_with, restore_give_up_seconds=1)
    spoil(proxy, bucket)
    tried_for_a_second(machine)
    [given_up] = machine.events("JOB_GIVEN_UP")
    assert given_up.values["reason"].startswith("for 1 s: ")
    assert group.desired() == 0
    assert machine.poweroffs() == 1
    assert machine.states()[-1] == "TERMINATING"


def test_s3_is_told_where_it_takes_that(
    group: Group, machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = launched(group, machine_with, restore_give_up_seconds=1)
    put_checkpoint(bucket, RUN, STAMP, b"population", sha256="0" * 64)
    tried_for_a_second(machine)
    told = bucket.json(f"{bucket.runs()[-1]}_FAILED_UPLOAD")
    assert "none of the 1 dumps of job xor verifies" in told["error"]
    assert told["status"] == "failed"
    assert told["missing"] == []


def test_the_hour_is_one_of_this_boot_and_ends_with_an_answer(
    group: Group, machine_with: NewMachine, proxy: FaultProxy
) -> None:
    machine = launched(group, machine_with, restore_give_up_seconds=1)
    proxy.inject(lambda request: bool(request.bucket), access_denied)
    tried(machine)
    proxy.heal()
    assert machine.agent("restore").code == 0
    assert not (machine.state_dir / "no-history.json").exists()
    assert group.desired() == 1


def test_zero_is_for_ever(group: Group, machine_with: NewMachine, proxy: FaultProxy) -> None:
    machine = launched(group, machine_with, restore_give_up_seconds=0)
    proxy.inject(lambda request: bool(request.bucket), access_denied)
    tried(machine)
    time.sleep(1.1)
    tried(machine)
    assert group.desired() == 1
    assert machine.poweroffs() == 0


def test_what_waiting_may_mend_is_waited_for(
    group: Group, machine_with: NewMachine, proxy: FaultProxy
) -> None:
    machine = launched(group, machine_with, restore_give_up_seconds=1)
    proxy.inject(lambda request: bool(request.bucket), access_denied)
    tried(machine)
    proxy.heal()
    proxy.inject(lambda request: bool(request.bucket), slow_down, times=2)
    time.sleep(1.1)
    assert machine.agent("restore").code == 0
    assert group.desired() == 1


def test_a_machine_that_holds_dumps_stays_up(
    group: Group, machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = launched(group, machine_with, restore_give_up_seconds=1)
    put_checkpoint(bucket, RUN, STAMP, b"population", sha256="0" * 64)
    leave_checkpoint(machine, RUN, "20250101-001000Z", b"torn")
    (machine.checkpoint_dir / "checkpoint-20250101-001000Z.dmp").write_bytes(b"other")
    tried_for_a_second(machine)
    assert group.desired() == 0
    assert machine.poweroffs() == 0


def test_where_the_group_can_not_be_told_it_is_tried_again(
    group: Group, machine_with: NewMachine, proxy: FaultProxy
) -> None:
    machine = launched(group, machine_with, restore_give_up_seconds=1)
    proxy.inject(lambda _: True, access_denied)
    tried_for_a_second(machine)
    assert machine.poweroffs() == 0
    proxy.heal()
    proxy.inject(lambda request: bool(request.bucket), access_denied)
    tried(machine)
    assert group.desired() == 0
    assert machine.poweroffs() == 1


def test_a_laptop_is_never_powered_off(machine_with: NewMachine, proxy: FaultProxy) -> None:
    machine = machine_with(restore_give_up_seconds=1)
    machine.environment["AWS_EC2_METADATA_DISABLED"] = "true"
    proxy.inject(lambda request: bool(request.bucket), access_denied)
    tried(machine)
    time.sleep(1.1)
    tried(machine)
    assert not machine.events("JOB_GIVEN_UP")
    assert machine.poweroffs() == 0
