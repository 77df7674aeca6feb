"""A region of EC2 for each module of tests, with machines that really boot. Needs root."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.chain import leftovers
from rehearsal.ec2 import api, bake, base_image, network
from rehearsal.ec2.region import Region
from rehearsal.ec2.region import region as run_region
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.machines.plays import Stage, playing
from tests.machines.trainees import KEPT

S3_PORT = 5001  # nobody else is in that network


@pytest.fixture(scope="session")
def packages() -> Path:
    """Return what the image installs, fetched where it is not in the cache."""
    if os.geteuid() != 0:
        pytest.skip("booting machines needs root")
    return bake.host_packages()


@pytest.fixture(scope="module")
def region(request: pytest.FixtureRequest, packages: Path) -> Iterator[Region]:
    """Run a region; until the module's end its network is that of the tests.

    Machines reach S3 by way of the fixture `s3`, and have POWER_OFF_SECONDS for a shutdown, where
    the module has some. Nothing of the region is left afterwards.
    """
    with run_region(
        binds={base_image.PACKAGES: packages},
        environment={"AWS_ENDPOINT_URL_S3": f"http://{network.SERVICES}:{S3_PORT}"},
        power_off_seconds=getattr(request.module, "POWER_OFF_SECONDS", 20),
        kept=KEPT,
    ) as running:
        yield running
    assert leftovers.on_this_machine(running.directory.name) == {}


@pytest.fixture(scope="module")
def s3(region: Region) -> Iterator[FaultProxy]:
    """Return what stands between the region's machines and S3."""
    assert region, "its network is there"
    with fault_proxy(api.PORT, network.SERVICES, S3_PORT) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def packer(packages: Path) -> None:
    """See that images can be baked here."""
    assert packages, "what they install is there"
    if shutil.which("packer") is None:
        pytest.skip("there is no Packer here")


@pytest.fixture(scope="module")
def image(region: Region, packer: None) -> str:
    """Return the image, baked by Packer unless one of the same files is in the cache."""
    assert packer is None, "it is here"
    return bake.image(region, {}, print)


@pytest.fixture(scope="module")
def stage(
    request: pytest.FixtureRequest,
    region: Region,
    image: str,
    s3: FaultProxy,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    """Play what the module calls PLAYS, all at once unless it says AT_A_TIME."""
    assert image, "it is baked"
    plays, at_a_time = request.module.PLAYS, getattr(request.module, "AT_A_TIME", None)
    directory = tmp_path_factory.mktemp("deployment") / "module"
    with playing(region, s3, directory, plays, at_a_time) as running:
        yield running
