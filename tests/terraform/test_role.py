"""What a job's role lets its instance do, as it was applied and with permissions enforced."""

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from dxnn_agent.settings import Settings
from rehearsal.metadata_documents import Machine as Instance
from rehearsal.metadata_service import serve_one
from tests.bucket import Bucket
from tests.dump_files import leave_checkpoint
from tests.machine import Machine, new_machine
from tests.s3_servers import S3Server
from tests.terraform.aws import Aws, role
from tests.terraform.conftest import BUCKET, NewDeployment

# The sibling's id begins with the job's own: a pattern must not let the one in with the other.
JOB, SIBLING, TRAINED = "xor", "xor2", "trained"
OWN = f"dxnn/{JOB}/run-20250111-143012Z/"
OTHERS = f"dxnn/{SIBLING}/run-20250111-143012Z/"
STAMP = "20250111-143010Z"
REFUSED = {"403", "AccessDenied", "UnauthorizedOperation"}
LARGE = 17 * 1024 * 1024
"""More than the agent sends in one part."""


@pytest.fixture(scope="module", autouse=True)
def _deployed(aws: Aws, deploy: NewDeployment) -> None:
    deploy(jobs={JOB: {}, SIBLING: {}, TRAINED: {}})
    for prefix in (OWN, OTHERS):
        aws.s3.put_object(Bucket=BUCKET, Key=f"{prefix}_SUCCESS", Body=b"{}")


@pytest.fixture(scope="module")
def instance(aws: Aws) -> Aws:
    """Return the cloud as an instance of the job sees it."""
    return aws.assuming(role(f"dxnn-{JOB}"))


@dataclass(frozen=True)
class Ids:
    """The instances of the job and of its sibling."""

    own: str
    others: str


@pytest.fixture(scope="module")
def ids(aws: Aws) -> Ids:
    own, others = (aws.instances(f"dxnn-{job}")[0]["InstanceId"] for job in (JOB, SIBLING))
    return Ids(own, others)


def test_it_writes_reads_and_lists_its_own_runs(aws: Aws, instance: Aws) -> None:
    with aws.authorizing():
        instance.s3.put_object(Bucket=BUCKET, Key=f"{OWN}_MANIFEST.json", Body=b"[]")
        read = instance.s3.get_object(Bucket=BUCKET, Key=f"{OWN}_MANIFEST.json")["Body"].read()
        listed = instance.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"dxnn/{JOB}/")
    assert read == b"[]"
    assert {each["Key"] for each in listed["Contents"]} == {
        f"{OWN}_MANIFEST.json",
        f"{OWN}_SUCCESS",
    }


def test_it_finds_and_ends_its_own_group(aws: Aws, instance: Aws, ids: Ids) -> None:
    with aws.authorizing():
        found = instance.autoscaling.describe_auto_scaling_instances(InstanceIds=[ids.own])
        (group,) = (each["AutoScalingGroupName"] for each in found["AutoScalingInstances"])
        instance.autoscaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=0)
    assert aws.group(f"dxnn-{JOB}")["DesiredCapacity"] == 0
    assert aws.group(f"dxnn-{SIBLING}")["DesiredCapacity"] == 1


Attempt = Callable[[Aws, Ids], object]

S3: dict[str, Attempt] = {
    "read another job's run": lambda it, _: it.s3.get_object(
        Bucket=BUCKET, Key=f"{OTHERS}_SUCCESS"
    ),
    "look at another job's run": lambda it, _: it.s3.head_object(
        Bucket=BUCKET, Key=f"{OTHERS}_SUCCESS"
    ),
    "write into another job's run": lambda it, _: it.s3.put_object(
        Bucket=BUCKET, Key=f"{OTHERS}_SUCCESS", Body=b""
    ),
    "write beside the jobs": lambda it, _: it.s3.put_object(Bucket=BUCKET, Key="dxnn/x", Body=b""),
    "list another job's runs": lambda it, _: it.s3.list_objects_v2(
        Bucket=BUCKET, Prefix=f"dxnn/{SIBLING}/"
    ),
    "list all jobs that begin like it": lambda it, _: it.s3.list_objects_v2(
        Bucket=BUCKET, Prefix=f"dxnn/{JOB}"
    ),
    "list all jobs": lambda it, _: it.s3.list_objects_v2(Bucket=BUCKET, Prefix="dxnn/"),
    "list the bucket": lambda it, _: it.s3.list_objects_v2(Bucket=BUCKET),
    "list all buckets": lambda it, _: it.s3.list_buckets(),
    "delete an object of its own": lambda it, _: it.s3.delete_object(
        Bucket=BUCKET, Key=f"{OWN}_SUCCESS"
    ),
    "delete another job's object": lambda it, _: it.s3.delete_object(
        Bucket=BUCKET, Key=f"{OTHERS}_SUCCESS"
    ),
    "delete the bucket": lambda it, _: it.s3.delete_bucket(Bucket=BUCKET),
    "open the bucket": lambda it, _: it.s3.put_bucket_policy(Bucket=BUCKET, Policy="{}"),
    # S3 tells only those who may list the bucket whether an object is missing.
    "learn what is missing": lambda it, _: it.s3.get_object(Bucket=BUCKET, Key=f"{OWN}missing"),
    "learn it by looking": lambda it, _: it.s3.head_object(Bucket=BUCKET, Key=f"{OWN}missing"),
}

