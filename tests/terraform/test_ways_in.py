"""SSH and subnets of one's own; tags on everything."""

from pathlib import Path
from typing import Any

import pytest

from tests.terraform.aws import Aws, role
from tests.terraform.conftest import BUCKET, NewDeployment
from tests.terraform.engine import ROOT, Terraform, working_copy

TAGS = {"Owner": "me", "Cost Centre": "42"}


@pytest.fixture(scope="module")
def subnets(aws: Aws) -> list[str]:
    vpc = aws.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    zones = {"us-east-1a": "10.1.1.0/24", "us-east-1b": "10.1.2.0/24"}
    return [
        aws.ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"][
            "SubnetId"
        ]
        for zone, block in zones.items()
    ]


@pytest.fixture(scope="module", autouse=True)
def deployed(aws: Aws, deploy: NewDeployment, subnets: list[str]) -> Terraform:
    aws.ec2.create_key_pair(KeyName="mine")
    terraform = deploy(
        name="open",
        subnet_ids=subnets,
        ssh_cidr_blocks=["203.0.113.0/24", "2001:db8::/48"],
        ssh_key_name="mine",
        tags=TAGS,
    )
    assert not terraform.differs()
    return terraform


def test_ssh_is_let_in_from_the_named_networks(aws: Aws) -> None:
    assert aws.template("open-xor")["KeyName"] == "mine"
    (rule,) = aws.security_group("open-xor")["IpPermissions"]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 22, 22)
    assert [each["CidrIp"] for each in rule["IpRanges"]] == ["203.0.113.0/24"]
    assert [each["CidrIpv6"] for each in rule["Ipv6Ranges"]] == ["2001:db8::/48"]


def test_instances_start_in_the_subnets(aws: Aws, subnets: list[str]) -> None:
    assert sorted(aws.group("open-xor")["VPCZoneIdentifier"].split(",")) == sorted(subnets)
    (instance,) = aws.instances("open-xor")
    assert instance["SubnetId"] in subnets
    assert aws.security_group("open-xor")["VpcId"] == instance["VpcId"]


def test_everything_carries_the_tags(aws: Aws) -> None:
    wanted = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    (template,) = aws.ec2.describe_launch_templates(LaunchTemplateNames=["open-xor"])[
        "LaunchTemplates"
    ]
    (instance,) = aws.instances("open-xor")
    profile = aws.iam.get_instance_profile(InstanceProfileName=role("open-xor"))["InstanceProfile"]
    tagged: dict[str, Any] = {
        "role": aws.iam.list_role_tags(RoleName=role("open-xor"))["Tags"],
        "profile": profile["Tags"],
        "security group": aws.security_group("open-xor")["Tags"],
        "template": template["Tags"],
        "instance": instance["Tags"],
        "group": [
            {"Key": tag["Key"], "Value": tag["Value"]} for tag in aws.group("open-xor")["Tags"]
        ],
        **{
            each["ResourceType"]: each["Tags"]
            for each in aws.template("open-xor")["TagSpecifications"]
        },
    }
    assert "volume" in tagged
    missing = {kind: [tag for tag in wanted if tag not in tags] for kind, tags in tagged.items()}
    assert missing == {kind: [] for kind in tagged}


def test_the_providers_tags_reach_what_is_launched(aws: Aws, tmp_path: Path) -> None:
    terraform = working_copy(tmp_path / "module", ROOT, aws.endpoint)
    terraform.configure_provider(default_tags={"tags": {"Owner": "them", "Project": "42"}})
    terraform.configure(s3_bucket=BUCKET, jobs={"xor": {}}, name="dressed", tags={"Owner": "me"})
    terraform.apply()
    assert not terraform.differs()
    wanted = {
        "Name": "dressed-xor",
        "dxnn:job": "xor",
        "dxnn:deployment": "dressed",
        "Owner": "me",
        "Project": "42",
    }
    launched = aws.template("dressed-xor")["TagSpecifications"]
    listed = [each["Tags"] for each in launched] + [aws.group("dressed-xor")["Tags"]]
    assert len(listed) == 4
    for tags in listed:
        assert {tag["Key"]: tag["Value"] for tag in tags} == wanted
    terraform.destroy()


def test_the_door_can_be_shut(aws: Aws, deployed: Terraform, subnets: list[str]) -> None:
    deployed.configure(
        s3_bucket=BUCKET, jobs={"xor": {}}, name="open", subnet_ids=subnets, tags=TAGS
    )
    deployed.apply()
    assert aws.security_group("open-xor")["IpPermissions"] == []
    assert "KeyName" not in aws.template("open-xor")
