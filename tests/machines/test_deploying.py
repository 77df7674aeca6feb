"""What docs/deploying.md and docs/image.md tell to type beside a job, and on its machine.

The whole life of a job, by hand: deployed, looked at, changed, stopped, started again, ended.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from rehearsal.chain import leftovers
from rehearsal.ec2 import api
from rehearsal.ec2.region import Region
from tests.documents.aws_proxy import aws_proxy
from tests.documents.shown import ROOT
from tests.documents.typist import Typist
from tests.fault_proxy import FaultProxy
from tests.machines.instances import launch, profile
from tests.machines.jobs import ENVIRONMENT, Job
from tests.machines.trainees import Trainee
from tests.waiting import wait_until

# Ends by somebody's hand only.
ENDLESS = {"XOR_EVALUATIONS": "1000000"}

_FOLLOWED_SECONDS = 2


def variables() -> str:
    """Give what the document says that `terraform.tfvars` holds."""
    page = (ROOT / "docs/deploying.md").read_text(encoding="utf-8")
    (text,) = re.findall(
        r"`terraform.tfvars` holds two things:\n\n```hcl\n(.*?)```", page, re.DOTALL
    )
    return str(text)


def on(
    trainee: Trainee, typist: Typist, name: str, *, user: str = "admin", follows: bool = False
) -> str:
    """Log in to a machine and type a command; what follows something is ended after a while."""
    text = typist.text(name)
    if follows:
        text = f"timeout --signal=INT {_FOLLOWED_SECONDS} {text}"
    ended = trainee.machine.run(["runuser", "--login", user, "--command", text], seconds=60)
    assert follows or ended.returncode == 0, (name, ended.stdout, ended.stderr)
    return ended.stdout


@pytest.mark.usefixtures("image")
@pytest.mark.types(
    "export AWS_PROFILE=mine AWS_REGION=us-east-1",
    "terraform init",
    "terraform apply",
    "aws s3 ls --recursive s3://my-trainings/dxnn/xor/",
    "systemctl list-units 'dxnn-*' --all",
    "sudo cat /var/log/dxnn-run.log",
    "tail -f /var/log/dxnn-run.log",
    "journalctl -t xor -f",
    "journalctl --unit 'dxnn-*' --follow",
    "journalctl -u 'dxnn-*' -b",
    "systemctl list-timers 'dxnn-*'",
    "sudo dxnn-agent finalize --dry-run",
    "sudo systemctl start dxnn-checkpoint",
    "dxnn-agent doctor",
    "systemd-analyze security",
    "aws ec2 describe-spot-price-history --product-descriptions Linux/UNIX"
    ' --start-time "$(date -u +%FT%TZ)" --instance-types c6i.large m6i.large',
    "aws autoscaling describe-scaling-activities --auto-scaling-group-name dxnn-xor",
    "instance=$(aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names dxnn-xor"
    " --query 'AutoScalingGroups[].Instances[].InstanceId' --output text)",
    'aws ec2 get-console-output --latest --instance-id "$instance"',
    "aws autoscaling terminate-instance-in-auto-scaling-group"
    ' --no-should-decrement-desired-capacity --instance-id "$instance"',
    "aws autoscaling terminate-instance-in-auto-scaling-group"
    ' --should-decrement-desired-capacity --instance-id "$instance"',
    "aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names dxnn-xor"
    " --query 'AutoScalingGroups[].SuspendedProcesses'",
    "aws ec2 describe-instances --filters Name=tag:dxnn:deployment,Values=dxnn",
    "dxnn-agent prepare",
    "terraform output -json jobs",
    "systemctl stop dxnn-run",
    "aws s3 sync s3://my-trainings/dxnn/xor/ xor/",
    "cat xor/run-*/dxnn-run.log",
    "terraform destroy",
)
def test_a_job_by_hand(typist: Typist, region: Region, s3: FaultProxy, tmp_path: Path) -> None:
    mine, instance = "export AWS_PROFILE", "instance="
    terminate = "aws autoscaling terminate-instance-in-auto-scaling-group"
    clients = {name: region.client(name) for name in ("autoscaling", "ec2", "s3")}
    clients["s3"].create_bucket(Bucket="my-trainings")
    (typist.clone / "terraform.tfvars").write_text(variables(), encoding="utf-8")
    job = Job("xor", "dxnn", region, s3, clients, "my-trainings")
    with aws_proxy(tmp_path / "proxy", api.ENDPOINT) as reached:
        keys = {one: reached.pop(one) for one in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        lines = [f"{name.lower()} = {value}\n" for name, value in keys.items()]
        (typist.home / ".aws").mkdir()
        (typist.home / ".aws/credentials").write_text(f"[mine]\n{''.join(lines)}")
        typist.environment |= reached
        typist.environment["TF_VAR_environment"] = json.dumps(ENVIRONMENT | ENDLESS)

        told = typist.type(mine, "terraform init", "terraform apply", answer="yes\n")
        assert "Apply complete!" in told
        first = job.trainee(1)
        first.await_position((1, 10))
        assert "/dxnn-run.log" in typist.type(mine, "aws s3 ls")

        assert "dxnn-run.service" in on(first, typist, "systemctl list-units")
        assert "STATE: RUN_START" in on(first, typist, "sudo cat")
        assert "STATE: RUN_START" in on(first, typist, "tail -f", follows=True)
        assert "generation" in on(first, typist, "journalctl -t xor", follows=True)
        assert "generation" in on(first, typist, "journalctl --unit", follows=True)
        assert "STATE: RESTORE_NONE" in on(first, typist, "journalctl -u")
        assert "dxnn-checkpoint.timer" in on(first, typist, "systemctl list-timers")
        assert "_SUCCESS" in on(first, typist, "sudo dxnn-agent finalize --dry-run")
        on(first, typist, "sudo systemctl start dxnn-checkpoint")
        assert first.said("CHECKPOINT_OK")
        on(first, typist, "dxnn-agent doctor", user="root")
        on(first, typist, "dxnn-agent prepare", user="root")
        assert "dxnn-run.service" in on(first, typist, "systemd-analyze security")

        assert first.id in typist.type(mine, "aws ec2 describe-instances")
        assert "Launch" not in typist.type(mine, "aws autoscaling describe-auto-scaling-groups")
        typist.type(mine, "aws ec2 describe-spot-price-history")
        assert "Activities" in typist.type(mine, "aws autoscaling describe-scaling-activities")
        assert first.id in typist.type(mine, instance, "aws ec2 get-console-output")

        typist.type(mine, instance, f"{terminate} --no-should-decrement")
        second = job.trainee(2)
        second.await_event("RESTORE_OK")
        second.await_event("RUN_START")
        assert [one.sentinel["reason"] for one in job.runs if one.sentinel] == ["shutdown"]

        typist.type(mine, instance, f"{terminate} --should-decrement")
        second.await_state("terminated")
        assert second.said("FINALIZE_SUCCESS", reason="shutdown")
        assert job.desired == 0

        jobs = json.loads(typist.type("terraform output -json jobs"))
        again = f"{typist.text(mine)}\n{jobs['xor']['start_again']}"
        subprocess.run(["bash", "-ec", again], env=typist.environment, check=True)
        third = job.trainee(3)
        third.await_event("RUN_START")
        on(third, typist, "systemctl stop dxnn-run", user="root", follows=True)
        third.await_state("terminated")
        assert third.said("FINALIZE_SUCCESS", reason="shutdown")

        assert "download: " in typist.type(mine, "aws s3 sync")
        assert "STATE: RUN_START" in typist.type("cat xor")
        assert "Destroy complete!" in typist.type(mine, "terraform destroy", answer="yes\n")
    wait_until(lambda: not leftovers.in_cloud(region), "the last instance to be gone", 60)


_WRONG = """\
#cloud-config
write_files:
- path: /etc/dxnn/agent.toml
  content: |
    s3_bucket = "corrected"
    job_id = "corrected"
    container_name = "corrected"
    poll_interval_seconds = "often"
"""


@pytest.mark.usefixtures("s3")
@pytest.mark.types("sudo systemctl start dxnn-run dxnn-watch")
def test_settings_that_are_corrected(typist: Typist, region: Region, image: str) -> None:
    region.client("s3").create_bucket(Bucket="corrected")
    allowed = profile(region, [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}])
    options = {"UserData": _WRONG, "IamInstanceProfile": {"Name": allowed}}
    trainee = Trainee(launch(region, image=image, **options), region)
    wait_until(
        lambda: any("poll_interval_seconds" in line for line in trainee.machine.lines()),
        "the sentence on the console",
    )
    trainee.machine.run(["sed", "-i", "/poll/d", "/etc/dxnn/agent.toml"])
    on(trainee, typist, "sudo systemctl start dxnn-run dxnn-watch")
    trainee.await_event("WATCH_START")
    trainee.await_event("RUN_START")
