"""Jobs that say everything for themselves, beside one that takes what the deployment says."""

from pathlib import Path
from typing import Any

import pytest

from dxnn_agent.settings import Settings
from dxnn_agent.settings_sources import load
from tests.terraform import environment_file
from tests.terraform.aws import Aws, role
from tests.terraform.conftest import BUCKET, NewDeployment
from tests.terraform.engine import Terraform

SWEEP: dict[str, dict[str, Any]] = {
    "plain": {},
    "own": {
        "experiment": "eurusd h1",
        "environment": {"SEED": "7", "SAY": 'back\\slash "quoted" `run` $HOME %n', "EMPTY": ""},
        "instance_types": ["m5.xlarge", "c6i.xlarge"],
        "volume_size": 40,
        "container_name": "trainer",
        "restore_from_s3_on_boot": False,
        "poll_interval_seconds": 0.5,
        "checkpoint_deadline_seconds": 90,
        "checkpoint_interval_seconds": 0,
        "checkpoint_keep": 7,
        "use_rebalance_recommendation": False,
        "auto_terminate": False,
        "on_upload_failure": "terminate",
        "relaunch_on_interruption": False,
        "max_fruitless_runs": 1,
        "max_failed_runs": 5,
        "max_job_hours": 12.5,
        "restore_give_up_seconds": 0,
        "stalled_after_seconds": 0,
        "trainer_command": ["python3", "train.py", '--title=<"a" & b>', "é"],
        "trainer_directory": "/srv/my trainer",
        "checkpoint_command": ["save", "--to", "$DXNN_CHECKPOINT_PATH"],
        "artifacts": [],
    },
}


def settings(aws: Aws, name: str, directory: Path) -> Settings:
    """Return the settings that the agent would read on an instance of a group."""
    file = aws.files(name)["/etc/dxnn/agent.toml"]
    assert file["permissions"] == "0644"
    path = directory / "agent.toml"
    path.write_text(file["content"])
    return load({}, {}, path)


@pytest.fixture(scope="module", autouse=True)
def deployed(deploy: NewDeployment) -> Terraform:
    terraform = deploy(
        name="sweep",
        s3_prefix="",
        jobs=SWEEP,
        checkpoint_keep=5,
        environment={"SEED": "1", "MODE": "fast"},
    )
    assert not terraform.differs()
    return terraform


def test_the_agent_accepts_what_the_deployment_says(aws: Aws, tmp_path: Path) -> None:
    assert settings(aws, "sweep-plain", tmp_path) == Settings(
        s3_bucket=BUCKET,
        s3_prefix="",
        job_id="plain",
        container_name="plain",
        checkpoint_keep=5,
    )


def test_the_agent_accepts_what_the_job_says(aws: Aws, tmp_path: Path) -> None:
    said = {key: value for key, value in SWEEP["own"].items() if key in Settings.model_fields}
    command = [*SWEEP["own"]["trainer_command"], "--experiment", "eurusd h1"]
    expected = Settings.model_validate(
        {"s3_bucket": BUCKET, "s3_prefix": "", "job_id": "own", **said}
        | {"trainer_command": command}
    )
    assert settings(aws, "sweep-own", tmp_path) == expected
    # None of them is the default, which would show nothing.
    assert not [key for key in said if said[key] == Settings.model_fields[key].default]


def test_systemd_reads_the_environment(aws: Aws) -> None:
    plain, own = (aws.files(f"sweep-{job}")["/etc/dxnn/trainer.env"] for job in ("plain", "own"))
    assert own["permissions"] == plain["permissions"] == "0600"
    assert environment_file.parse(plain["content"]) == {"SEED": "1", "MODE": "fast"}
    assert environment_file.parse(own["content"]) == {
        "MODE": "fast",
        **SWEEP["own"]["environment"],
    }


def test_types_and_volume(aws: Aws) -> None:
    policy = aws.group("sweep-own")["MixedInstancesPolicy"]
    types = [each["InstanceType"] for each in policy["LaunchTemplate"]["Overrides"]]
    assert types == ["m5.xlarge", "c6i.xlarge"]
    (device,) = aws.template("sweep-own")["BlockDeviceMappings"]
    assert device["Ebs"]["VolumeSize"] == 40
    (device,) = aws.template("sweep-plain")["BlockDeviceMappings"]
    assert device["Ebs"]["VolumeSize"] == 20


def test_one_run_and_no_more(aws: Aws) -> None:
    def suspended(name: str) -> list[str]:
        return [each["ProcessName"] for each in aws.group(name)["SuspendedProcesses"]]

    assert suspended("sweep-own") == ["ReplaceUnhealthy"]
    assert suspended("sweep-plain") == []


def test_runs_lie_at_the_top_of_the_bucket(aws: Aws, deployed: Terraform) -> None:
    assert deployed.outputs()["jobs"]["own"]["results"] == f"s3://{BUCKET}/own/"
    first, second, *_ = aws.policy(role("sweep-own"))["Statement"]
    assert first["Resource"] == f"arn:aws:s3:::{BUCKET}/own/*"
    assert second["Condition"] == {"StringLike": {"s3:prefix": ["own/*"]}}
