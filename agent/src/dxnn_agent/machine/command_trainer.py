"""Any program as a trainer: `checkpoint_command` writes its dumps, which only it understands."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dxnn_agent.errors import CheckpointError, CheckpointTimeoutError
from dxnn_agent.machine import trainer_process, trainer_user
from dxnn_agent.settings import Settings

_LAST_BYTES = 2000


class CommandTrainer:
    """A trainer that is a pair of commands, one to train and one to write a dump."""

    has_launcher = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._command = settings.checkpoint_command or []

    def prepare(self) -> None:
        """Nothing has to be there."""

    def dump(self, path: Path, seconds: float, variables: Mapping[str, str]) -> Mapping[str, Any]:
        """Run `checkpoint_command` in the trainer's folder and environment, as its owner.

        What it says of the dump it writes beside it. Raises CheckpointError,
        CheckpointTimeoutError, or UsageError where there is no such command.
        """
        settings = self._settings
        program = self.found()
        user = trainer_user.of(settings.trainer_directory)
        environment = trainer_process.environment(settings, variables, user)
        environment["DXNN_CHECKPOINT_PATH"] = str(path)
        with tempfile.TemporaryFile() as output:
            process = trainer_process.launch(
                user,
                [program, *self._command[1:]],
                environment,
                settings.trainer_directory,
                output,
            )
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired as error:
                raise CheckpointTimeoutError(
                    f"checkpoint_command did not finish in {seconds:.0f} s"
                ) from error
            finally:
                trainer_process.signal_group(process.pid, signal.SIGKILL)
                process.wait()
            if code != 0:
                output.seek(max(0, output.seek(0, os.SEEK_END) - _LAST_BYTES))
                lines = output.read().decode(errors="replace").strip().splitlines()
                raise CheckpointError(
                    f"checkpoint_command ended with {code}" + (f": {lines[-1]}" if lines else "")
                )
        return {}

    def why_unfit(self, _dump: Path, _described: Mapping[str, Any]) -> str | None:
        """Nobody but the trainer itself can tell."""
        return None

    def why_stalled(self, _exit_code: int, _lines: Sequence[str]) -> str | None:
        """It has no launcher that would say so."""
        return None

    def found(self) -> str:
        """The program that writes dumps. Raises UsageError where there is none."""
        directory = self._settings.trainer_directory
        return trainer_process.program(self._command, directory, "checkpoint_command")
