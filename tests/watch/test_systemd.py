"""What systemd hears from `watch`, over a real notification socket."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bucket import Bucket
from tests.machine import Machine
from tests.waiting import wait_until


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(20)
        yield listening


def test_watch_says_that_it_is_ready_and_then_that_it_is_alive(
    machine: Machine, heard: socket.socket, tmp_path: Path
) -> None:
    watching = machine.start("watch", env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
    assert heard.recv(100) == b"READY=1"
    machine.wait_for("WATCH_START")
    for _ in range(3):
        assert heard.recv(100) == b"WATCHDOG=1"
    watching.kill()


def test_a_notice_before_there_is_a_run_is_kept_for_the_run(
    machine: Machine, bucket: Bucket
) -> None:
    machine.metadata.notice()
    watching = machine.start("watch")
    machine.wait_for("DETECTED")
    time.sleep(1)
    assert watching.process.poll() is None
    assert len(machine.events("DETECTED")) == 1
    assert machine.agent("restore").code == 0
    assert watching.result().code == 0
    sentinel = bucket.sentinel(bucket.only_run())
    assert (sentinel["reason"], sentinel["exit_code"]) == ("spot_interruption", None)
    wait_until(lambda: machine.poweroffs() == 1, "the poweroff")
    assert machine.agent("run").code == 0
