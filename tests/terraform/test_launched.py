"""What the cloud holds once a job is deployed with every default."""

from collections.abc import Sequence
from typing import Any

import pytest

from rehearsal.cloud import REGION
from tests.terraform.aws import Aws, role
from tests.terraform.conftest import BUCKET, IMAGE, NewDeployment
from tests.terraform.engine import Terraform

ACCOUNT = "123456789012"
NAME = "dxnn-xor"
TYPES = ["c5.large", "c6i.large", "m5.large", "m6i.large", "r5.large", "r6i.large"]


@pytest.fixture(scope="module", autouse=True)
def deployed(deploy: NewDeployment) -> Terraform:
    return deploy()


def test_an_instance_that_powers_itself_off_is_terminated(aws: Aws) -> None:
    assert aws.template(NAME)["InstanceInitiatedShutdownBehavior"] == "terminate"


def test_the_metadata_service_takes_tokens_only_and_from_the_instance_only(aws: Aws) -> None:
    options = aws.template(NAME)["MetadataOptions"]
    assert (options["HttpEndpoint"], options["HttpTokens"]) == ("enabled", "required")
    assert options["HttpPutResponseHopLimit"] == 1


def test_the_volume_is_encrypted_and_goes_with_the_instance(aws: Aws) -> None:
    (device,) = aws.template(NAME)["BlockDeviceMappings"]
    assert device["DeviceName"] == "/dev/xvda"  # the image's root, or it would be a second one
    assert device["Ebs"] == {
        "VolumeType": "gp3",
        "VolumeSize": 20,
        "Encrypted": True,
        "DeleteOnTermination": True,
    }


def test_a_group_of_one_that_may_be_none(aws: Aws) -> None:
    group = aws.group(NAME)
    assert (group["MinSize"], group["DesiredCapacity"], group["MaxSize"]) == (0, 1, 1)
    assert group["HealthCheckType"] == "EC2"
    assert group["SuspendedProcesses"] == []
    # Else EC2 would start a second instance of the job beside one that is at risk.
    assert not group.get("CapacityRebalance")


def test_the_instance_is_protected_from_scale_in(aws: Aws) -> None:
    assert aws.group(NAME)["NewInstancesProtectedFromScaleIn"] is True
    (instance,) = aws.group(NAME)["Instances"]
    assert instance["ProtectedFromScaleIn"] is True
    aws.autoscaling.set_desired_capacity(AutoScalingGroupName=NAME, DesiredCapacity=0)
    try:
        assert len(aws.instances(NAME)) == 1
    finally:
        aws.autoscaling.set_desired_capacity(AutoScalingGroupName=NAME, DesiredCapacity=1)


def test_spot_only_by_price_and_capacity_over_types_and_zones(aws: Aws) -> None:
    group = aws.group(NAME)
    policy = group["MixedInstancesPolicy"]
    distribution = policy["InstancesDistribution"]
    assert distribution["OnDemandBaseCapacity"] == 0
    assert distribution["OnDemandPercentageAboveBaseCapacity"] == 0
    assert distribution["SpotAllocationStrategy"] == "price-capacity-optimized"
    assert [one["InstanceType"] for one in policy["LaunchTemplate"]["Overrides"]] == TYPES
    zones = aws.ec2.describe_availability_zones()["AvailabilityZones"]
    assert sorted(group["AvailabilityZones"]) == sorted(zone["ZoneName"] for zone in zones)
    assert len(zones) > 1


def test_the_group_launches_the_templates_latest_version(aws: Aws) -> None:
    template = aws.group(NAME)["MixedInstancesPolicy"]["LaunchTemplate"]
    (held,) = aws.ec2.describe_launch_templates(LaunchTemplateNames=[NAME])["LaunchTemplates"]
    specification = template["LaunchTemplateSpecification"]
    assert specification["LaunchTemplateId"] == held["LaunchTemplateId"]
    assert specification["Version"] == str(held["LatestVersionNumber"])
    assert held["DefaultVersionNumber"] == held["LatestVersionNumber"]


