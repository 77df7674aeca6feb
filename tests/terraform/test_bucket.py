"""A bucket that no machine could use is found by the plan."""

import pytest

from tests.terraform.aws import Aws
from tests.terraform.conftest import BUCKET
from tests.terraform.engine import ROOT, Terraform, working_copy


@pytest.fixture(scope="module")
def module(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    aws.s3.create_bucket(
        Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    return working_copy(tmp_path_factory.mktemp("bucket") / "module", ROOT, aws.endpoint)


def test_one_that_is_not_there(module: Terraform) -> None:
    module.configure(s3_bucket="mistyped", jobs={"xor": {}})
    refused = module.refusal("plan")
    assert "with data.aws_s3_bucket.s3_bucket[0]" in refused
    assert "mistyped" in refused


def test_one_in_another_region(module: Terraform) -> None:
    module.configure(s3_bucket="elsewhere", jobs={"xor": {}})
    assert (
        "s3_bucket: elsewhere is in another region, at elsewhere.s3.eu-central-1.amazonaws.com; "
        "it should be in us-east-1, as the instances are."
    ) in module.refusal("plan")


def test_one_that_does_not_show_itself(module: Terraform) -> None:
    module.configure(s3_bucket="mistyped", s3_bucket_lookup=False, jobs={"xor": {}})
    assert module.changes()


def test_one_that_is_right(module: Terraform) -> None:
    module.configure(s3_bucket=BUCKET, jobs={"xor": {}})
    assert module.changes()
