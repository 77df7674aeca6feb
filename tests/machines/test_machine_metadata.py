"""Each machine is told about itself at the real address, with credentials that moto knows."""

import json
from collections.abc import Iterator
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from rehearsal.ec2 import api
from rehearsal.ec2.region import Region
from tests.machines.instances import launch, output, profile

_TOKEN = (
    "curl -sf -X PUT -H X-aws-ec2-metadata-token-ttl-seconds:60 169.254.169.254/latest/api/token"
)


@pytest.fixture
def authorization() -> Iterator[None]:
    """Let moto enforce policies."""
    set_free_requests(b"0")
    yield
    set_free_requests(b"inf")


def set_free_requests(count: bytes) -> None:
    """Say how many requests moto answers without asking who may make them."""
    text = {"Content-Type": "text/plain"}
    urlopen(Request(f"{api.ENDPOINT}/moto-api/reset-auth", count, text)).close()


def told(region: Region, instance: str, path: str) -> str:
    """Return what the machine itself reads of its metadata."""
    ask = f'curl -sf -H "X-aws-ec2-metadata-token: $({_TOKEN})" 169.254.169.254/latest/{path}'
    return output(region.machine(instance), "sh", "-c", ask)


def test_each_machine_reads_its_own(region: Region) -> None:
    name = profile(region)
    one = launch(region, UserData="#cloud-config\n# one\n", IamInstanceProfile={"Name": name})
    two = launch(
        region,
        UserData="#cloud-config\n# two\n",
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "job", "Value": "xor"}]}],
    )
    assert told(region, one, "meta-data/instance-id") == one
    assert told(region, two, "meta-data/instance-id") == two
    assert told(region, one, "user-data").endswith("# one")
    assert told(region, two, "meta-data/tags/instance/job") == "xor"
    assert told(region, one, "meta-data/iam/security-credentials/") == name
    with pytest.raises(AssertionError):
        told(region, two, "meta-data/iam/security-credentials/")


def test_the_roles_credentials_may_what_its_policy_says(
    region: Region, request: pytest.FixtureRequest
) -> None:
    region.client("s3").create_bucket(Bucket="results")
    allowed = {
        "Effect": "Allow",
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::results/xor/*",
    }
    name = profile(region, [allowed])
    instance = launch(region, IamInstanceProfile={"Name": name})
    issued = json.loads(told(region, instance, f"meta-data/iam/security-credentials/{name}"))
    request.getfixturevalue("authorization")
    s3 = boto3.client(
        "s3",
        endpoint_url=api.ENDPOINT,
        region_name="us-east-1",
        config=Config(proxies={}),
        aws_access_key_id=issued["AccessKeyId"],
        aws_secret_access_key=issued["SecretAccessKey"],
        aws_session_token=issued["Token"],
    )
    s3.put_object(Bucket="results", Key="xor/one", Body=b"1")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket="results", Key="other/one", Body=b"1")


def test_nothing_else_is_in_reach(region: Region) -> None:
    machine = region.machine(launch(region))
    assert output(machine, "sh", "-c", "curl -s -m 5 192.0.2.1; echo $?") == "7"
