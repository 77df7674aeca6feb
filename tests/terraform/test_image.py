"""The image: by its id, or the newest of our own; and what would not start is not even planned."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.terraform.aws import Aws
from tests.terraform.conftest import BUCKET, NewDeployment
from tests.terraform.engine import ROOT, Terraform, working_copy


@pytest.fixture(scope="module")
def image(aws: Aws) -> str:
    return aws.add_image("something-else", "arm64")


@pytest.fixture(scope="module")
def named(deploy: NewDeployment, image: str) -> Terraform:
    terraform = deploy(name="arm", architecture="arm64", ami_id=image)
    assert not terraform.differs()
    return terraform


def test_it_is_what_is_launched(aws: Aws, named: Terraform, image: str) -> None:
    assert aws.template("arm-xor")["ImageId"] == image == named.outputs()["image"]


@pytest.mark.usefixtures("named")
def test_on_machines_that_can_run_it(aws: Aws) -> None:
    overrides = aws.group("arm-xor")["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    types: Any = [each["InstanceType"] for each in overrides]
    described = aws.ec2.describe_instance_types(InstanceTypes=types)["InstanceTypes"]
    assert len(described) == len(types) > 1
    for each in described:
        assert each["ProcessorInfo"]["SupportedArchitectures"] == ["arm64"]


def test_the_newest_image_of_our_own_is_taken(aws: Aws, deploy: NewDeployment) -> None:
    time.sleep(1.1)  # images are dated to the second
    newer = aws.add_image("dxnn-agent-20260101")
    aws.add_image("dxnn-agent-20260102", "arm64")
    aws.add_image("not-dxnn-agent-20260103")
    assert deploy(name="newest").outputs()["image"] == newer


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"architecture": "arm64", "ami_owners": ["999999999999"]},
            "999999999999 has no image dxnn-agent-* for arm64 in this region: bake one",
        ),
        (
            {"instance_types": ["c7g.large"]},
            "instance_types: c7g.large runs arm64; it should run x86_64, as architecture says.",
        ),
        (
            {"volume_size": 1},
            "volume_size: xor's should be at least that of the image",
        ),
    ],
)
def test_what_would_not_start_is_not_planned(
    aws: Aws, tmp_path: Path, variables: dict[str, object], sentence: str
) -> None:
    terraform = working_copy(tmp_path / "module", ROOT, aws.endpoint)
    terraform.configure(s3_bucket=BUCKET, jobs={"xor": {}}, **variables)
    assert sentence in terraform.refusal("plan")
