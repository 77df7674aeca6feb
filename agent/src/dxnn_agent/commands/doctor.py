"""doctor: whether this machine has what a training job needs, before there is one."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from dxnn_agent.errors import AgentError, UsageError
from dxnn_agent.machine import programs, systemd, trainer, trainer_process, trainer_user
from dxnn_agent.settings import Settings


@dataclass(frozen=True)
class Finding:
    """What one check found, in words."""

    check: str
    ok: bool
    found: str

    def content(self) -> dict[str, object]:
        """The finding for programs, as JSON."""
        return asdict(self)


def examine(settings: Settings) -> list[Finding]:
    """Make every check; none of them changes what the agent goes by, asks AWS or needs a job."""
    checks: dict[str, Callable[[Settings], str]] = {
        "settings": lambda given: f"job {given.job_id} as {given.container_name}",
        "trainer": _trainer,
        "trainer's user": _user,
        "checkpoints": lambda given: trainer.of(given).found(),
        "state_dir": lambda given: _writable_directory(given.state_dir),
        "checkpoint_dir": lambda given: _writable_directory(given.checkpoint_dir),
        "log_file": lambda given: _writable_file(given.log_file),
        "lock_file": lambda given: _writable_file(given.lock_file),
        "units": _units,
    }
    return [_finding(name, check, settings) for name, check in checks.items()]


def _finding(name: str, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(name, ok=True, found=check(settings))
    except AgentError as error:
        return Finding(name, ok=False, found=str(error))
    except OSError as error:
        return Finding(name, ok=False, found=f"{error.filename}: {error.strerror}")


def _trainer(settings: Settings) -> str:
    directory = settings.trainer_directory
    if not directory.is_dir():
        raise UsageError(f"trainer_directory {directory}: there is no such folder")
    return trainer_process.program(settings.trainer_command, directory, "trainer_command")


def _user(settings: Settings) -> str:
    user = trainer_user.of(settings.trainer_directory)
    name = programs.output(user.command("id", ["--user", "--name"]), "the trainer's user")
    programs.output(
        user.command("test", ["-w", str(settings.trainer_directory)]), f"{name} must write there"
    )
    return name


def _units(_: Settings) -> str:
    for name in systemd.UNITS:
        programs.output(
            ["systemctl", "cat", f"dxnn-{name}.service"], f"dxnn-{name}.service is not installed"
        )
    for name in ("run", "watch"):
        programs.output(
            ["systemctl", "is-enabled", f"dxnn-{name}.service"], f"dxnn-{name} is not enabled"
        )
    return ", ".join(f"dxnn-{name}" for name in systemd.UNITS)


def _writable_directory(path: Path) -> str:
    if not path.is_dir():
        raise UsageError(f"{path}: there is no such folder")
    with tempfile.TemporaryFile(dir=path):
        return str(path)


def _writable_file(path: Path) -> str:
    if path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
        return str(path)
    with tempfile.TemporaryFile(dir=path.parent):
        return f"{path}, not there yet"
