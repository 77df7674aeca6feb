"""What docs/image.md shows: the ways to bake an image, and by hand."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.ec2 import api, base_image
from rehearsal.ec2 import region as regions
from rehearsal.ec2.region import DEBIAN, Region
from tests.checkout import checkout
from tests.documents.aws_proxy import aws_proxy
from tests.documents.typist import Typist
from tests.machines.instances import answers, debian, launch
from tests.waiting import wait_until

FROM_GIT = "packer build -var image_name=traders"
DIRECTORY = "packer build -var dxnn=$HOME/DXNN"
ARM = "packer build -var architecture=arm64"

# Machines find GitHub here.
_HUB = "/srv/github"
_GIT = f'[url "{_HUB}/"]\n\tinsteadOf = https://github.com/\n'


@pytest.fixture(scope="module")
def region(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    """Run a region whose machines reach a repository, and that offers Debian for Graviton."""
    hub = tmp_path_factory.mktemp("hub")
    upstream = checkout(hub / "you/DXNN.git")
    for words in (
        ["init", "--quiet"],
        ["add", "."],
        ["commit", "--quiet", "-m", "v"],
        ["tag", "v1.2"],
    ):
        subprocess.run(
            ["git", "-c", "user.name=you", "-c", "user.email=you@example.com", *words],
            cwd=upstream,
            check=True,
        )
    config = tmp_path_factory.mktemp("git") / "gitconfig"
    config.write_text(_GIT, encoding="utf-8")
    binds = {base_image.PACKAGES: packages, _HUB: hub, "/etc/gitconfig": config}
    with regions.region(binds=binds) as running:
        # Its machines are of this machine's architecture all the same.
        regions.register(
            running._reconciler,
            regions.BASE_NAME.replace("amd64", "arm64"),
            running.disk_of(debian(running)),
            "arm64",
            DEBIAN,
        )
        yield running


@pytest.mark.usefixtures("packer")
@pytest.mark.types(
    "packer build -var image_name=traders -var dxnn=https://github.com/you/DXNN.git"
    " -var dxnn_ref=v1.2 packer/",
    "packer build -var dxnn=$HOME/DXNN -var 'startup=prices:load()' packer/",
    "packer build -var architecture=arm64 packer/",
)
def test_a_trainer_and_a_processor_of_ones_own(
    typist: Typist, region: Region, tmp_path: Path
) -> None:
    checkout(typist.home / "DXNN")
    (typist.clone / "packer/plugins.pkr.hcl").unlink()  # as `packer init` of the programs does
    with aws_proxy(tmp_path / "proxy", api.ENDPOINT) as reached:
        typist.environment |= reached
        typist.environment |= {"PKR_VAR_ssh_interface": "private_ip", "AWS_POLL_DELAY_SECONDS": "1"}
        told = {}
        for name in (FROM_GIT, DIRECTORY, ARM):
            told[name] = typist.type(name)
    assert "start-up: nothing beside polis" in told[FROM_GIT]
    assert "start-up: prices:load()" in told[DIRECTORY]
    images = region.client("ec2").describe_images(Owners=["self"])["Images"]
    tags = [{tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in images]
    keys = ("Image", "Trainer", "TrainerRef", "Architecture")
    assert sorted(tuple(one[key] for key in keys) for one in tags) == [
        ("dxnn-agent", str(typist.home / "DXNN"), "HEAD", "x86_64"),
        ("dxnn-agent", "xor", "HEAD", "arm64"),
        ("traders", "https://github.com/you/DXNN.git", "v1.2", "x86_64"),
    ]


@pytest.mark.types(
    "packer/scripts/install-packages",
    "packer/scripts/install-agent",
    "packer/scripts/install-units",
    "packer/scripts/install-trainer erlang/trainer",
    "packer/scripts/check",
)
def test_by_hand(typist: Typist, region: Region) -> None:
    machine = region.machine(launch(region))
    wait_until(lambda: answers(machine), "systemd")
    (typist.clone / ".venv").unlink()
    shutil.copytree(typist.clone, machine.hardware.directory / "root/root/dxnn-agent")
    for name in typist.names:
        ended = machine.run(
            ["bash", "-ec", f"cd /root/dxnn-agent\n{typist.text(name)}"], seconds=300
        )
        assert ended.returncode == 0, (name, ended.stdout, ended.stderr)
    assert machine.run(["dxnn-agent", "--version"]).returncode == 0