def test_everything_is_named(aws: Aws) -> None:
    named = {"Name": NAME, "dxnn:job": "xor", "dxnn:deployment": "dxnn"}
    specifications = aws.template(NAME)["TagSpecifications"]
    # Network interfaces, too, where the provider knows their tags.
    assert {each["ResourceType"]: _by_key(each["Tags"]) for each in specifications} == {
        "instance": named,
        "volume": named,
        "spot-instances-request": named,
    }
    (instance,) = aws.instances(NAME)
    assert named.items() <= _by_key(instance["Tags"]).items()
    assert instance["ImageId"] == aws.ec2.describe_images(Owners=["self"])["Images"][0]["ImageId"]


def test_nothing_listens_and_only_443_goes_out(aws: Aws) -> None:
    group = aws.security_group(NAME)
    assert aws.template(NAME)["SecurityGroupIds"] == [group["GroupId"]]
    assert "KeyName" not in aws.template(NAME)
    assert group["IpPermissions"] == []
    (out,) = group["IpPermissionsEgress"]
    assert (out["IpProtocol"], out["FromPort"], out["ToPort"]) == ("tcp", 443, 443)
    assert [each["CidrIp"] for each in out["IpRanges"]] == ["0.0.0.0/0"]
    assert [each["CidrIpv6"] for each in out["Ipv6Ranges"]] == ["::/0"]


def test_the_instances_role_is_the_jobs_own(aws: Aws) -> None:
    profile = aws.template(NAME)["IamInstanceProfile"]["Name"]
    held = aws.iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]
    (held_role,) = held["Roles"]
    assert held_role["RoleName"] == profile == role(NAME)
    trust: Any = held_role["AssumeRolePolicyDocument"]
    assert [each["Principal"] for each in trust["Statement"]] == [{"Service": "ec2.amazonaws.com"}]


def test_the_role_may_do_this_and_nothing_else(aws: Aws) -> None:
    statements = aws.policy(role(NAME))["Statement"]
    assert {statement["Effect"] for statement in statements} == {"Allow"}
    granted = {
        (action, statement["Resource"])
        for statement in statements
        for action in _listed(statement["Action"])
    }
    group = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:*:autoScalingGroupName/{NAME}"
    assert granted == {
        ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/dxnn/xor/*"),
        ("s3:PutObject", f"arn:aws:s3:::{BUCKET}/dxnn/xor/*"),
        ("s3:AbortMultipartUpload", f"arn:aws:s3:::{BUCKET}/dxnn/xor/*"),
        ("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"),
        ("autoscaling:SetDesiredCapacity", group),
        ("autoscaling:DescribeAutoScalingInstances", "*"),
    }
    conditions = {each["Action"]: each["Condition"] for each in statements if "Condition" in each}
    assert conditions == {"s3:ListBucket": {"StringLike": {"s3:prefix": ["dxnn/xor/*"]}}}


def test_what_the_user_is_told(deployed: Terraform, aws: Aws) -> None:
    told = deployed.outputs()
    assert told["jobs"] == {
        "xor": {
            "group": NAME,
            "role": role(NAME),
            "security_group": aws.security_group(NAME)["GroupId"],
            "results": f"s3://{BUCKET}/dxnn/xor/",
            "start_again": "aws autoscaling resume-processes "
            f"--auto-scaling-group-name {NAME} --scaling-processes Launch ReplaceUnhealthy && "
            "aws autoscaling set-desired-capacity "
            f"--auto-scaling-group-name {NAME} --desired-capacity 1",
        }
    }
    assert told["image"] == {
        "id": aws.template(NAME)["ImageId"],
        "name": IMAGE,
        "trainer": None,
        "trainer_ref": None,
    }


def _by_key(tags: Sequence[Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
