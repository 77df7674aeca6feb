"""A hundred jobs in one apply, each on its own, and all of them gone again."""

from pathlib import Path

from tests.terraform.aws import Aws, role
from tests.terraform.conftest import BUCKET
from tests.terraform.engine import ROOT, working_copy

JOBS = [f"seed-{number:03}" for number in range(100)]


def test_a_hundred_jobs(aws: Aws, tmp_path: Path) -> None:
    terraform = working_copy(tmp_path / "module", ROOT, aws.endpoint)
    terraform.configure(
        s3_bucket=BUCKET, jobs={job: {"environment": {"XOR_SEED": job[-3:]}} for job in JOBS}
    )
    terraform.apply()

    names = [f"dxnn-{job}" for job in JOBS]
    left = aws.left()
    named = dict.fromkeys(("templates", "groups", "security groups"), names)
    roles = [role(name) for name in names]
    named |= dict.fromkeys(("roles", "profiles"), roles)
    assert {kind: sorted(left[kind]) for kind in named} == named
    assert len(left["instances"]) == len(JOBS)
    for job in JOBS:
        files = aws.files(f"dxnn-{job}")
        assert f'job_id = "{job}"\n' in files["/etc/dxnn/agent.toml"]["content"]
        assert files["/etc/dxnn/trainer.env"]["content"] == f'XOR_SEED="{job[-3:]}"\n'
    assert not terraform.differs()

    terraform.destroy()
    assert aws.left() == {}
