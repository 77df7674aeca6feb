"""doctor: what it looks at, on a machine where all is well but one thing."""

from pathlib import Path

import pytest

from dxnn_agent import settings_sources
from dxnn_agent.commands import doctor

REQUIRED = {"s3_bucket": "bkt", "job_id": "xor", "container_name": "c"}
PATHS = ("trainer_directory", "checkpoint_dir", "state_dir")


@pytest.fixture
def well(tmp_path: Path) -> dict[str, str]:
    for name in PATHS:
        (tmp_path / name).mkdir()
    paths = {name: str(tmp_path / name) for name in (*PATHS, "log_file", "lock_file")}
    return REQUIRED | paths | {"trainer_command": "sh -c true"}


def findings(options: dict[str, str]) -> dict[str, doctor.Finding]:
    examined = doctor.examine(settings_sources.load(options, {}))
    return {finding.check: finding for finding in examined}


def test_all_is_well(well: dict[str, str]) -> None:
    found = findings(well)
    assert [name for name, one in found.items() if not one.ok and name != "units"] == []
    assert "OTP" in found["checkpoints"].found


@pytest.mark.parametrize("name", PATHS)
def test_a_folder_that_is_not_there(well: dict[str, str], name: str, tmp_path: Path) -> None:
    (tmp_path / name).rmdir()
    broken = {check for check, one in findings(well).items() if not one.ok} - {"units"}
    assert broken == ({"trainer", "trainer's user"} if name == "trainer_directory" else {name})


def test_a_program_that_is_not_there(well: dict[str, str]) -> None:
    assert not findings(well | {"trainer_command": "no-such-trainer"})["trainer"].ok
    found = findings(well | {"checkpoint_command": "no-such-command"})["checkpoints"]
    assert not found.ok
    assert "no-such-command" in found.found


def test_a_log_that_can_not_be_written(well: dict[str, str], tmp_path: Path) -> None:
    assert not findings(well | {"log_file": str(tmp_path / "none" / "log")})["log_file"].ok
