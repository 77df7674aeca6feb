"""An Auto Scaling group replaces what is gone, up to the capacity that is desired."""

import time

from rehearsal.ec2.region import Region
from tests.machines.instances import (
    await_state,
    described,
    entered,
    group,
    members,
    state,
    successor,
)


def test_a_machine_that_powers_itself_off_is_replaced(region: Region) -> None:
    name = group(region)
    (first,) = members(region, name)
    await_state(region, first, "running")
    launched = described(region, first)
    assert launched["InstanceLifecycle"] == "spot"
    assert {"Key": "job", "Value": name} in launched["Tags"]
    assert region.metadata(first).events.target_lifecycle_state == "InService"
    assert region.metadata(first).machine.role, "it was seen before it had its profile"
    region.machine(first).run(["systemctl", "poweroff"])
    second = successor(region, name, of=first)
    assert state(region, first) == "terminated"
    assert entered(region, first)[-2:] == ["shutting-down", "terminated"]
    gone = [one.at for one in region.changes if one.instance_id == first][-1]
    begun = next(one.at for one in region.changes if one.instance_id == second)
    assert begun >= gone


def test_a_machine_that_is_cut_off_is_replaced(region: Region) -> None:
    name = group(region)
    (first,) = members(region, name)
    await_state(region, first, "running")
    region.cut(first)
    machine = region.machine(first)
    assert not machine.on
    assert not any("Stopping" in line for line in machine.lines()), "nobody told it"
    successor(region, name, of=first)
    assert described(region, first)["StateReason"]["Code"] == "Server.SpotInstanceTermination"


def test_a_notice_is_for_one_machine_and_ends_with_its_end(region: Region) -> None:
    name, other = group(region), group(region)
    (first,), (bystander,) = members(region, name), members(region, other)
    await_state(region, first, "running")
    await_state(region, bystander, "running")
    region.interrupt(first, in_seconds=2)
    assert region.metadata(first).events.interruption is not None
    assert region.metadata(bystander).events.interruption is None
    successor(region, name, of=first)
    assert members(region, other) == [bystander]
    assert state(region, bystander) == "running"


def test_nothing_comes_back_where_none_is_desired(region: Region) -> None:
    name = group(region)
    (only,) = members(region, name)
    await_state(region, only, "running")
    scaling = region.client("autoscaling")
    scaling.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=0)
    time.sleep(1)
    assert state(region, only) == "running", "it is protected from scale-in"
    region.machine(only).run(["systemctl", "poweroff"])
    await_state(region, only, "terminated")
    time.sleep(1)
    assert members(region, name) == []


def test_nothing_comes_back_where_replacing_is_suspended(region: Region) -> None:
    name = group(region)
    (only,) = members(region, name)
    scaling = region.client("autoscaling")
    scaling.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=["ReplaceUnhealthy"])
    await_state(region, only, "running")
    region.machine(only).run(["systemctl", "poweroff"])
    await_state(region, only, "terminated")
    time.sleep(1)
    assert members(region, name) == [only]


def test_a_group_that_is_deleted_by_force_takes_its_machine_along(region: Region) -> None:
    name = group(region)
    (only,) = members(region, name)
    await_state(region, only, "running")
    region.client("autoscaling").delete_auto_scaling_group(
        AutoScalingGroupName=name, ForceDelete=True
    )
    assert state(region, only) != "terminated", "nobody waits for it"
    await_state(region, only, "terminated")
    assert any("Power Off" in line for line in region.machine(only).lines()), "it shut itself down"
    assert region.metadata(only).events.target_lifecycle_state == "Terminated"
