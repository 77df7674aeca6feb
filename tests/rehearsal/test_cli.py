"""The rehearsal's command line, as a user types it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rehearsal.metadata_client import Client
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
REHEARSAL = [sys.executable, "-m", "rehearsal"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*REHEARSAL, *arguments], cwd=ROOT, check=False, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("command", ["demo", "rehearse", "metadata"])
def test_help_has_an_example_of_every_option_that_is_not_obvious(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"python -m rehearsal {command}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--trainer-command", "true"], "--trainer-command and --checkpoint-command"),
        (["--checkpoint-command", "true"], "--trainer-command and --checkpoint-command"),
        (["--artifacts", "*"], "--trainer-command and --checkpoint-command"),
        (["--trainer", "rehearsal"], "holds no benchmarker.erl"),
        (["--keep", "rehearsal"], "--keep takes a new or an empty directory"),
    ],
)
def test_what_cannot_be_played_is_one_sentence(arguments: list[str], sentence: str) -> None:
    done = run("demo", *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_erlang_it_says_so() -> None:
    done = subprocess.run(
        [*REHEARSAL, "demo"],
        cwd=ROOT,
        env={"PATH": "/nonexistent"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "Erlang is needed" in done.stderr
    assert len(done.stderr.splitlines()) == 1


IS_ROOT = os.geteuid() == 0
NOT_ROOT = ["unshare", "--user"] if IS_ROOT else []


def can_be_another() -> bool:
    return not IS_ROOT or subprocess.run([*NOT_ROOT, "true"], check=False).returncode == 0


@pytest.mark.parametrize(
    ("prefix", "path", "sentence"),
    [
        pytest.param(
            NOT_ROOT,
            os.defpath,
            "needs root: sudo make rehearse",
            marks=pytest.mark.skipif(not can_be_another(), reason="no user namespaces here"),
        ),
        pytest.param(
            [],
            "/nonexistent",
            "packer, debootstrap, systemd-nspawn, journalctl, ip not found",
            marks=pytest.mark.skipif(not IS_ROOT, reason="who is not root is told that first"),
        ),
    ],
)
def test_where_machines_cannot_boot_it_says_so(
    prefix: list[str], path: str, sentence: str, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    done = subprocess.run(
        [*prefix, *REHEARSAL, "rehearse", "--keep", str(kept)],
        cwd=ROOT,
        env={"PATH": path},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not kept.exists()


def test_the_metadata_service_stands_alone() -> None:
    with subprocess.Popen(
        [*REHEARSAL, "metadata", "--notice-after", "0.5", "--notice-seconds", "90"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as service:
        assert service.stdout is not None
        name, _, endpoint = service.stdout.readline().strip().partition("=")
        assert name == "export AWS_EC2_METADATA_SERVICE_ENDPOINT"
        client = Client(endpoint)
        answer = wait_until(
            lambda: next(
                (a for a in [client.get("meta-data/spot/instance-action")] if a.status == 200), None
            ),
            "the notice",
        )
        assert answer is not None
        assert json.loads(answer.text)["action"] == "terminate"
        service.send_signal(signal.SIGINT)
        assert service.wait(timeout=10) == 0


def test_a_port_that_is_taken_is_told() -> None:
    with subprocess.Popen(
        [*REHEARSAL, "metadata"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout is not None
        port = service.stdout.readline().strip().rpartition(":")[2]
        done = run("metadata", "--port", port)
        service.send_signal(signal.SIGINT)
    assert done.returncode == 2
    assert f"port {port} can't be had" in done.stderr
