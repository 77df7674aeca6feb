"""S3 and EC2 on this machine: moto's server in a process of its own, on a free loopback port."""

import contextlib
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rehearsal import power
from rehearsal.errors import RehearsalError
from rehearsal.metadata_documents import Machine

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_s3 import S3Client

REGION = "us-east-1"
BUCKET = "dxnn-checkpoints"
ROOT_KEY = "rehearsal"  # of the account's root user: access key and secret, see moto_permissions

_START_SECONDS = 30
_LISTENING = re.compile(r"Running on (http://127\.0\.0\.1:\d+)")


class Cloud:
    """A running moto server, its one bucket, and what it knows of instances."""

    def __init__(self, endpoint: str, access_log: Path) -> None:
        """Connect to a server; `access_log` is where it writes a line for each request."""
        import boto3
        from botocore.config import Config

        self.endpoint = endpoint
        self.access_log = access_log
        # Keys and proxies of whoever rehearses have no business here.
        session = boto3.session.Session(ROOT_KEY, ROOT_KEY, region_name=REGION)
        settings: Any = {"endpoint_url": endpoint, "config": Config(proxies={})}
        self.s3: S3Client = session.client("s3", **settings)
        self.ec2: EC2Client = session.client("ec2", **settings)
        self.s3.create_bucket(Bucket=BUCKET)
        self._image = self.ec2.register_image(
            Name="dxnn", Architecture="x86_64", RootDeviceName="/dev/xvda"
        )["ImageId"]

    def launch(self, name: str) -> Machine:
        """Record a new Spot instance that EC2 terminates once it powers itself off."""
        launched = self.ec2.run_instances(
            ImageId=self._image,
            InstanceType="c7i.large",
            MinCount=1,
            MaxCount=1,
            InstanceInitiatedShutdownBehavior="terminate",
            InstanceMarketOptions={"MarketType": "spot"},
            TagSpecifications=[
                {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}
            ],
        )["Instances"][0]
        return Machine(
            instance_id=launched["InstanceId"],
            instance_type=launched["InstanceType"],
            image_id=launched["ImageId"],
            region=REGION,
            availability_zone=launched["Placement"]["AvailabilityZone"],
            local_ipv4=launched["PrivateIpAddress"],
            tags={"Name": name},
        )

    def powered_off(self, instance_id: str) -> None:
        """Do what EC2 does when an instance powers itself off: as its shutdown behaviour says."""
        told = self.ec2.describe_instance_attribute(
            InstanceId=instance_id, Attribute="instanceInitiatedShutdownBehavior"
        )
        if told["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate":
            self.reclaim(instance_id)
        else:
            self.ec2.stop_instances(InstanceIds=[instance_id])

    def reclaim(self, instance_id: str) -> None:
        """Record that EC2 took the instance."""
        self.ec2.terminate_instances(InstanceIds=[instance_id])

    def state_of(self, instance_id: str) -> str:
        """Tell the state EC2 shows for an instance, such as `running` or `terminated`."""
        found = self.ec2.describe_instances(InstanceIds=[instance_id])
        return found["Reservations"][0]["Instances"][0]["State"]["Name"]


@contextlib.contextmanager
def cloud(directory: Path) -> Iterator[Cloud]:
    """Run S3 and EC2 while the block lasts; its log lies in `directory`. Raises RehearsalError."""
    directory.mkdir(parents=True, exist_ok=True)
    access_log = directory / "moto.log"
    mark = f"REHEARSAL_CLOUD={secrets.token_hex(8)}"
    with power.guarded(mark):
        with access_log.open("wb") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "rehearsal.moto_server", "-H", "127.0.0.1", "-p", "0"],
                cwd=Path(__file__).parents[1],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={
                    "PATH": os.environ.get("PATH", os.defpath),
                    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",  # thousands of images that nobody uses
                    **dict([mark.split("=", 1)]),
                },
            )
        try:
            yield Cloud(_endpoint(server, access_log), access_log)
        finally:
            server.kill()
            server.wait()


def _endpoint(server: subprocess.Popen[bytes], access_log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if listening := _LISTENING.search(access_log.read_text(encoding="utf-8")):
            return listening[1]
        time.sleep(0.05)
    last = (access_log.read_text(encoding="utf-8").strip() or "it said nothing").splitlines()[-1]
    raise RehearsalError(f"moto's server did not start within {_START_SECONDS} s: {last}")
