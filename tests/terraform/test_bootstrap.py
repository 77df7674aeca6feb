"""The bucket that outlives every deployment."""

import json

import pytest

from tests.terraform.aws import Aws
from tests.terraform.engine import ROOT, Terraform, working_copy

NAME = "dxnn-trainings"


@pytest.fixture(scope="module")
def applied(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    directory = tmp_path_factory.mktemp("bootstrap") / "module"
    terraform = working_copy(directory, ROOT / "bootstrap", aws.endpoint)
    terraform.configure(s3_bucket=NAME, tags={"Owner": "me"})
    terraform.validate()
    terraform.apply()
    return terraform


def test_the_next_plan_changes_nothing(applied: Terraform) -> None:
    assert not applied.differs()
    assert applied.outputs() == {"s3_bucket": NAME}


@pytest.mark.usefixtures("applied")
def test_what_is_overwritten_is_kept(aws: Aws) -> None:
    assert aws.s3.get_bucket_versioning(Bucket=NAME)["Status"] == "Enabled"


@pytest.mark.usefixtures("applied")
def test_everything_is_encrypted(aws: Aws) -> None:
    held = aws.s3.get_bucket_encryption(Bucket=NAME)["ServerSideEncryptionConfiguration"]
    (rule,) = held["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


@pytest.mark.usefixtures("applied")
def test_nothing_is_public(aws: Aws) -> None:
    held = aws.s3.get_public_access_block(Bucket=NAME)["PublicAccessBlockConfiguration"]
    assert held == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }


@pytest.mark.usefixtures("applied")
def test_only_tls(aws: Aws) -> None:
    (statement,) = json.loads(aws.s3.get_bucket_policy(Bucket=NAME)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Action"] == "s3:*"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert set(statement["Resource"]) == {f"arn:aws:s3:::{NAME}", f"arn:aws:s3:::{NAME}/*"}


@pytest.mark.usefixtures("applied")
def test_runs_age(aws: Aws) -> None:
    (rule,) = aws.s3.get_bucket_lifecycle_configuration(Bucket=NAME)["Rules"]
    assert rule["Status"] == "Enabled"
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert rule["Transitions"] == [{"Days": 90, "StorageClass": "STANDARD_IA"}]
    # Nothing goes away by itself.
    assert not rule.keys() & {"Expiration", "NoncurrentVersionExpiration"}


@pytest.mark.usefixtures("applied")
def test_it_is_tagged(aws: Aws) -> None:
    assert aws.s3.get_bucket_tagging(Bucket=NAME)["TagSet"] == [{"Key": "Owner", "Value": "me"}]


def test_other_ages(aws: Aws, applied: Terraform) -> None:
    applied.configure(
        s3_bucket=NAME, infrequent_access_after_days=30, noncurrent_versions_expire_after_days=365
    )
    applied.apply()
    (rule,) = aws.s3.get_bucket_lifecycle_configuration(Bucket=NAME)["Rules"]
    assert rule["Transitions"] == [{"Days": 30, "StorageClass": "STANDARD_IA"}]
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] == 365
    assert not applied.differs()


def test_a_key_of_one_s_own(aws: Aws, applied: Terraform) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/0b7c2a4e-1111-2222-3333-444455556666"
    applied.configure(s3_bucket=NAME, kms_key_arn=key)
    applied.apply()
    held = aws.s3.get_bucket_encryption(Bucket=NAME)["ServerSideEncryptionConfiguration"]
    (rule,) = held["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": key,
    }
    assert rule["BucketKeyEnabled"]


def test_it_can_not_be_destroyed_by_mistake(aws: Aws, applied: Terraform) -> None:
    aws.s3.put_object(Bucket=NAME, Key="dxnn/xor/run-20250111-143012Z/_SUCCESS", Body=b"{}")
    assert "lifecycle.prevent_destroy" in applied.refusal("destroy")
    assert aws.s3.list_objects_v2(Bucket=NAME)["KeyCount"] == 1
