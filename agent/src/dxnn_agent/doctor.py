"""doctor: whether this machine has what a training job needs, before there is one."""

import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from dxnn_agent import erlang, owner, trainer
from dxnn_agent.errors import AgentError, UsageError
from dxnn_agent.settings import Settings

UNITS = ("restore", "run", "watch", "checkpoint", "finalize")
_SECONDS = 10


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
        "checkpoints": _checkpoints,
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
    return trainer.program(settings.trainer_command, directory, "trainer_command")


def _user(settings: Settings) -> str:
    user = owner.of(settings.trainer_directory)
    name = _said(user.command("id", ["--user", "--name"]), "the trainer's user")
    _said(user.command("test", ["-w", str(settings.trainer_directory)]), f"{name} must write there")
    return name


def _checkpoints(settings: Settings) -> str:
    if settings.checkpoint_command:
        command, directory = settings.checkpoint_command, settings.trainer_directory
        return trainer.program(command, directory, "checkpoint_command")
    found = erlang.erl_call()
    release = "io:put_chars(erlang:system_info(otp_release)), halt()."
    _said(["erl", "-noinput", "-eval", "ok = application:load(mnesia), halt()."], "mnesia")
    return f"{found}, OTP {_said(['erl', '-noinput', '-eval', release], 'erl')}"


def _units(_: Settings) -> str:
    for name in UNITS:
        _said(["systemctl", "cat", f"dxnn-{name}.service"], f"dxnn-{name}.service is not installed")
    for name in ("run", "watch"):
        _said(["systemctl", "is-enabled", f"dxnn-{name}.service"], f"dxnn-{name} is not enabled")
    return ", ".join(f"dxnn-{name}" for name in UNITS)


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


def _said(command: list[str], what: str) -> str:
    """What a program prints. Raises UsageError, which begins with `what`, where it fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"{what}: {command[0]}: {error}") from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise UsageError(f"{what}" + (f": {lines[-1]}" if lines else ""))
    return done.stdout.strip()
