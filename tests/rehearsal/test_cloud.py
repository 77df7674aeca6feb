"""S3 and EC2 come up, know instances, and go."""

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rehearsal import evidence
from rehearsal.cloud import BUCKET, Cloud, cloud


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


def listens(endpoint: str) -> bool:
    address = urlsplit(endpoint)
    try:
        socket.create_connection((address.hostname, address.port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_it_comes_and_goes(tmp_path: Path) -> None:
    with cloud(tmp_path) as running:
        assert running.endpoint.startswith("http://127.0.0.1:")
        assert listens(running.endpoint)
    assert not listens(running.endpoint)


def test_it_goes_when_the_block_fails(tmp_path: Path) -> None:
    seen = []

    def fail_inside() -> None:
        with cloud(tmp_path) as running:
            seen.append(running.endpoint)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert not listens(seen[0])


def test_an_instance_that_powers_off_is_terminated(here: Cloud) -> None:
    machine = here.launch("one")
    assert machine.instance_id.startswith("i-")
    assert here.state_of(machine.instance_id) == "running"
    here.powered_off(machine.instance_id)
    assert here.state_of(machine.instance_id) == "terminated"


def test_an_instance_that_is_to_stop_is_stopped(here: Cloud) -> None:
    instance_id = here.ec2.run_instances(
        ImageId=here.launch("two").image_id,
        MinCount=1,
        MaxCount=1,
        InstanceInitiatedShutdownBehavior="stop",
    )["Instances"][0]["InstanceId"]
    here.powered_off(instance_id)
    assert here.state_of(instance_id) == "stopped"


def test_writes_are_seen_in_their_order(here: Cloud) -> None:
    here.s3.put_object(Bucket=BUCKET, Key="a b/first", Body=b"1")
    here.s3.put_object(Bucket=BUCKET, Key="second", Body=b"2", IfNoneMatch="*")
    with pytest.raises(here.s3.exceptions.ClientError):
        here.s3.put_object(Bucket=BUCKET, Key="second", Body=b"3", IfNoneMatch="*")
    upload = here.s3.create_multipart_upload(Bucket=BUCKET, Key="large")["UploadId"]
    part = here.s3.upload_part(Bucket=BUCKET, Key="large", UploadId=upload, PartNumber=1, Body=b"x")
    here.s3.put_object(Bucket=BUCKET, Key="third", Body=b"3")
    here.s3.complete_multipart_upload(
        Bucket=BUCKET,
        Key="large",
        UploadId=upload,
        MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]},
    )
    here.s3.get_object(Bucket=BUCKET, Key="third")
    assert evidence.writes(here.access_log, BUCKET) == ("a b/first", "second", "third", "large")
    assert [one.key for one in evidence.of_bucket(here.s3, BUCKET)] == [
        "a b/first",
        "large",
        "second",
        "third",
    ]
