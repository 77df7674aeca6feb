"""What the cloud of this machine holds, seen past Terraform."""

import base64
import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rehearsal.cloud import REGION, ROOT_KEY

if TYPE_CHECKING:
    from types_boto3_autoscaling import AutoScalingClient
    from types_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef
    from types_boto3_ec2 import EC2Client
    from types_boto3_ec2.type_defs import (
        InstanceTypeDef,
        ResponseLaunchTemplateDataTypeDef,
        SecurityGroupTypeDef,
    )
    from types_boto3_iam import IAMClient
    from types_boto3_s3 import S3Client
    from types_boto3_sts import STSClient


def role(group: str, region: str = REGION) -> str:
    """Return the name of the role, and of the profile, that go with a group's name."""
    return f"{group}-{region}"


@dataclass(frozen=True)
class Credentials:
    """What a request is signed with."""

    access_key: str = ROOT_KEY
    secret_key: str = ROOT_KEY
    session_token: str | None = None


@dataclass(frozen=True)
class Aws:
    """moto's server at `endpoint`, as whoever has `credentials` sees it."""

    endpoint: str
    credentials: Credentials = Credentials()
    region: str = REGION

    def client(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        session = boto3.session.Session(
            self.credentials.access_key,
            self.credentials.secret_key,
            self.credentials.session_token,
            region_name=self.region,
        )
        once = Config(retries={"total_max_attempts": 1}, proxies={})
        client: Any = session.client  # the service is not a literal
        return client(service, endpoint_url=self.endpoint, config=once)

    @cached_property
    def autoscaling(self) -> "AutoScalingClient":
        return self.client("autoscaling")  # type: ignore[no-any-return]

    @cached_property
    def ec2(self) -> "EC2Client":
        return self.client("ec2")  # type: ignore[no-any-return]

    @cached_property
    def iam(self) -> "IAMClient":
        return self.client("iam")  # type: ignore[no-any-return]

    @cached_property
    def s3(self) -> "S3Client":
        return self.client("s3")  # type: ignore[no-any-return]

    @cached_property
    def sts(self) -> "STSClient":
        return self.client("sts")  # type: ignore[no-any-return]

    def reset(self) -> None:
        """Forget everything, for every account and in every region."""
        self._moto("reset", b"")

    @contextmanager
    def authorizing(self) -> Iterator[None]:
        """Enforce every policy while the block lasts, and every signature."""
        self._moto("reset-auth", b"0")
        try:
            yield
        finally:
            self._moto("reset-auth", b"inf")

    def assuming(self, role: str) -> "Aws":
        """Return the same cloud, as an instance with this role sees it."""
        arn = self.iam.get_role(RoleName=role)["Role"]["Arn"]
        given = self.sts.assume_role(RoleArn=arn, RoleSessionName="instance")["Credentials"]
        keys = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        return Aws(self.endpoint, Credentials(*keys))

    def add_image(self, name: str, architecture: str = "x86_64", **tags: str) -> str:
        """Register an image of this account, backed by EBS, and return its id."""
        architectures: Any = architecture
        image = self.ec2.register_image(
            Name=name, Architecture=architectures, RootDeviceName="/dev/xvda"
        )["ImageId"]
        if tags:
            listed: Any = [{"Key": key, "Value": value} for key, value in tags.items()]
            self.ec2.create_tags(Resources=[image], Tags=listed)
        return image

    def group(self, name: str) -> "AutoScalingGroupTypeDef":
        return self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])[
            "AutoScalingGroups"
        ][0]

    def template(self, name: str) -> "ResponseLaunchTemplateDataTypeDef":
        """Return what the version of a launch template says that a group launches."""
        return self.ec2.describe_launch_template_versions(
            LaunchTemplateName=name, Versions=["$Latest"]
        )["LaunchTemplateVersions"][0]["LaunchTemplateData"]

    def files(self, name: str) -> dict[str, dict[str, str]]:
        """Return the files that cloud-init writes at boot, by path, from a template's user data."""
        import yaml

        text = base64.b64decode(self.template(name)["UserData"]).decode()
        assert text.startswith("#cloud-config\n")
        return {file["path"]: file for file in yaml.safe_load(text)["write_files"]}

    def security_group(self, name: str) -> "SecurityGroupTypeDef":
        return self.ec2.describe_security_groups(
            Filters=[{"Name": "group-name", "Values": [name]}]
        )["SecurityGroups"][0]

    def instances(self, group: str) -> "list[InstanceTypeDef]":
        """Return the instances of a group that are there."""
        pages = self.ec2.get_paginator("describe_instances").paginate(
            Filters=[
                {"Name": "tag:aws:autoscaling:groupName", "Values": [group]},
                {"Name": "instance-state-name", "Values": ["pending", "running"]},
            ]
        )
        return [one for page in pages for each in page["Reservations"] for one in each["Instances"]]

    def policy(self, role: str) -> dict[str, list[dict[str, Any]]]:
        """Return the one policy that a role has, once nothing else is attached to it."""
        assert self.iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        (name,) = self.iam.list_role_policies(RoleName=role)["PolicyNames"]
        held: Any = self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        document: dict[str, list[dict[str, Any]]] = held
        return document

    def left(self) -> Mapping[str, list[str]]:
        """Return whatever costs money or gives rights, by kind; empty when nothing is left."""
        running = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopped"]}]
        found = {
            "roles": [f"{one['RoleName']}" for one in _all(self.iam, "list_roles", "Roles")],
            "profiles": [
                one["InstanceProfileName"]
                for one in _all(self.iam, "list_instance_profiles", "InstanceProfiles")
            ],
            "policies": [
                one["PolicyName"]
                for one in _all(self.iam, "list_policies", "Policies", Scope="Local")
            ],
            "templates": [
                one["LaunchTemplateName"]
                for one in self.ec2.describe_launch_templates(MaxResults=200)["LaunchTemplates"]
            ],
            "groups": [
                one["AutoScalingGroupName"]
                for one in _all(
                    self.autoscaling, "describe_auto_scaling_groups", "AutoScalingGroups"
                )
            ],
            "security groups": [
                one["GroupName"]
                for one in _all(self.ec2, "describe_security_groups", "SecurityGroups")
                if one["GroupName"] != "default"
            ],
            "instances": [
                one["InstanceId"]
                for each in _all(self.ec2, "describe_instances", "Reservations", Filters=running)
                for one in each["Instances"]
            ],
            "alarms": [
                one["AlarmName"]
                for one in _all(self.client("cloudwatch"), "describe_alarms", "MetricAlarms")
            ],
            "volumes": [one["VolumeId"] for one in _all(self.ec2, "describe_volumes", "Volumes")],
        }
        return {kind: names for kind, names in found.items() if names}

    def _moto(self, verb: str, body: bytes) -> None:
        request = urllib.request.Request(
            f"{self.endpoint}/moto-api/{verb}", body, {"Content-Type": "text/plain"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            json.load(answer)


def _all(client: Any, call: str, key: str, **arguments: Any) -> list[Any]:
    pages = client.get_paginator(call).paginate(**arguments)
    return [each for page in pages for each in page[key]]
