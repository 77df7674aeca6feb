"""Starting a program as the trainer's user, who alone gets the environment meant for it."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from dxnn_agent.machine import trainer_environment
from dxnn_agent.machine.trainer_user import Owner

# Becomes a program whose environment it reads from a descriptor.
_BECOME = """\
import json, os, sys
with open(int(sys.argv[1]), encoding="ascii") as file:
    environment = json.load(file)
try:
    os.execve(sys.argv[2], sys.argv[2:], environment)
except OSError as error:
    print(f"{sys.argv[2]}: {error.strerror}", file=sys.stderr)
    sys.exit(126)
"""


class Command(TypedDict):
    """What subprocess needs to start a program."""

    args: Sequence[str]
    env: Mapping[str, str]
    pass_fds: tuple[int, ...]


@contextmanager
def to(user: Owner, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Command]:
    """Give what starts a command, within the block, as a user and with an environment.

    Until the process is the user's it has the agent's rights: what stands in there, such as a
    library to be loaded, must not reach it sooner. Nor does it stand in the command line, which
    everybody can read.
    """
    if not user.setpriv:
        yield {"args": command, "env": environment, "pass_fds": ()}
        return
    descriptor = os.memfd_create("environment")
    try:
        with os.fdopen(os.dup(descriptor), "w", encoding="ascii") as file:
            json.dump(dict(environment), file)
        os.lseek(descriptor, 0, os.SEEK_SET)
        becomes = ["-I", "-S", "-c", _BECOME, str(descriptor), *command]
        yield {
            "args": user.command(_python(), becomes),
            "env": trainer_environment.BASE,
            "pass_fds": (descriptor,),
        }
    finally:
        os.close(descriptor)


def _python() -> str:
    """Return an interpreter that any user may run: the agent's own may lie in somebody's home."""
    own, debians = Path(sys.executable).resolve(), Path("/usr/bin/python3")
    anybodys = all(path.stat().st_mode & 0o001 for path in (own, *own.parents))
    return str(own if anybodys or not debians.exists() else debians)
