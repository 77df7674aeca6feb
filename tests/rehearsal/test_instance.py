"""An instance boots, powers itself off, is taken, and is told when it can't boot."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rehearsal import instance as instances
from rehearsal.cloud import Cloud, cloud
from rehearsal.errors import RehearsalError
from rehearsal.instance import Instance
from tests.waiting import wait_until

SETTINGS: Mapping[str, object] = {"job_id": "xor", "container_name": "dxnn-app"}
TRAINER = """
import json, os, pathlib
found = pathlib.Path("benchmarks/environment.json")
found.parent.mkdir()
found.write_text(json.dumps(dict(os.environ)))
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture
def image(tmp_path: Path) -> Path:
    made = tmp_path / "image"
    made.mkdir()
    return made


def test_it_boots_trains_and_powers_itself_off(
    here: Cloud, tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the caller's")
    monkeypatch.setenv("DXNN_JOB_ID", "the caller's")
    settings = {**SETTINGS, "trainer_command": [sys.executable, "-c", TRAINER]}
    with instances.launched(here, tmp_path / "one", "one", image, settings) as one:
        one.boot({"EXTRA": "told"}, checkpoint_interval_seconds=0)
        wait_until(lambda: one.is_down, "the power-off")
        assert one.processes() == []
        assert one.poweroffs == 1
        assert not one.reclaimed
        assert here.state_of(one.machine.instance_id) == "terminated"
        found = one.tree.trainer_directory / "benchmarks/environment.json"
        environment = json.loads(found.read_text(encoding="utf-8"))
    assert environment["EXTRA"] == "told"
    assert environment["DXNN_JOB_ID"] == "xor"
    assert not [name for name in environment if "KEY" in name]
    assert list(image.iterdir()) == []


def bystander(one: Instance) -> subprocess.Popen[bytes]:
    """Start a process of the instance's that would never end by itself."""
    return subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env=dict([one.mark.split("=")]),
    )


def test_it_is_taken_when_its_notice_has_run_out(here: Cloud, tmp_path: Path, image: Path) -> None:
    with instances.launched(here, tmp_path / "one", "one", image, SETTINGS) as one:
        process = bystander(one)
        one.notice(in_seconds=0.5)
        wait_until(lambda: one.is_down, "the interruption")
        assert process.wait(timeout=10) != 0
        assert one.reclaimed
        assert here.state_of(one.machine.instance_id) == "terminated"


def test_leaving_the_block_ends_its_processes(here: Cloud, tmp_path: Path, image: Path) -> None:
    with instances.launched(here, tmp_path / "one", "one", image, SETTINGS) as one:
        process = bystander(one)
        wait_until(one.processes, "the process")
    assert process.wait(timeout=10) != 0
    assert one.processes() == []


def test_an_instance_that_cannot_boot_is_told_of(here: Cloud, tmp_path: Path, image: Path) -> None:
    settings = {**SETTINGS, "job_id": "no job's name"}
    with instances.launched(here, tmp_path / "one", "one", image, settings) as one:
        one.boot({}, checkpoint_interval_seconds=0)
        with pytest.raises(RehearsalError, match=r"restore .* ended with 2: .*job_id"):
            wait_until(lambda: one.is_down, "the failure")
