"""A job that is done stays done, whatever is applied, until it is started again on purpose."""

import shlex

import pytest

from tests.terraform.aws import Aws
from tests.terraform.conftest import BUCKET, NewDeployment
from tests.terraform.engine import Terraform

NAME = "dxnn-xor"


@pytest.fixture(scope="module")
def finished(aws: Aws, deploy: NewDeployment) -> Terraform:
    """Return a deployment whose instance has told the group to launch no other, and is gone."""
    terraform = deploy()
    (instance,) = aws.instances(NAME)
    aws.autoscaling.set_desired_capacity(AutoScalingGroupName=NAME, DesiredCapacity=0)
    aws.ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    # moto has replaced it at once, and takes the new one away for what is desired.
    for replacement in aws.group(NAME)["Instances"]:
        aws.autoscaling.terminate_instance_in_auto_scaling_group(
            InstanceId=replacement["InstanceId"], ShouldDecrementDesiredCapacity=False
        )
    return terraform


def ended(aws: Aws) -> bool:
    return aws.group(NAME)["DesiredCapacity"] == 0 and not aws.instances(NAME)


def test_the_next_plan_changes_nothing(aws: Aws, finished: Terraform) -> None:
    assert ended(aws)
    assert not finished.differs()


def test_an_apply_with_other_settings_does_not_start_it(aws: Aws, finished: Terraform) -> None:
    finished.configure(
        s3_bucket=BUCKET, jobs={"xor": {"volume_size": 40, "instance_types": ["m5.large"]}}
    )
    finished.apply()
    assert aws.template(NAME)["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 40
    assert ended(aws)
    assert not finished.differs()


def test_a_job_beside_it_starts_alone(aws: Aws, finished: Terraform) -> None:
    finished.configure(s3_bucket=BUCKET, jobs={"xor": {}, "other": {}})
    finished.apply()
    assert ended(aws)
    assert len(aws.instances("dxnn-other")) == 1


def test_it_can_be_started_again(aws: Aws, finished: Terraform) -> None:
    words = shlex.split(finished.outputs()["jobs"]["xor"]["start_again"])
    assert words[:3] == ["aws", "autoscaling", "set-desired-capacity"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options.keys() == {"--auto-scaling-group-name", "--desired-capacity"}
    aws.autoscaling.set_desired_capacity(
        AutoScalingGroupName=options["--auto-scaling-group-name"],
        DesiredCapacity=int(options["--desired-capacity"]),
    )
    assert len(aws.instances(NAME)) == 1
    assert not finished.differs()
