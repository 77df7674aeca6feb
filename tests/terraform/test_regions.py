"""One account, several regions; and what a region may lack."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.terraform.aws import Aws, role
from tests.terraform.conftest import BUCKET, IMAGE, NewDeployment
from tests.terraform.engine import ROOT, Terraform, working_copy

REGION = "eu-south-1"
LONG = "x" * 59  # with the name and the dash, all of the 64 characters that IAM takes


@pytest.fixture(scope="module")
def there(aws: Aws) -> Aws:
    """Return another region of the account, with an image of our own."""
    found = Aws(aws.endpoint, region=REGION)
    found.add_image(IMAGE)
    found.add_image(IMAGE.replace("x86_64", "arm64"), "arm64")
    return found


@pytest.fixture(scope="module")
def second(there: Aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    """Yield a deployment in the other region, with the names of the one in the first."""
    terraform = working_copy(tmp_path_factory.mktemp("second") / "module", ROOT, there.endpoint)
    terraform.configure_provider(region=REGION)
    yield terraform
    terraform.destroy()
    # Those of the first region are the account's, and stay.
    assert there.left().keys() <= {"roles", "profiles"}


def test_the_same_names_in_two_regions(
    aws: Aws, there: Aws, deploy: NewDeployment, second: Terraform
) -> None:
    jobs: dict[str, dict[str, object]] = {"xor": {}, LONG: {}}
    deploy(jobs=jobs)
    second.configure(s3_bucket=BUCKET, s3_bucket_lookup=False, jobs=jobs)
    second.apply()
    assert not second.differs()
    roles = aws.left()["roles"]
    assert len(roles) == len(jobs) * 2
    assert {role("dxnn-xor"), role("dxnn-xor", REGION)} <= set(roles)
    assert max(map(len, roles)) == 64
    assert len(aws.instances("dxnn-xor")) == len(there.instances("dxnn-xor")) == 1
    told = second.outputs()["jobs"][LONG]
    assert (told["group"], told["role"] in roles) == (f"dxnn-{LONG}", True)


def test_types_that_the_region_has(there: Aws, second: Terraform) -> None:
    second.configure(
        s3_bucket=BUCKET, s3_bucket_lookup=False, jobs={"xor": {}}, architecture="arm64"
    )
    second.apply()
    policy = there.group("dxnn-xor")["MixedInstancesPolicy"]
    overrides = [each["InstanceType"] for each in policy["LaunchTemplate"]["Overrides"]]
    assert overrides == ["c6g.large", "c7g.large", "m6g.large", "r6g.large", "r7g.large"]


def test_a_region_without_a_default_network(aws: Aws, tmp_path: Path) -> None:
    lacking = Aws(aws.endpoint, region="eu-north-1")
    lacking.add_image(IMAGE)
    terraform = working_copy(tmp_path / "module", ROOT, aws.endpoint)
    terraform.configure_provider(region="eu-north-1")
    terraform.configure(s3_bucket=BUCKET, s3_bucket_lookup=False, jobs={"xor": {}})
    (vpc,) = lacking.ec2.describe_vpcs()["Vpcs"]
    first, *others = lacking.ec2.describe_subnets()["Subnets"]
    lacking.ec2.delete_subnet(SubnetId=first["SubnetId"])
    # Terraform shows what it looked for, and nothing of ours.
    refused = terraform.refusal("plan")
    assert f'data.aws_subnet.default_or_set_subnet_ids["{first["AvailabilityZone"]}"]' in refused
    for subnet in others:
        lacking.ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    with contextlib.suppress(ClientError):
        lacking.ec2.delete_vpc(VpcId=vpc["VpcId"])
    # Today's provider lets us say it in a sentence: see jobs.tftest.hcl.
    assert "data.aws_vpcs.default_or_set_subnet_ids" in terraform.refusal("plan")
