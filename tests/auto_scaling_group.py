"""An Auto Scaling group of one in moto, and the machine that it launched."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tests.machine import Machine, NewMachine
from tests.s3_servers import S3Server

if TYPE_CHECKING:
    from boto3.session import Session
    from types_boto3_autoscaling import AutoScalingClient
    from types_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef
    from types_boto3_ec2 import EC2Client


@dataclass(frozen=True)
class Group:
    """An Auto Scaling group of one in moto, protected from scale-in."""

    server: S3Server
    name: str

    @cached_property
    def client(self) -> "AutoScalingClient":
        return self._session.client("autoscaling", endpoint_url=self.server.endpoint)

    @cached_property
    def ec2(self) -> "EC2Client":
        return self._session.client("ec2", endpoint_url=self.server.endpoint)

    @cached_property
    def _session(self) -> "Session":
        import boto3

        return boto3.session.Session(
            self.server.access_key, self.server.secret_key, region_name="us-east-1"
        )

    def create(self) -> None:
        image = self.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        self.ec2.create_launch_template(
            LaunchTemplateName=self.name,
            LaunchTemplateData={"ImageId": image, "InstanceType": "c7i.large"},
        )
        self.client.create_auto_scaling_group(
            AutoScalingGroupName=self.name,
            LaunchTemplate={"LaunchTemplateName": self.name, "Version": "$Latest"},
            MinSize=0,
            MaxSize=1,
            DesiredCapacity=1,
            AvailabilityZones=["us-east-1a"],
            NewInstancesProtectedFromScaleIn=True,
        )

    def described(self) -> "AutoScalingGroupTypeDef":
        found = self.client.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])
        return found["AutoScalingGroups"][0]

    def desired(self) -> int:
        return self.described()["DesiredCapacity"]

    def instances(self) -> list[str]:
        return [one["InstanceId"] for one in self.described()["Instances"]]


def launched(group: Group, machine_with: NewMachine, **settings: object) -> Machine:
    """Return the machine that the group launched."""
    [instance_id] = group.instances()
    machine = machine_with(instance_id=instance_id, **settings)
    machine.metadata.set_target_lifecycle_state("InService")
    return machine
