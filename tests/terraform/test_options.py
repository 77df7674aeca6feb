"""What a deployment may ask for beside its jobs, applied; each is left out by default."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.terraform.aws import Aws, role
from tests.terraform.conftest import BUCKET
from tests.terraform.engine import ROOT, Terraform, working_copy

KEY = "arn:aws:kms:us-east-1:123456789012:key/0b7c2a4e-1111-2222-3333-444455556666"
TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"
DNS = {
    "description": "DNS of our own",
    "protocol": "udp",
    "from_port": 53,
    "to_port": 53,
    "cidr_blocks": ["10.0.0.2/32"],
}
PART = "#cloud-config\nwrite_files: [{path: /etc/proxy, content: here}]\n"


@pytest.fixture(scope="module")
def boundary(aws: Aws) -> str:
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    return aws.iam.create_policy(PolicyName="boundary", PolicyDocument=document)["Policy"]["Arn"]


@pytest.fixture(scope="module")
def security_group(aws: Aws) -> str:
    return aws.ec2.create_security_group(GroupName="mine", Description="mine")["GroupId"]


@pytest.fixture(scope="module", autouse=True)
def deployed(
    aws: Aws, boundary: str, security_group: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Terraform]:
    aws.iam.create_instance_profile(InstanceProfileName="mine")
    terraform = working_copy(tmp_path_factory.mktemp("options") / "module", ROOT, aws.endpoint)
    terraform.configure(
        s3_bucket=BUCKET,
        name="opt",
        jobs={
            "all": {},
            "own": {
                "spot": True,
                "instance_profile": "mine",
                "public_ip_address": True,
                "policy_arns": [],
                "security_group_ids": [],
                "extra_volumes": [],
                "cloud_init": [],
                "volume_iops": 5000,
            },
        },
        spot=False,
        spot_max_price=0.05,
        public_ip_address=False,
        volume_iops=4000,
        volume_throughput=250,
        extra_volumes=[{"device_name": "/dev/sdf", "size": 100, "throughput": 500}],
        volume_kms_key_arn=KEY,
        s3_kms_key_arn=KEY,
        role_path="/training/",
        permissions_boundary_arn=boundary,
        policy_arns=[boundary],
        security_group_ids=[security_group],
        egress=[DNS],
        cloud_init=[PART, "#!/bin/sh\ntrue\n"],
        alert_topic_arn=TOPIC,
    )
    terraform.apply()
    assert not terraform.differs()
    yield terraform
    terraform.destroy()
    assert aws.left() == {
        "policies": ["boundary"],
        "profiles": ["mine"],
        "security groups": ["mine"],
    }


def distribution(aws: Aws, group: str) -> Any:
    return aws.group(group)["MixedInstancesPolicy"]["InstancesDistribution"]


def test_on_demand_for_a_job_that_must_not_wait(aws: Aws) -> None:
    assert distribution(aws, "opt-all")["OnDemandPercentageAboveBaseCapacity"] == 100
    tagged = {each["ResourceType"] for each in aws.template("opt-all")["TagSpecifications"]}
    # EC2 refuses tags of a request that there is not.
    assert "spot-instances-request" not in tagged


def test_the_most_that_spot_may_cost(aws: Aws) -> None:
    own = distribution(aws, "opt-own")
    assert own["OnDemandPercentageAboveBaseCapacity"] == 0
    assert own["SpotMaxPrice"] == "0.05"


def test_volumes(aws: Aws) -> None:
    root, extra = aws.template("opt-all")["BlockDeviceMappings"]
    assert (root["Ebs"]["Iops"], root["Ebs"]["Throughput"]) == (4000, 250)
    assert (extra["DeviceName"], extra["Ebs"]["VolumeSize"]) == ("/dev/sdf", 100)
    assert extra["Ebs"]["Throughput"] == 500
    for each in (root, extra):
        assert each["Ebs"]["KmsKeyId"] == KEY
        assert each["Ebs"]["Encrypted"]
        assert each["Ebs"]["DeleteOnTermination"]
    (only,) = aws.template("opt-own")["BlockDeviceMappings"]
    assert only["Ebs"]["Iops"] == 5000


def test_a_public_address_or_none(aws: Aws, security_group: str) -> None:
    for group, public, extra in (("opt-all", False, [security_group]), ("opt-own", True, [])):
        (interface,) = aws.template(group)["NetworkInterfaces"]
        assert interface["AssociatePublicIpAddress"] is public
        assert interface["DeleteOnTermination"]
        assert {*interface["Groups"]} == {aws.security_group(group)["GroupId"], *extra}
        # EC2 takes them in one place only.
        assert not aws.template(group).get("SecurityGroupIds")


def test_what_may_go_out(aws: Aws) -> None:
    (rule,) = aws.security_group("opt-all")["IpPermissionsEgress"]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("udp", 53, 53)
    assert [each["CidrIp"] for each in rule["IpRanges"]] == ["10.0.0.2/32"]


def test_the_role(aws: Aws, boundary: str) -> None:
    held = aws.iam.get_role(RoleName=role("opt-all"))["Role"]
    assert held["Path"] == "/training/"
    assert held["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    attached = aws.iam.list_attached_role_policies(RoleName=role("opt-all"))["AttachedPolicies"]
    assert [each["PolicyArn"] for each in attached] == [boundary]
    policy: Any = aws.iam.get_role_policy(RoleName=role("opt-all"), PolicyName="job")
    statements = {each["Sid"]: each for each in policy["PolicyDocument"]["Statement"]}
    key = statements["KeyOfTheBucket"]
    assert (key["Resource"], set(key["Action"])) == (
        KEY,
        {"kms:GenerateDataKey", "kms:Decrypt"},
    )


def test_an_instance_profile_of_one_s_own(aws: Aws, deployed: Terraform) -> None:
    assert aws.template("opt-own")["IamInstanceProfile"]["Name"] == "mine"
    assert deployed.outputs()["jobs"]["own"]["role"] is None
    assert role("opt-own") not in aws.left()["roles"]


def test_parts_of_user_data_come_before_the_agents(aws: Aws) -> None:
    text = base64.b64decode(aws.template("opt-all")["UserData"]).decode()
    assert text.startswith("#cloud-config-archive\n")
    first, second, agents = yaml.safe_load(text)
    assert (first, second) == (PART, "#!/bin/sh\ntrue\n")
    assert agents.startswith("#cloud-config\n")
    config = yaml.safe_load(agents)
    assert config["write_files"][0]["path"] == "/etc/dxnn/agent.toml"
    # Else cloud-init would write the files of one of the two parts only.
    assert config["merge_how"] == "dict(recurse_list,no_replace)+list(append)"
    assert aws.files("opt-own")["/etc/dxnn/agent.toml"]


def test_somebody_is_told_of_a_job_that_waits(aws: Aws) -> None:
    alarms = aws.client("cloudwatch").describe_alarms(AlarmNames=["opt-all-waiting"])
    (alarm,) = alarms["MetricAlarms"]
    assert alarm["AlarmActions"] == alarm["OKActions"] == [TOPIC]
    hour = [each for each in alarm["Metrics"] if "MetricStat" in each]
    assert {each["MetricStat"]["Period"] * alarm["EvaluationPeriods"] for each in hour} == {3600}
    metrics = {each["Id"]: each["MetricStat"]["Metric"] for each in hour}
    assert {name: each["MetricName"] for name, each in metrics.items()} == {
        "desired": "GroupDesiredCapacity",
        "there": "GroupInServiceInstances",
    }
    for each in metrics.values():
        assert each["Dimensions"] == [{"Name": "AutoScalingGroupName", "Value": "opt-all"}]
    (expression,) = (each["Expression"] for each in alarm["Metrics"] if "Expression" in each)
    assert expression == "desired - there"


def test_all_of_it_can_be_left_out_again(aws: Aws, deployed: Terraform) -> None:
    deployed.configure(s3_bucket=BUCKET, name="opt", jobs={"all": {}})
    deployed.apply()
    assert not deployed.differs()
    assert "alarms" not in aws.left()
    template = aws.template("opt-all")
    assert not template.get("NetworkInterfaces")
    assert template["SecurityGroupIds"] == [aws.security_group("opt-all")["GroupId"]]
    assert aws.policy(role("opt-all"))
