"""Launch instances and groups as a user does, by the API, and wait for what becomes of them."""

import base64
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from rehearsal.ec2.machine import Machine
from rehearsal.ec2.region import BASE_NAME, Region
from tests.waiting import wait_until

_NUMBERS = itertools.count(1)


def debian(region: Region) -> str:
    """Return the id of Debian's image."""
    images = region.client("ec2").describe_images(
        Filters=[{"Name": "name", "Values": [BASE_NAME]}]
    )["Images"]
    found: str = images[0]["ImageId"]
    return found


def launch(region: Region, image: str | None = None, **options: object) -> str:
    """Launch one instance and wait until it runs."""
    launched = region.client("ec2").run_instances(
        ImageId=image or debian(region),
        InstanceType="c7i.large",
        MinCount=1,
        MaxCount=1,
        **options,
    )
    instance_id: str = launched["Instances"][0]["InstanceId"]
    return await_state(region, instance_id, "running")


def described(region: Region, instance_id: str) -> Mapping[str, Any]:
    """Return what the API says of an instance."""
    found = region.client("ec2").describe_instances(InstanceIds=[instance_id])
    instance: Mapping[str, Any] = found["Reservations"][0]["Instances"][0]
    return instance


def state(region: Region, instance_id: str) -> str:
    """Return an instance's state."""
    name: str = described(region, instance_id)["State"]["Name"]
    return name


def await_state(region: Region, instance_id: str, name: str, seconds: float = 60) -> str:
    """Wait until an instance is in a state; return its id."""

    def reached() -> bool:
        region.check()
        return state(region, instance_id) == name

    wait_until(reached, f"{instance_id} to be {name}", seconds)
    return instance_id


def entered(region: Region, instance_id: str) -> list[str]:
    """Return the states that an instance has gone through."""
    return [one.state for one in region.changes if one.instance_id == instance_id]


def output(machine: Machine, *command: str) -> str:
    """Run a command in a machine, which succeeds, and return what it prints."""
    ended = machine.run(command)
    assert ended.returncode == 0, ended
    return ended.stdout.strip()


def answers(machine: Machine) -> bool:
    """Whether a machine's systemd takes commands."""
    return (
        machine.leader is not None
        and machine.run(["systemctl", "is-active", "-q", "dbus"]).returncode == 0
    )


def profile(region: Region, statements: Sequence[Mapping[str, object]] = ()) -> str:
    """Make an instance profile with a role that may do what the statements say."""
    import json

    name = f"profile-{next(_NUMBERS)}"
    iam = region.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument='{"Version": "2012-10-17"}')
    if statements:
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=name, PolicyName="policy", PolicyDocument=policy)
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    return name


def group(region: Region, **options: object) -> str:
    """Make an Auto Scaling group of one protected Spot instance; return the group's name."""
    name = f"group-{next(_NUMBERS)}"
    region.client("ec2").create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData={
            "ImageId": debian(region),
            "InstanceType": "c7i.large",
            "InstanceInitiatedShutdownBehavior": "terminate",
            "IamInstanceProfile": {"Name": profile(region)},
            "UserData": base64.b64encode(b"#cloud-config\n").decode(),
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": [{"Key": "job", "Value": name}]}
            ],
        },
    )
    region.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=0,
        MaxSize=1,
        DesiredCapacity=1,
        AvailabilityZones=["us-east-1a"],
        NewInstancesProtectedFromScaleIn=True,
        MixedInstancesPolicy={
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {"LaunchTemplateName": name, "Version": "1"},
                "Overrides": [{"InstanceType": "c7i.large"}],
            },
            "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 0},
        },
        **options,
    )
    return name


def members(region: Region, name: str) -> list[str]:
    """Return the ids of a group's instances."""
    groups = region.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    return [one["InstanceId"] for one in groups["AutoScalingGroups"][0]["Instances"]]


def successor(region: Region, name: str, of: str) -> str:
    """Wait for the instance that a group launches in the place of another, and until it runs."""

    def found() -> list[str]:
        region.check()
        return [one for one in members(region, name) if one != of]

    (instance_id,) = wait_until(found, f"a successor of {of} in {name}", 60)
    return await_state(region, instance_id, "running")
