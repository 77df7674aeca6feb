"""The trainer's user, the owner of its folder: no trainer gets the agent's own rights."""

import os
import pwd
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from dxnn_agent.errors import UsageError

_CAP_SETUID = 7  # capabilities(7), as /proc/self/status numbers them


@dataclass(frozen=True)
class Owner:
    """Whom a command runs as; `setpriv` is empty where the agent stays the user that it is."""

    setpriv: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, program: str, arguments: Sequence[str]) -> list[str]:
        """Return the command line that runs a program as this user."""
        return [*self.setpriv, program, *arguments]


def of(trainer_directory: Path) -> Owner:
    """Find out whom the trainer and its checkpoint command run as.

    An agent that may change users, root or one with CAP_SETUID, becomes the owner of the trainer's
    folder through setpriv(1), without any of its own rights; any other stays who it is. Raises
    UsageError where an agent that is not root would have to become root.
    """
    owner = trainer_directory.stat().st_uid
    if owner == os.geteuid() or not _may_change_user():
        return Owner()
    if owner == 0:
        raise UsageError(
            f"trainer_directory {trainer_directory} belongs to root, and no trainer is to run as "
            "root: give it to the trainer's own user"
        )
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise UsageError("setpriv is missing: it is in Debian's package util-linux")
    try:
        account = pwd.getpwuid(owner)
    except KeyError as error:
        raise UsageError(
            f"trainer_directory {trainer_directory} belongs to user {owner}, whom this machine "
            "does not know: give it to the trainer's own user"
        ) from error
    become = [setpriv, f"--reuid={owner}", f"--regid={account.pw_gid}", "--init-groups"]
    drop = ["--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs", "--"]
    named = {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name}
    return Owner([*become, *drop], named)


@cache
def _may_change_user() -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> _CAP_SETUID & 1)
