"""The two S3 servers of the tests: moto (fast, accepts anything) and SeaweedFS (refuses)."""

import json
import logging
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.loopback import HOST, free_ports
from tests.waiting import wait_until


@dataclass(frozen=True)
class S3Server:
    """Where a server listens on loopback, and the credentials that it takes."""

    port: int
    access_key: str = "AKIATESTTESTTESTTEST"
    secret_key: str = "secret-of-the-tests"

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"


@contextmanager
def moto() -> Iterator[S3Server]:
    """Run moto's server in a thread: conditional writes, but any credentials and checksum."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(HOST, port=0, verbose=False)
    server.start()
    try:
        yield S3Server(server.get_host_and_port()[1])
    finally:
        server.stop()


@contextmanager
def seaweedfs(directory: Path) -> Iterator[S3Server]:
    """Run SeaweedFS below `directory`: it refuses wrong checksums (400) and credentials (403)."""
    *ports, s3_port = free_ports(8)
    server = S3Server(s3_port)
    credentials = {"accessKey": server.access_key, "secretKey": server.secret_key}
    identity = {"name": "tests", "credentials": [credentials], "actions": ["Admin"]}
    identities = directory / "identities.json"
    identities.write_text(json.dumps({"identities": [identity]}))
    data = directory / "data"
    data.mkdir()
    output = directory / "weed.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [*_weed_server(data, identities, ports), f"-s3.port={s3_port}"],
            stdout=log,
            stderr=log,
            cwd=directory,
            env={"HOME": str(directory), "GOMEMLIMIT": "3GiB", "PATH": "/usr/bin:/bin"},
        )
    try:
        wait_until(lambda: _answers(process, server, output), "SeaweedFS to answer", 60)
        yield server
    finally:
        process.kill()
        process.wait()


def _weed_server(data: Path, identities: Path, ports: list[int]) -> list[str]:
    names = ["master.port", "volume.port", "filer.port"]
    named_ports = [*names, *(f"{name}.grpc" for name in names), "s3.port.grpc"]
    return [
        # A test run that is killed takes the server along.
        *("setpriv", "--pdeathsig", "KILL"),
        str(Path(sys.executable).with_name("weed")),
        "server",
        f"-dir={data}",
        f"-ip={HOST}",
        f"-ip.bind={HOST}",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=2000",
        # Each bucket takes seven volumes, empty at first. Reckoned from the free disk they run out.
        "-volume.max=100000",
        "-volume.minFreeSpace=0",
        "-filer",
        "-filer.maxMB=32",
        f"-filer.localSocket={data.parent / 'filer.sock'}",
        "-s3",
        f"-s3.config={identities}",
        "-s3.iam=false",
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.localSocket={data.parent / 's3.sock'}",
        *(f"-{name}={port}" for name, port in zip(named_ports, ports, strict=True)),
    ]


def _answers(process: subprocess.Popen[bytes], server: S3Server, output: Path) -> bool:
    if process.poll() is not None:
        raise AssertionError(f"SeaweedFS ended while starting:\n{output.read_text()[-2000:]}")
    request = urllib.request.Request(f"{server.endpoint}/ready-for-tests", method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=2):
            return True
    except urllib.error.HTTPError as refused:
        return refused.code == 403
    except OSError:
        return False
