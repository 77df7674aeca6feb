"""The units: their sandbox, and the order on which a job's safety rests.

That they work is shown on real machines; the build verifies them again with Debian 13's systemd.
"""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from dxnn_agent.machine import systemd
from tests.image.places import UNITS

SERVICES = sorted(path.name for path in UNITS.glob("dxnn-*.service"))
AGENTS = ("restore", "run", "watch", "checkpoint", "finalize")


def unit(name: str) -> Mapping[str, list[str]]:
    """Read a unit's values by key; words of repeated keys are put together."""
    values: dict[str, list[str]] = {}
    for line in (UNITS / name).read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            values.setdefault(key, []).extend(value.split())
    return values


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a root folder with the units as the image has them."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(UNITS, root / "usr/local/lib/systemd/system")
    return root


def exposure(root: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Ask systemd; the code is 1 where the exposure is above 2.0."""
    command = ["systemd-analyze", "security", "--offline=true", f"--root={root}"]
    return subprocess.run(
        [*command, "--threshold=20", "--no-pager", name],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("name", SERVICES)
def test_exposure_is_at_most_2_0(installed: Path, name: str) -> None:
    done = exposure(installed, name)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


def test_without_the_sandbox_it_would_be_more(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(installed, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "usr/local/lib/systemd/system/dxnn-.service.d")
    assert exposure(tmp_path, "dxnn-run.service").returncode != 0


@pytest.mark.parametrize("name", AGENTS)
def test_the_agent_is_never_root(name: str) -> None:
    assert unit(f"dxnn-{name}.service")["User"] == ["dxnn-agent"]


@pytest.mark.parametrize("name", SERVICES)
def test_the_trainers_environment_is_no_units(name: str) -> None:
    assert "EnvironmentFile" not in unit(name)


def test_the_agent_knows_its_units() -> None:
    assert set(systemd.UNITS) == set(AGENTS)


def test_no_trainer_before_restore_has_answered() -> None:
    run = unit("dxnn-run.service")
    assert "dxnn-restore.service" in run["Requires"]
    assert "dxnn-restore.service" in run["After"]


@pytest.mark.parametrize("name", AGENTS)
def test_nothing_starts_with_wrong_settings(name: str) -> None:
    described = unit(f"dxnn-{name}.service")
    assert "dxnn-prepare.service" in described["Requires"]
    assert "dxnn-prepare.service" in described["After"]


def test_the_network_outlives_the_finalization() -> None:
    assert {"network-online.target", "nss-lookup.target", "systemd-networkd.service"} <= set(
        unit("dxnn-run.service")["After"]
    )


@pytest.mark.parametrize("name", ["run", "watch"])
def test_a_shutdown_leaves_trainer_and_checkpoint_command_to_the_agent(name: str) -> None:
    assert unit(f"dxnn-{name}.service")["KillMode"] == ["mixed"]


@pytest.mark.parametrize("name", ["restore", "run", "watch", "finalize"])
def test_nothing_starts_on_a_machine_that_goes_down(name: str) -> None:
    conditions = unit(f"dxnn-{name}.service")["ConditionPathExists"]
    asked_for = unit("dxnn-poweroff.path")["PathExists"][0]
    assert conditions == [f"!{asked_for}"]


def test_settings_that_are_wrong_are_not_tried_again() -> None:
    for name in ("restore", "run", "watch"):
        assert "2" in unit(f"dxnn-{name}.service")["RestartPreventExitStatus"]
