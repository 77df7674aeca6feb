"""Each of examples/ is planned, applied and destroyed as it stands."""

import re
import shutil
from pathlib import Path

import pytest

from dxnn_agent import __version__
from rehearsal.terraform_module import write_provider
from tests.terraform.aws import Aws
from tests.terraform.conftest import BUCKET
from tests.terraform.engine import ROOT, Terraform

EXAMPLES = sorted(path.name for path in (ROOT / "examples").iterdir())
JOBS = {
    "one-job": {"dxnn-xor"},
    "own-dxnn": {"trader-eurusd", "trader-usdjpy"},
    "private-subnets": {"private-xor"},
    "sweep": {"seeds-reference", *(f"seeds-seed-{seed}" for seed in range(1, 9))},
}


@pytest.fixture
def example(aws: Aws, tmp_path: Path, request: pytest.FixtureRequest) -> Terraform:
    """Return a working copy of an example, below one of the module."""
    aws.add_image("traders-0.1.0-x86_64-20250111120000", Trainer="https://example.org/dxnn")
    for file in (*ROOT.glob("*.tf"), *(ROOT / "examples" / request.param).glob("*.tf")):
        copy = tmp_path / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    directory = tmp_path / "examples" / request.param
    write_provider(directory, aws.endpoint)
    terraform = Terraform(directory)
    terraform.init()
    terraform.configure(s3_bucket=BUCKET)
    return terraform


@pytest.mark.parametrize("example", EXAMPLES, indirect=True)
def test_an_example_from_nothing_to_nothing(aws: Aws, example: Terraform) -> None:
    name = example.directory.name
    before = aws.left()
    terraform = example
    terraform.validate()
    terraform.apply()
    assert not terraform.differs()
    assert set(aws.left()["groups"]) == JOBS[name]
    assert len(terraform.outputs()["jobs"]) == len(JOBS[name])
    if name == "own-dxnn":
        assert terraform.outputs()["image"]["trainer"] == "https://example.org/dxnn"
    if name == "sweep":
        policy = aws.group("seeds-reference")["MixedInstancesPolicy"]
        assert policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 100
        assert 'XOR_SEED="3"' in aws.files("seeds-seed-3")["/etc/dxnn/trainer.env"]["content"]
    if name == "private-subnets":
        (instance,) = aws.instances("private-xor")
        kinds = {
            each["ServiceName"].rpartition(".")[2]: each["VpcEndpointType"]
            for each in aws.ec2.describe_vpc_endpoints()["VpcEndpoints"]
            if each["VpcId"] == instance["VpcId"]
        }
        assert kinds == {"s3": "Gateway", "autoscaling": "Interface"}
    terraform.destroy()
    assert aws.left() == before


def test_sources_name_the_version_to_come() -> None:
    pages = [*ROOT.glob("examples/*/README.md"), ROOT / "README.md", *ROOT.glob("docs/*.md")]
    named = {
        version
        for page in pages
        for version in re.findall(r"dxnn-agent\.git\?ref=v([0-9.]+[0-9])", page.read_text())
    }
    newest = re.findall(r"(?m)^## \[([0-9.]+)\]", (ROOT / "CHANGELOG.md").read_text())[0]
    assert named == {newest}
    assert newest == __version__


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_says_what_it_is_for(name: str) -> None:
    text = (ROOT / "examples" / name / "README.md").read_text(encoding="utf-8")
    assert "?ref=v" in text
    assert f"examples/{name}" in (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