MACHINES: dict[str, Attempt] = {
    "terminate itself": lambda it, ids: it.ec2.terminate_instances(InstanceIds=[ids.own]),
    "terminate another": lambda it, ids: it.ec2.terminate_instances(InstanceIds=[ids.others]),
    "stop itself": lambda it, ids: it.ec2.stop_instances(InstanceIds=[ids.own]),
    "start others": lambda it, _: it.ec2.run_instances(
        ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1
    ),
    "see others": lambda it, _: it.ec2.describe_instances(),
    "scale another group": lambda it, _: it.autoscaling.set_desired_capacity(
        AutoScalingGroupName=f"dxnn-{SIBLING}", DesiredCapacity=0
    ),
    "scale a group that is not there": lambda it, _: it.autoscaling.set_desired_capacity(
        AutoScalingGroupName="dxnn-missing", DesiredCapacity=0
    ),
    "enlarge its group": lambda it, _: it.autoscaling.update_auto_scaling_group(
        AutoScalingGroupName=f"dxnn-{JOB}", MaxSize=100
    ),
    "delete its group": lambda it, _: it.autoscaling.delete_auto_scaling_group(
        AutoScalingGroupName=f"dxnn-{JOB}", ForceDelete=True
    ),
    "terminate by way of the group": lambda it, ids: (
        it.autoscaling.terminate_instance_in_auto_scaling_group(
            InstanceId=ids.others, ShouldDecrementDesiredCapacity=True
        )
    ),
    "create a user": lambda it, _: it.iam.create_user(UserName="me"),
    "give itself rights": lambda it, _: it.iam.put_role_policy(
        RoleName=role(f"dxnn-{JOB}"), PolicyName="more", PolicyDocument="{}"
    ),
    "take another job's role": lambda it, _: it.sts.assume_role(
        RoleArn=f"arn:aws:iam::123456789012:role/{role(f'dxnn-{SIBLING}')}", RoleSessionName="me"
    ),
}


@pytest.mark.parametrize("attempt", [*S3, *MACHINES])
def test_it_can_not(aws: Aws, instance: Aws, ids: Ids, attempt: str) -> None:
    before = held(aws)
    with aws.authorizing(), pytest.raises(ClientError) as refused:
        (S3 | MACHINES)[attempt](instance, ids)
    assert refused.value.response["Error"]["Code"] in REFUSED
    assert held(aws) == before


def test_it_can_not_delete_by_the_batch(aws: Aws, instance: Aws) -> None:
    before = held(aws)
    with aws.authorizing():
        ended = instance.s3.delete_objects(
            Bucket=BUCKET, Delete={"Objects": [{"Key": f"{OWN}_SUCCESS"}]}
        )
    assert [each["Code"] for each in ended["Errors"]] == ["AccessDenied"]
    assert held(aws) == before


def held(aws: Aws) -> Any:
    """Return all that the attempts could have changed."""
    objects = aws.s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    groups = [aws.group(f"dxnn-{job}") for job in (JOB, SIBLING)]
    return (
        {each["Key"]: each["ETag"] for each in objects},
        [(each["DesiredCapacity"], each["MaxSize"], len(each["Instances"])) for each in groups],
        aws.left(),
    )


@pytest.fixture
def machine(aws: Aws, tmp_path: Path) -> Iterator[Machine]:
    """Yield a group's instance, with the group's role, and with the settings that it was given."""
    (launched,) = aws.instances(f"dxnn-{TRAINED}")
    keys = aws.assuming(role(f"dxnn-{TRAINED}")).credentials
    server = S3Server(urlsplit(aws.endpoint).port or 0, keys.access_key, keys.secret_key)
    with serve_one(Instance(instance_id=launched["InstanceId"])) as described:
        made = new_machine(tmp_path / "machine", server, aws.endpoint, BUCKET, described)
        made.environment["AWS_SESSION_TOKEN"] = keys.session_token or ""
        made.metadata.set_target_lifecycle_state("InService")
        given = tomllib.loads(aws.files(f"dxnn-{TRAINED}")["/etc/dxnn/agent.toml"]["content"])
        here = {"trainer_command", "trainer_directory"}
        made.configure(**{key: value for key, value in given.items() if key not in here})
        yield made
        made.end()


def test_the_agent_needs_no_more(aws: Aws, machine: Machine) -> None:
    """An interrupted run is finalized, the next one restores it and completes the job."""
    bucket = Bucket(S3Server(urlsplit(aws.endpoint).port or 0), BUCKET)
    assert machine.settings["container_name"] == TRAINED
    assert machine.settings["artifacts"] == Settings.model_fields["artifacts"].default
    with aws.authorizing():
        assert machine.agent("restore").code == 0
        first = machine.events("RESTORE_NONE")[0].values["run_id"]
        leave_checkpoint(machine, first, STAMP, b"population", TRAINED)
        machine.write_artifact("large.bin", bytes(LARGE))
        interrupted = machine.agent("finalize")
        assert interrupted.code == 0, interrupted.err
        completed = machine.agent("run")
        assert completed.code == 0, completed.err

    one, two = bucket.runs(TRAINED)
    assert bucket.sentinel(one)["completion_status"] == "interrupted"
    assert bucket.sentinel(two)["completion_status"] == "normal"
    assert {"checkpoint-20250111-143010Z.dmp", "artifacts/benchmarks/large.bin"} <= bucket.names(
        one
    )
    for run in (one, two):
        bucket.check_manifest(run)
    assert machine.events("RESTORE_OK")
    assert aws.group(f"dxnn-{TRAINED}")["DesiredCapacity"] == 0
    assert machine.poweroffs() == 2
    # Not even once did it ask for more than it may.
    assert not [state for state in machine.states() if state in {"UPLOAD_RETRY", "UPLOAD_FAIL"}]
