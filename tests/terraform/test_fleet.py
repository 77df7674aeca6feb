"""A synthesised sweep is applied, changed and destroyed by the real Terraform."""

import json
from pathlib import Path

from dxnn_agent.fleet import sweep_file, synth
from dxnn_agent.settings_sources import load
from rehearsal.terraform_module import write_provider
from tests.terraform import environment_file
from tests.terraform.aws import Aws
from tests.terraform.conftest import BUCKET
from tests.terraform.engine import Terraform

# What Terraform would take for a template, and what a shell, TOML or systemd would not leave alone.
WORDS = ["/usr/bin/train", "${HOME}", "%{ if }", "$${x} %%{y} $$${z}", '"q" \\ ü']

SWEEP = f"""
name = "sweep"

[variables]
s3_bucket = "{BUCKET}"
name = "fleet"

[job]
volume_size = 40
trainer_command = {json.dumps(WORDS, ensure_ascii=False)}
environment = {{ RAW = "${{HOME}} $${{x}}", LEVEL = 3 }}

[grid]
experiment = ["a", "b"]

[grid.environment]
XOR_SEED = {{ from = 1, to = SEEDS }}
"""

IDS = ["sweep-a-1", "sweep-a-2", "sweep-b-1", "sweep-b-2"]


def synthesised(directory: Path, seeds: int, aws: Aws) -> Path:
    """Write the sweep, and beside it the provider; return the stack's directory."""
    sweep = directory / "sweep.toml"
    sweep.write_text(SWEEP.replace("SEEDS", str(seeds)), encoding="utf-8")
    stack = synth.synth(sweep_file.read(sweep), directory / "out")
    write_provider(stack, aws.endpoint)
    return stack


def desired(aws: Aws) -> dict[str, int]:
    groups = aws.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    return {group["AutoScalingGroupName"]: group["DesiredCapacity"] for group in groups}


def test_the_life_of_a_sweep(aws: Aws, tmp_path: Path) -> None:
    terraform = Terraform(synthesised(tmp_path, 2, aws))
    terraform.init()
    terraform.validate()
    terraform.apply()
    assert not terraform.differs()
    assert desired(aws) == {f"fleet-{job_id}": 1 for job_id in IDS}
    jobs = terraform.outputs()["jobs"]
    assert sorted(jobs) == IDS
    assert jobs[IDS[0]]["results"] == f"s3://{BUCKET}/dxnn/{IDS[0]}/"
    check_an_instance_gets_it_to_the_letter(aws, tmp_path / "agent.toml")

    # The output is all there is to it: moved, it goes on where it was.
    (tmp_path / "out").rename(tmp_path / "moved")
    terraform = Terraform(tmp_path / "moved/stacks/sweep")
    terraform.init()
    assert not terraform.differs()

    terraform.destroy()
    assert aws.left() == {}


def check_an_instance_gets_it_to_the_letter(aws: Aws, toml: Path) -> None:
    files = aws.files("fleet-sweep-b-2")
    toml.write_text(files["/etc/dxnn/agent.toml"]["content"], encoding="utf-8")
    settings = load({}, {}, toml)
    assert settings.trainer_command == [*WORDS, "--experiment", "b"]
    assert (settings.s3_bucket, settings.job_id) == (BUCKET, "sweep-b-2")
    environment = environment_file.parse(files["/etc/dxnn/trainer.env"]["content"])
    assert environment == {"LEVEL": "3", "RAW": "${HOME} $${x}", "XOR_SEED": "2"}
    (disk,) = aws.template("fleet-sweep-b-2")["BlockDeviceMappings"]
    assert disk["Ebs"]["VolumeSize"] == 40


def test_a_sweep_that_shrinks_leaves_the_other_jobs_alone(aws: Aws, tmp_path: Path) -> None:
    terraform = Terraform(synthesised(tmp_path, 2, aws))
    terraform.init()
    terraform.apply()
    finished = "fleet-sweep-a-1"
    aws.autoscaling.set_desired_capacity(AutoScalingGroupName=finished, DesiredCapacity=0)
    synthesised(tmp_path, 1, aws)
    changes = terraform.changes()
    assert {tuple(actions) for actions in changes.values()} == {("delete",)}
    assert all('-2"]' in address for address in changes)
    terraform.apply()
    left = {f"fleet-{job_id}": 1 for job_id in IDS if job_id.endswith("-1")}
    assert desired(aws) == {**left, finished: 0}
    terraform.destroy()
    assert aws.left() == {}
