"""prepare: makes the machine ready for the job that its settings name, as root, once a boot.

Makes directories, log, lock, Erlang's cookie and the trainer's environment with their owners, and
tells systemd by drop-ins what it has to know of the settings.
"""

import contextlib
import os
import pwd
import subprocess
from collections.abc import Mapping
from grp import getgrnam
from pathlib import Path

from dxnn_agent.errors import AgentError, ExitCode, UsageError
from dxnn_agent.machine import erlang_trainer, systemd, trainer_environment
from dxnn_agent.settings import Settings

RUNTIME_UNITS = Path("/run/systemd/system")
_NEVER = "[Unit]\nConditionPathExists=!/\n"


def prepare(settings: Settings) -> ExitCode:
    """Prepare this machine. Raises UsageError, or AgentError where something can't be made."""
    os.umask(0o022)  # folders on the way to what the settings name are for everybody to pass
    try:
        make_files(settings)
        tell_systemd(drop_ins(settings), RUNTIME_UNITS)
    except (OSError, KeyError, subprocess.CalledProcessError) as error:
        raise AgentError(f"the machine can't be prepared: {error}") from error
    return ExitCode.DONE


def drop_ins(settings: Settings) -> Mapping[str, str | None]:
    """What systemd is told, by file below its runtime units; None stands for no such file."""
    # All other directories are read-only to the units.
    written = (
        settings.trainer_directory,
        settings.checkpoint_dir,
        settings.state_dir,
        settings.log_file,
        settings.lock_file,
    )
    paths = "".join(f"ReadWritePaths={_quoted(path)}\n" for path in written)
    seconds = settings.checkpoint_interval_seconds
    name = settings.container_name
    # An empty assignment drops every trigger of the timer as it was installed.
    timer = f"[Timer]\nOnActiveSec=\nOnActiveSec={seconds}s\nOnUnitActiveSec={seconds}s\n"
    return {
        "dxnn-checkpoint.timer.d/settings.conf": timer if seconds else _NEVER,
        "dxnn-run.service.d/settings.conf": f"[Service]\nSyslogIdentifier={name}\n"
        if name
        else None,
        **{f"dxnn-{unit}.service.d/paths.conf": f"[Service]\n{paths}" for unit in systemd.UNITS},
    }


def _quoted(path: Path) -> str:
    """A path as systemd reads it: quoted, with its escapes and specifiers made harmless."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def tell_systemd(told: Mapping[str, str | None], units: Path) -> None:
    """Write drop-ins below `units` and have systemd read them."""
    for name, content in told.items():
        path = units / name
        path.unlink(missing_ok=True)
        if content is None:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    subprocess.run(["systemctl", "daemon-reload"], check=True)


def make_files(settings: Settings) -> None:
    """Make what the agent and the trainer write to, each for its owner.

    Raises UsageError where there is no trainer.
    """
    try:
        trainer = settings.trainer_directory.stat().st_uid
    except FileNotFoundError as error:
        raise UsageError(
            f"trainer_directory {settings.trainer_directory}: there is no such folder"
        ) from error
    account = pwd.getpwnam("dxnn-agent")
    agent, shared = account.pw_uid, account.pw_gid
    _directory(settings.state_dir, agent, shared, 0o750)
    _directory(settings.checkpoint_dir, agent, shared, 0o770)
    _file(settings.log_file, agent, getgrnam("adm").gr_gid, 0o640)
    # Root's own: in a directory that anybody may write to, nobody opens another user's file.
    _file(settings.lock_file, os.geteuid(), getgrnam("dxnn-agent").gr_gid, 0o660)
    erlang_trainer.make_cookie(settings.erlang_cookie_file, trainer)
    keep_environment(trainer_environment.FILE)


def keep_environment(path: Path) -> None:
    """See that there is one, be it empty: without it the trainer would inherit the agent's.

    It may hold secrets: root makes it, the agent reads it, and nobody else does. Raises UsageError
    where it can't be understood.
    """
    with contextlib.suppress(FileNotFoundError):
        trainer_environment.read(path)
    _file(path, os.geteuid(), getgrnam("dxnn-agent").gr_gid, 0o640)


def _directory(path: Path, owner: int, group: int, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    _own(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW), owner, group, mode)


def _file(path: Path, owner: int, group: int, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _own(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW), owner, group, mode)


def _own(descriptor: int, owner: int, group: int, mode: int) -> None:
    try:
        os.fchown(descriptor, owner, group)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
