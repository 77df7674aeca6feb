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
    assert aws.template("arm-xor")["ImageId"] == image == named.outputs()["image"]["id"]


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
    name = "dxnn-agent-0.2.0-x86_64-20260101000000"
    newer = aws.add_image(name, Trainer="https://example.org/dxnn", TrainerRef="v2")
    aws.add_image("dxnn-agent-0.2.0-arm64-20260102000000", "arm64")
    aws.add_image("not-dxnn-agent-0.2.0-x86_64-20260103000000")
    # Begins alike, and was baked as something else.
    aws.add_image("dxnn-agent-gold-0.2.0-x86_64-20260104000000")
    aws.add_image("dxnn-agent-2-0.2.0-x86_64-20260104000000")
    assert deploy(name="newest").outputs()["image"] == {
        "id": newer,
        "name": name,
        "trainer": "https://example.org/dxnn",
        "trainer_ref": "v2",
    }


def test_an_image_of_another_name(aws: Aws, deploy: NewDeployment) -> None:
    image = aws.add_image("gold.2-0.2.0-x86_64-20250101000000")
    aws.add_image("gold-2-0.2.0-x86_64-20260101000000")
    assert deploy(name="gold", image_name="gold.2").outputs()["image"]["id"] == image


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"architecture": "arm64", "ami_owners": ["999999999999"]},
            (
                "image_name: 999999999999 has no image dxnn-agent for arm64 in this region: "
                "bake one with packer build packer/."
            ),
        ),
        (
            {"image_name": "gold"},
            "bake one with packer build -var image_name=gold packer/.",
        ),
        (
            {"ami_id": "ami-0123456789abcdef0"},
            "ami_id: self has no image ami-0123456789abcdef0 in this region; ami_owners should",
        ),
        (
            {"instance_types": ["c7g.large"]},
            "instance_types: c7g.large runs arm64; it should run x86_64, as architecture says.",
        ),
        (
            {"volume_size": 1},
            "volume_size: jobs.xor has 1; it should have at least as many GiB as the image ami-",
        ),
    ],
)
def test_what_would_not_start_is_not_planned(
    aws: Aws, tmp_path: Path, variables: dict[str, object], sentence: str
) -> None:
    terraform = working_copy(tmp_path / "module", ROOT, aws.endpoint)
    terraform.configure(s3_bucket=BUCKET, jobs={"xor": {}}, **variables)
    assert sentence in terraform.refusal("plan")
