"""The trainer's own environment, which is not the agent's.

On the image root hands it over in a file, and the trainer inherits nothing of the agent's; nor does
the agent see what is in there. Where there is no such file, on a laptop, the trainer inherits.
"""

import os
import re
import stat
from pathlib import Path

from dxnn_agent.errors import UsageError
from dxnn_agent.machine.trainer_user import Owner

FILE = Path("/etc/dxnn/trainer.env")

BASE = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
_OF_THE_USER = ("HOME", "USER", "LOGNAME")

# systemd.exec(5), EnvironmentFile=, but for what nobody writes: values in pieces, and a backslash
# outside of double quotes.
_ENTRY = re.compile(
    r"""
    [ \t]* (?:[#;].*)? (?:\n|\Z)
    | [ \t]* (?P<name>[A-Za-z_][A-Za-z0-9_]*) =
      (?: "(?P<double>(?:[^"\\]|\\.|\\\n)*)" | '(?P<single>[^']*)' | (?P<plain>[^"'\\\n]*) )
      [ \t]* (?:\n|\Z)
    """,
    re.VERBOSE,
)
_ESCAPED = re.compile(r'\\(?:(["\\`$])|\n)')


def of(user: Owner) -> dict[str, str]:
    """What the trainer and its checkpoint command see beside what tells of the run.

    Raises UsageError where the file is not root's, or can't be understood.
    """
    try:
        own = read(FILE)
    except FileNotFoundError:
        return os.environ | user.environment
    inherited = {name: os.environ[name] for name in _OF_THE_USER if name in os.environ}
    return BASE | inherited | user.environment | own


def path() -> str:
    """Where the trainer's programs are looked for. Raises UsageError as `of` does."""
    return of(Owner()).get("PATH", os.defpath)


def read(file: Path) -> dict[str, str]:
    """Read the variables of a file that root made. Raises UsageError, or FileNotFoundError."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, encoding="utf-8", newline="\n") as opened:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UsageError(f"{file}: it should be a file")
            if status.st_uid != 0 or status.st_mode & 0o022:
                raise UsageError(f"{file}: it should be root's, and nobody else's to write")
            return parse(opened.read(), str(file))
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: it is no UTF-8") from error
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}") from error


def parse(text: str, called: str) -> dict[str, str]:
    """Read `NAME="VALUE"`, one a line, as systemd does. Raises UsageError."""
    variables = {}
    position = 0
    while position < len(text):
        found = _ENTRY.match(text, position)
        if found is None:
            # Not what it says: it may be a secret.
            line = text.count("\n", 0, position) + 1
            raise UsageError(f'{called}: line {line} should be NAME="VALUE"')
        if found["name"]:
            variables[found["name"]] = _value(found)
        position = found.end()
    return variables


def _value(found: re.Match[str]) -> str:
    if found["double"] is not None:
        return _ESCAPED.sub(lambda one: one[1] or "", found["double"])
    if found["single"] is not None:
        return found["single"]
    return found["plain"].strip()
