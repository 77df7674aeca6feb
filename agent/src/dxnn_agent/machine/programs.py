"""Asking short questions of this machine's programs."""

import subprocess
from collections.abc import Sequence

from dxnn_agent.errors import UsageError

_SECONDS = 10


def output(command: Sequence[str], what: str) -> str:
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
