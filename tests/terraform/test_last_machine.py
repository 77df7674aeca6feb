"""A job's machine keeps its rights for as long as it is there, whatever is destroyed or replaced.

EC2 shuts a machine down while it forgets the group that is deleted by force. moto has it gone at
once: a second machine of the job's, which no group knows, stands for the one that is still saving.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.terraform.aws import Aws, role
from tests.terraform.conftest import BUCKET
from tests.terraform.engine import ROOT, Terraform, working_copy

JOBS: dict[str, dict[str, object]] = {"xor": {}, "other": {}}


@pytest.fixture
def deployed(aws: Aws, tmp_path: Path) -> Iterator[Terraform]:
    terraform = working_copy(tmp_path / "module", ROOT, aws.endpoint)
    terraform.configure(s3_bucket=BUCKET, jobs=JOBS)
    terraform.apply()
    yield terraform
    terraform.destroy()
    assert aws.left() == {}


@contextmanager
def saving(aws: Aws, group: str) -> Iterator[None]:
    """Have a machine that saves while the block lasts."""
    (machine,) = aws.ec2.run_instances(
        ImageId=aws.template(group)["ImageId"],
        MinCount=1,
        MaxCount=1,
        SecurityGroupIds=[aws.security_group(group)["GroupId"]],
    )["Instances"]
    try:
        yield
    finally:
        aws.ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])


def destroy(_: Aws, terraform: Terraform) -> None:
    terraform.destroy()


def take_out(_: Aws, terraform: Terraform) -> None:
    terraform.configure(s3_bucket=BUCKET, jobs={"other": {}})
    terraform.apply()


def store_elsewhere(_: Aws, terraform: Terraform) -> None:
    terraform.configure(s3_bucket=BUCKET, jobs=JOBS, s3_prefix="elsewhere")
    terraform.apply()


def move(aws: Aws, terraform: Terraform) -> None:
    ec2 = aws.ec2
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.1.0/24")["Subnet"]["SubnetId"]
    terraform.configure(s3_bucket=BUCKET, jobs=JOBS, subnet_ids=[subnet])
    terraform.apply()
    assert aws.security_group("dxnn-xor")["VpcId"] == vpc


@pytest.mark.parametrize("change", [destroy, take_out, store_elsewhere, move])
def test_its_rights_go_after_it(
    aws: Aws, deployed: Terraform, change: Callable[[Aws, Terraform], None]
) -> None:
    before = aws.policy(role("dxnn-xor"))
    changing = threading.Thread(target=change, args=(aws, deployed))
    with saving(aws, "dxnn-xor"):
        changing.start()
        wait_until(lambda: "dxnn-xor" not in aws.left().get("groups", []))
        time.sleep(2)  # all that does not wait is done by then
        assert changing.is_alive()
        assert aws.policy(role("dxnn-xor")) == before
        assert role("dxnn-xor") in aws.left()["profiles"]
    changing.join(timeout=120)
    assert not changing.is_alive()
    assert len(aws.instances("dxnn-xor")) == (change in {store_elsewhere, move})


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)
