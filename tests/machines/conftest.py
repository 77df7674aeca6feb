"""A region of EC2 for each module of tests, with machines that really boot. Needs root."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.ec2 import bake, base_image
from rehearsal.ec2.region import Region
from rehearsal.ec2.region import region as run_region


@pytest.fixture(scope="session")
def packages() -> Path:
    """Return what the image installs, fetched where it is not in the cache."""
    if os.geteuid() != 0:
        pytest.skip("booting machines needs root")
    return bake.host_packages()


@pytest.fixture(scope="module")
def region(packages: Path) -> Iterator[Region]:
    """Run a region; until the module's end its network is that of the tests."""
    binds = {base_image.PACKAGES: packages}
    with run_region(binds=binds, power_off_seconds=20) as running:
        yield running


@pytest.fixture(scope="module")
def image(region: Region) -> str:
    """Return the image, baked by Packer unless one of the same files is in the cache."""
    if shutil.which("packer") is None:
        pytest.skip("there is no Packer here")
    return bake.image(region, {}, print)
