"""What the agent asks of a trainer beside running it, whether it is Erlang or any other program.

A third kind is a module beside `erlang_trainer` and `command_trainer`, and a line in `of`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from dxnn_agent.machine.command_trainer import CommandTrainer
from dxnn_agent.machine.erlang_trainer import ErlangTrainer
from dxnn_agent.settings import Settings


class Trainer(Protocol):
    """A kind of trainer. One that has a launcher of ours ends itself where it stands still."""

    has_launcher: bool

    def prepare(self) -> None:
        """Make what it needs before it starts. Raises UsageError."""

    def dump(self, path: Path, seconds: float, variables: Mapping[str, str]) -> Mapping[str, Any]:
        """Have a consistent dump written to `path`; give what the trainer says of it.

        `variables` tell of the run. Raises CheckpointError, CheckpointTimeoutError once it takes
        longer than `seconds`, or UsageError.
        """

    def why_unfit(self, dump: Path, described: Mapping[str, Any]) -> str | None:
        """Say why it could not start from a dump whose bytes are right."""

    def why_stalled(self, exit_code: int, lines: Sequence[str]) -> str | None:
        """Say why it stood still, where its last lines say that this is what ended it."""

    def found(self) -> str:
        """What takes its dumps, in words. Raises UsageError where that is missing."""


def of(settings: Settings) -> Trainer:
    """The kind of trainer that the settings describe."""
    return CommandTrainer(settings) if settings.checkpoint_command else ErlangTrainer(settings)
