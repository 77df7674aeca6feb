"""What the first unit tells systemd of the settings."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dxnn_agent.settings import Settings
from dxnn_agent.settings_sources import load
from tests.image.places import FILES, UNITS


@pytest.fixture(scope="module")
def prepare() -> ModuleType:
    path = FILES / "libexec" / "prepare.py"
    spec = importlib.util.spec_from_file_location("image_prepare", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["image_prepare"] = module
    spec.loader.exec_module(module)
    return module


def settings(**options: object) -> Settings:
    needed = {"s3_bucket": "bucket", "job_id": "job", "container_name": "name"}
    return load({**needed, **options}, {})


def test_the_interval_replaces_the_installed_one(prepare: ModuleType) -> None:
    told = prepare.drop_ins(settings(checkpoint_interval_seconds="42"))
    timer = told["dxnn-checkpoint.timer.d/settings.conf"]
    assert timer == "[Timer]\nOnActiveSec=\nOnActiveSec=42s\nOnUnitActiveSec=42s\n"


def test_an_interval_of_0_turns_the_timer_off(prepare: ModuleType) -> None:
    told = prepare.drop_ins(settings(checkpoint_interval_seconds="0"))
    # Nothing is masked, which systemd would call a failure of the unit.
    assert told["dxnn-checkpoint.timer.d/settings.conf"] == "[Unit]\nConditionPathExists=!/\n"


def test_container_name_is_the_trainers_name_in_the_journal(prepare: ModuleType) -> None:
    told = prepare.drop_ins(settings(container_name="xor-1"))
    assert told["dxnn-run.service.d/settings.conf"] == "[Service]\nSyslogIdentifier=xor-1\n"


def test_a_path_may_hold_anything(prepare: ModuleType) -> None:
    told = prepare.drop_ins(settings(checkpoint_dir='/mnt/my "data" 100%\\x'))
    line = 'ReadWritePaths="/mnt/my \\"data\\" 100%%\\\\x"\n'
    for name in ("restore", "run", "watch", "checkpoint", "finalize"):
        assert line in told[f"dxnn-{name}.service.d/paths.conf"]
        assert (UNITS / f"dxnn-{name}.service").exists()


def test_files_follow_the_settings(
    prepare: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job with another interval after one with 0 finds its timer again."""
    ran: list[list[str]] = []
    monkeypatch.setattr(prepare.subprocess, "run", lambda command, **_: ran.append(command))
    timer = tmp_path / "dxnn-checkpoint.timer.d/settings.conf"
    service = tmp_path / "dxnn-run.service.d/settings.conf"
    told = prepare.drop_ins(settings(checkpoint_interval_seconds="0"))
    prepare.tell_systemd(told, tmp_path)
    assert "Condition" in timer.read_text(encoding="utf-8")
    assert service.exists()
    told = prepare.drop_ins(settings(checkpoint_interval_seconds="7"))
    prepare.tell_systemd({**told, "dxnn-run.service.d/settings.conf": None}, tmp_path)
    assert "7s" in timer.read_text(encoding="utf-8")
    assert "Condition" not in timer.read_text(encoding="utf-8")
    assert not service.exists()
    assert ran == [["systemctl", "daemon-reload"]] * 2
