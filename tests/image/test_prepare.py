"""What the first unit tells systemd of the settings, and the trainer's environment."""

import grp
import os
import stat
import subprocess
from pathlib import Path

import pytest

from dxnn_agent.commands import prepare
from dxnn_agent.errors import UsageError
from dxnn_agent.settings import Settings
from dxnn_agent.settings_sources import load
from tests.image.places import UNITS


def settings(**options: object) -> Settings:
    needed = {"s3_bucket": "bucket", "job_id": "job", "container_name": "name"}
    return load({**needed, **options}, {})


def test_the_interval_replaces_the_installed_one() -> None:
    drop_ins = prepare.drop_ins(settings(checkpoint_interval_seconds="42"))
    timer = drop_ins["dxnn-checkpoint.timer.d/settings.conf"]
    assert timer == "[Timer]\nOnActiveSec=\nOnActiveSec=42s\nOnUnitActiveSec=42s\n"


def test_an_interval_of_0_turns_the_timer_off() -> None:
    drop_ins = prepare.drop_ins(settings(checkpoint_interval_seconds="0"))
    # Nothing is masked, which systemd would call a failure of the unit.
    assert drop_ins["dxnn-checkpoint.timer.d/settings.conf"] == "[Unit]\nConditionPathExists=!/\n"


def test_container_name_is_the_trainers_name_in_the_journal() -> None:
    drop_ins = prepare.drop_ins(settings(container_name="xor-1"))
    assert drop_ins["dxnn-run.service.d/settings.conf"] == "[Service]\nSyslogIdentifier=xor-1\n"


def test_a_path_may_hold_anything() -> None:
    drop_ins = prepare.drop_ins(settings(checkpoint_dir='/mnt/my "data" 100%\\x'))
    line = 'ReadWritePaths="/mnt/my \\"data\\" 100%%\\\\x"\n'
    for name in ("restore", "run", "watch", "checkpoint", "finalize"):
        assert line in str(drop_ins[f"dxnn-{name}.service.d/paths.conf"])
        assert (UNITS / f"dxnn-{name}.service").exists()


def test_files_follow_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job with another interval after one with 0 finds its timer again."""
    ran: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: ran.append(command))
    timer = tmp_path / "dxnn-checkpoint.timer.d/settings.conf"
    service = tmp_path / "dxnn-run.service.d/settings.conf"
    drop_ins = prepare.drop_ins(settings(checkpoint_interval_seconds="0"))
    prepare.tell_systemd(drop_ins, tmp_path)
    assert "Condition" in timer.read_text(encoding="utf-8")
    assert service.exists()
    drop_ins = prepare.drop_ins(settings(checkpoint_interval_seconds="7"))
    prepare.tell_systemd({**drop_ins, "dxnn-run.service.d/settings.conf": None}, tmp_path)
    assert "7s" in timer.read_text(encoding="utf-8")
    assert "Condition" not in timer.read_text(encoding="utf-8")
    assert not service.exists()
    assert ran == [["systemctl", "daemon-reload"]] * 2


@pytest.fixture
def readable_by_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take this user's group for the agent's, which is there on the image only."""
    own = grp.getgrgid(os.getegid())
    monkeypatch.setattr(prepare, "getgrnam", {"dxnn-agent": own}.__getitem__)


@pytest.mark.usefixtures("readable_by_its_group")
def test_there_is_always_an_environment_of_the_trainers_own(tmp_path: Path) -> None:
    """Without the file the trainer would inherit the agent's."""
    file = tmp_path / "trainer.env"
    prepare.keep_environment(file)
    assert file.read_bytes() == b""
    assert stat.filemode(file.stat().st_mode) == "-rw-r-----"


@pytest.mark.skipif(os.geteuid() != 0, reason="the file has to be root's")
@pytest.mark.usefixtures("readable_by_its_group")
def test_what_cloud_init_wrote_is_kept_and_given_to_the_agent(tmp_path: Path) -> None:
    file = tmp_path / "trainer.env"
    file.touch(0o600)
    file.write_text('XOR_SEED="7"\n')
    prepare.keep_environment(file)
    assert file.read_text() == 'XOR_SEED="7"\n'
    assert stat.filemode(file.stat().st_mode) == "-rw-r-----"


@pytest.mark.skipif(os.geteuid() != 0, reason="the file has to be root's")
@pytest.mark.usefixtures("readable_by_its_group")
@pytest.mark.parametrize(
    ("owner", "text", "why"),
    [(0, "XOR_SEED: 7\n", "line 1"), (65534, "", "root's")],
)
def test_an_environment_that_is_none_is_refused(
    tmp_path: Path, owner: int, text: str, why: str
) -> None:
    file = tmp_path / "trainer.env"
    file.write_text(text)
    os.chown(file, owner, owner)
    with pytest.raises(UsageError, match=why):
        prepare.keep_environment(file)
