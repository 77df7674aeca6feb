"""What every test of the modules starts from: an empty cloud, and working copies."""

from collections.abc import Callable, Iterator

import pytest

from rehearsal.cloud import cloud
from tests.terraform.aws import Aws
from tests.terraform.engine import ROOT, Terraform, working_copy

NewDeployment = Callable[..., Terraform]

BUCKET = "trainings"
IMAGE = "dxnn-agent-0.1.0-x86_64-20250111120000"


@pytest.fixture(scope="session")
def cloud_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of this worker's own cloud."""
    with cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running.endpoint


@pytest.fixture(scope="module")
def aws(cloud_endpoint: str) -> Aws:
    """Return a cloud with an image of our own and a bucket; what other tests left is gone."""
    found = Aws(cloud_endpoint)
    found.reset()
    found.add_image(IMAGE)
    found.s3.create_bucket(Bucket=BUCKET)
    return found


@pytest.fixture(scope="module")
def deploy(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewDeployment]:
    """Return a function that applies the root module; at the end all it made is destroyed."""
    made: list[Terraform] = []

    def apply(**variables: object) -> Terraform:
        directory = tmp_path_factory.mktemp("deployments") / "module"
        terraform = working_copy(directory, ROOT, aws.endpoint)
        terraform.configure(**{"s3_bucket": BUCKET, "jobs": {"xor": {}}, **variables})
        made.append(terraform)
        terraform.apply()
        return terraform

    yield apply
    for terraform in made:
        terraform.destroy()
    assert aws.left() == {}
