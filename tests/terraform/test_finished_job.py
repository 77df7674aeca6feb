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


def run_cli(aws: Aws, command: str) -> None:
    """Do what `aws autoscaling …` does, an option with several words being a list."""
    program, service, verb, *words = shlex.split(command)
    assert (program, service) == ("aws", "autoscaling")
    options: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            options[word] = []
        else:
            options[list(options)[-1]].append(word)
    (group,) = options.pop("--auto-scaling-group-name")
    ((name, given),) = options.items()
    if verb == "resume-processes" and name == "--scaling-processes":
        aws.autoscaling.resume_processes(AutoScalingGroupName=group, ScalingProcesses=given)
    else:
        assert (verb, name) == ("set-desired-capacity", "--desired-capacity")
        aws.autoscaling.set_desired_capacity(
            AutoScalingGroupName=group, DesiredCapacity=int(given[0])
        )


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
    # As AWS does to a group whose launches have failed for a day, and as an operator may.
    aws.autoscaling.suspend_processes(
        AutoScalingGroupName=NAME, ScalingProcesses=["Launch", "ReplaceUnhealthy"]
    )
    start = finished.outputs()["jobs"]["xor"]["start_again"]
    for command in start.split(" && "):
        run_cli(aws, command)
    assert aws.group(NAME)["SuspendedProcesses"] == []
    assert aws.group(NAME)["DesiredCapacity"] == 1
    assert len(aws.instances(NAME)) == 1
    assert not finished.differs()
