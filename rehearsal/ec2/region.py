"""A region of AWS on this machine: its APIs, its machines and their metadata, in one network."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rehearsal.cloud import ROOT_KEY
from rehearsal.ec2 import api, base_image, cleanup, decisions, network, reconciler
from rehearsal.ec2.cache import forget_unused
from rehearsal.ec2.layers import Layers
from rehearsal.ec2.machine import Machine
from rehearsal.ec2.reconciler import Change, Loop, Reconciler
from rehearsal.metadata_service import MetadataService
from rehearsal.metadata_state import NOTICE_SECONDS, Metadata

NAME = "us-east-1"

# As `packer/` looks for it: https://wiki.debian.org/Cloud/AmazonEC2Image
DEBIAN = "136693071363"
BASE_NAME = "debian-13-amd64-20251117-2299"

_METADATA_PORT = 80
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Region:
    """What a rehearsal does with EC2 beside what it asks of its API at `api.ENDPOINT`."""

    directory: Path
    _reconciler: Reconciler
    _loop: Loop

    def client(self, service: Any) -> Any:
        """Make a boto3 client for one of the APIs."""
        self.check()
        import boto3
        from botocore.config import Config

        # Keys and proxies of whoever rehearses have no business here.
        session = boto3.session.Session(ROOT_KEY, ROOT_KEY, region_name=NAME)
        return session.client(service, endpoint_url=api.ENDPOINT, config=Config(proxies={}))

    def register(self, name: str, disk: Layers, architecture: str = "x86_64") -> str:
        """Register an image of our own whose disk is here already; give its id."""
        return register(self._reconciler, name, disk, architecture)

    def disk_of(self, image_id: str) -> Layers:
        """Give the layers of an image. Raises KeyError."""
        return self._reconciler.images[image_id]

    def machine(self, instance_id: str) -> Machine:
        """Give an instance's machine: its console, and commands in it. Raises KeyError."""
        self.check()
        return self._reconciler.seat(instance_id).machine

    def metadata(self, instance_id: str) -> Metadata:
        """Give the side of an instance's metadata on which EC2 announces. Raises KeyError."""
        self.check()
        return self._reconciler.seat(instance_id).metadata

    def interrupt(self, instance_id: str, in_seconds: float = NOTICE_SECONDS) -> datetime:
        """Give a Spot notice, and take the instance at its time, if it still runs; say when."""
        return self._reconciler.interrupt(instance_id, in_seconds)

    def cut(self, instance_id: str) -> None:
        """Take an instance without a word, in the middle of whatever it does."""
        self._reconciler.cut(instance_id)

    @property
    def changes(self) -> list[Change]:
        """The states that instances entered, oldest first."""
        self.check()
        return list(self._reconciler.changes)

    def check(self) -> None:
        """Raise what keeps the machines from being what EC2 says."""
        if self._loop.failure is not None:
            raise self._loop.failure


@contextlib.contextmanager
def region(
    *,
    binds: Mapping[str, Path] = _NOTHING,
    environment: Mapping[str, str] = _NOTHING,
    power_off_seconds: float = decisions.POWER_OFF_SECONDS,
    kept: Sequence[str] = (),
    cache: Path = base_image.CACHE,
) -> Iterator[Region]:
    """Run a region with Debian's image while the block lasts; nothing of it is left afterwards.

    Machines may read `binds` (paths in them, mapped to paths here), and their services see
    `environment` beside AWS_ENDPOINT_URL. What they wrote to the paths `kept` outlives their disks
    as `Machine.written`. Policies are enforced; the root user's key is `cloud.ROOT_KEY`. The
    calling thread gets the region's network: start here what is to reach it. Needs root. Raises
    RehearsalError.
    """
    base = base_image.ensure(cache)
    forget_unused(cache)
    with contextlib.ExitStack() as stack:
        stack.enter_context(network.own_network())
        directory = stack.enter_context(cleanup.run_directory(cache / "runs"))
        stack.enter_context(api.serve(directory / "api.log", cleanup.mark(directory)))
        given = {"AWS_ENDPOINT_URL": api.ENDPOINT, **environment}
        surroundings = reconciler.Surroundings(directory, given, binds, power_off_seconds, kept)
        running = Reconciler(surroundings)
        register(running, BASE_NAME, (base,), owner=DEBIAN)
        stack.enter_context(
            MetadataService(running.whose, host=network.METADATA, port=_METADATA_PORT)
        )
        loop = stack.enter_context(reconciler.reconciling(running))
        yield Region(directory, running, loop)


def register(
    running: Reconciler,
    name: str,
    disk: Layers,
    architecture: str = "x86_64",
    owner: str | None = None,
) -> str:
    """Register an image, of another account where `owner` is given; give its id."""
    told = {"region": NAME, "name": name, "architecture": architecture}
    image_id: str = api.ask("image", told | ({"owner": owner} if owner else {}))["id"]
    running.images[image_id] = disk
    return image_id
