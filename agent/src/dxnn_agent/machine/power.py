"""Powering the machine off: by its own command, never by an EC2 call."""

import subprocess
from collections.abc import Sequence

from dxnn_agent.errors import AgentError


def off(command: Sequence[str]) -> None:
    """Run `poweroff_command` without a shell. Raises AgentError where it fails."""
    try:
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise AgentError(f"poweroff_command {list(command)!r}: {error.strerror}") from error
    if done.returncode != 0:
        raise AgentError(f"poweroff_command {list(command)!r} failed with {done.returncode}")
