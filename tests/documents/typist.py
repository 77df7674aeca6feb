"""Types commands as the documents show them: in a fresh clone, in bash, to the letter.

What stands for AWS and for the user's home comes from the environment alone.
"""

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.documents.shown import Command, commands
from tests.processes import kill, processes_with

_SECONDS = 300


@dataclass
class Typist:
    """Who types the commands that a test claims, and knows which of them are typed."""

    clone: Path
    environment: dict[str, str]
    claimed: list[Command]
    typed: set[Command] = field(default_factory=set)

    @property
    def names(self) -> list[str]:
        """What the test claims, in its order."""
        return [one.name for one in self.claimed]

    @property
    def home(self) -> Path:
        """What `~` stands for."""
        return Path(self.environment["HOME"])

    def text(self, name: str) -> str:
        """Give a command to the letter, for whoever types it elsewhere, such as in a machine.

        The beginning of its name will do where no other command that is claimed begins like that.
        """
        begin = [one for one in self.claimed if one.name.startswith(name)]
        (command,) = [one for one in begin if one.name == name] or begin
        assert command in commands(), f"no document shows {name}"
        self.typed.add(command)
        return next(iter(commands()[command].values())).text

    def type(
        self,
        *names: str,
        directory: Path | None = None,
        answer: str = "",
        ends_with: int = 0,
        seconds: float = _SECONDS,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Type commands one after the other, in one shell; give what they print.

        The first that fails is the last. `answer` is what is typed when they ask, `ends_with` the
        exit code that they should end with.
        """
        process = self.start(*names, directory=directory, environment=environment)
        try:
            told, _ = process.communicate(answer, seconds)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert process.returncode == ends_with, told[-4000:]
        return told

    def start(
        self,
        *names: str,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Type commands that end when they are told to; what they print is the process's stdout."""
        folder = next((one.folder for one in self.claimed), "")
        return subprocess.Popen(
            # Typed at a prompt, a command heeds Ctrl-C, even where this process does not.
            [
                *("env", "--default-signal=INT", "bash", "-ec"),
                "\n".join(self.text(name) for name in names),
            ],
            cwd=directory or self.clone / folder,
            env=self.environment | dict(environment or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def end(typist: Typist) -> None:
    """Kill whatever was started by what was typed, and still runs."""
    while left := processes_with(f"HOME={typist.home}"):
        for pid in left:
            kill(pid, signal.SIGKILL)
