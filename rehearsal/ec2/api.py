"""AWS's APIs inside a rehearsal's network: moto's server in a process of its own."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from rehearsal.ec2 import network
from rehearsal.errors import RehearsalError

PORT = 5000  # nobody else is in that network
ENDPOINT = f"http://{network.SERVICES}:{PORT}"

_START_SECONDS = 30
_ANSWER_SECONDS = 30


@contextlib.contextmanager
def serve(log: Path, mark: str) -> Iterator[None]:
    """Serve the APIs at ENDPOINT while the block lasts. Raises RehearsalError."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "rehearsal.ec2.moto_instances",
                "-H",
                network.SERVICES,
                "-p",
                str(PORT),
            ],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",  # thousands of images that nobody uses
                "INITIAL_NO_AUTH_ACTION_COUNT": "0",  # policies are enforced from the beginning
                **dict([mark.split("=", 1)]),
            },
        )
    try:
        _wait(server, log)
        yield
    finally:
        server.kill()
        server.wait()


def ask(verb: str, told: Mapping[str, object] | None = None) -> Any:
    """Ask EC2 itself, past its API; `moto_instances` says what. Raises RehearsalError."""
    connection = HTTPConnection(network.SERVICES, PORT, timeout=_ANSWER_SECONDS)
    try:
        connection.request("POST", f"/moto-api/rehearsal/{verb}", json.dumps(told or {}))
        answer = connection.getresponse()
        body = answer.read()
    except OSError as error:
        raise RehearsalError(f"moto's server does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK:
        raise RehearsalError(f"moto's server answered {verb} with {answer.status}: {body!r}")
    return json.loads(body)


def _wait(server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection((network.SERVICES, PORT), timeout=1).close()
            return
        time.sleep(0.05)
    last = (log.read_text(encoding="utf-8").strip() or "it said nothing").splitlines()[-1]
    raise RehearsalError(f"moto's server did not start: {last}")
