"""Instances go through EC2's states, and their machines do what the states say."""

import pytest

from rehearsal.ec2.region import Region
from tests.machines.instances import (
    answers,
    await_state,
    described,
    entered,
    launch,
    output,
    state,
)
from tests.waiting import wait_until

USER_DATA = "#cloud-config\nwrite_files: [{path: /root/told, content: by user data}]\n"


def test_a_launched_instance_boots_and_applies_its_user_data(region: Region) -> None:
    instance = launch(region, UserData=USER_DATA)
    machine = region.machine(instance)
    assert entered(region, instance) == ["pending", "running"]
    wait_until(lambda: answers(machine), "systemd")
    assert output(machine, "cat", "/root/told") == "by user data"
    address = described(region, instance)["PrivateIpAddress"]
    assert output(machine, "hostname", "--all-ip-addresses") == address
    assert any("Reached target" in line for line in machine.lines())


def test_stop_keeps_the_disk_and_start_boots_it_again(region: Region) -> None:
    instance = launch(region)
    machine = region.machine(instance)
    output(machine, "touch", "/root/kept")
    ec2 = region.client("ec2")
    ec2.stop_instances(InstanceIds=[instance])
    assert state(region, instance) in {"stopping", "stopped"}
    await_state(region, instance, "stopped")
    assert not machine.on
    assert any("Power Off" in line for line in machine.lines()), "it shut itself down"
    ec2.start_instances(InstanceIds=[instance])
    await_state(region, instance, "running")
    output(machine, "test", "-e", "/root/kept")


def test_terminate_shuts_down_and_removes_the_disk(region: Region) -> None:
    instance = launch(region)
    machine = region.machine(instance)
    region.client("ec2").terminate_instances(InstanceIds=[instance])
    assert state(region, instance) in {"shutting-down", "terminated"}
    await_state(region, instance, "terminated")
    assert any("Power Off" in line for line in machine.lines()), "it shut itself down"
    assert not machine.on
    assert {one.name for one in machine.hardware.directory.iterdir()} == {"console.log", "kept"}
    reason = described(region, instance)["StateReason"]["Code"]
    assert reason == "Client.UserInitiatedShutdown"


def test_a_shutdown_that_hangs_is_cut_off(region: Region) -> None:
    instance = launch(region)
    machine = region.machine(instance)
    hang = "[Service]\nExecStart=sleep 1000\nExecStop=sleep 1000\nTimeoutStopSec=900\n"
    output(
        machine,
        "sh",
        "-c",
        f"printf '{hang}' > /run/systemd/system/hang.service".replace("\n", "\\n"),
    )
    output(machine, "systemctl", "start", "hang")
    region.client("ec2").terminate_instances(InstanceIds=[instance])
    await_state(region, instance, "terminated", seconds=40)
    assert not any("Reached target poweroff" in line for line in machine.lines())


@pytest.mark.parametrize(("behaviour", "end"), [("stop", "stopped"), ("terminate", "terminated")])
def test_a_machine_that_powers_itself_off_ends_as_its_launch_says(
    region: Region, behaviour: str, end: str
) -> None:
    instance = launch(region, InstanceInitiatedShutdownBehavior=behaviour)
    region.machine(instance).run(["systemctl", "poweroff"])
    await_state(region, instance, end)
    reason = described(region, instance)["StateReason"]["Code"]
    assert reason == "Client.InstanceInitiatedShutdown"


@pytest.mark.parametrize("by", ["api", "hand"])
def test_a_reboot_boots_the_same_disk(region: Region, by: str) -> None:
    instance = launch(region)
    machine = region.machine(instance)
    wait_until(lambda: answers(machine), "systemd")
    output(machine, "touch", "/run/gone", "/root/kept")
    first = output(machine, "cat", "/proc/1/stat").split()[21]
    if by == "api":
        region.client("ec2").reboot_instances(InstanceIds=[instance])
    else:
        machine.run(["systemctl", "reboot"])

    def again() -> bool:
        if not answers(machine):
            return False
        told = machine.run(["cat", "/proc/1/stat"])  # fails where the first boot ends meanwhile
        return told.returncode == 0 and told.stdout.split()[21] != first

    wait_until(again, "the second boot")
    output(machine, "sh", "-c", "test -e /root/kept && ! test -e /run/gone")
    assert state(region, instance) == "running"


def test_an_image_boots_with_what_was_installed(region: Region) -> None:
    ec2 = region.client("ec2")
    instance = launch(region)
    output(region.machine(instance), "touch", "/root/installed")
    # Of a machine that runs: EC2 shuts it down, takes the image and boots it again.
    image = ec2.create_image(InstanceId=instance, Name="baked", Description="one")["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig={"Delay": 1})
    (said,) = ec2.describe_images(ImageIds=[image])["Images"]
    assert (said["RootDeviceType"], said["Description"]) == ("ebs", "one")
    machine = region.machine(launch(region, image=image))
    output(machine, "test", "-e", "/root/installed")
    wait_until(lambda: answers(region.machine(instance)), "the first machine")
    output(region.machine(instance), "touch", "/root/later")
    assert machine.run(["test", "-e", "/root/later"]).returncode == 1
    seeds = [layer / "var/lib/cloud/seed" for layer in region.disk_of(image)[:-1]]
    assert not [one for seed in seeds for one in seed.rglob("*") if one.is_file()]
