"""The trainers a rehearsal can play with: our own, or any program; DXNN has its own module."""

import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from rehearsal import progress
from rehearsal.errors import RehearsalError

ERLANG = Path(__file__).resolve().parent.parent / "erlang"
LAUNCHER = str(ERLANG / "bin/dxnn-train")

# About 20 s of training whatever the seed: so many agents solve XOR in 40 to 80 generations.
XOR_ENVIRONMENT = {
    "XOR_SEED": "1",
    "XOR_RUNS": "5",
    "XOR_GENERATIONS": "80",
    "XOR_POPULATION": "50",
    "XOR_GENERATION_MS": "100",
}


@dataclass(frozen=True)
class Trainer:
    """How to train with some program.

    `copy` writes it, as it is to be trained, to a new directory; None stands for the project's own
    trainer. `patched` says whether it is a DXNN, which dxnn-build patches and compiles and the
    launcher runs; else `settings` name its commands. `told` reads how far it is from what it
    printed. `notes` are for whoever watches.
    """

    name: str
    copy: Callable[[Path], None] | None
    patched: bool
    environment: Mapping[str, str]
    told: Callable[[Iterable[str]], str | None]
    settings: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()

    def settings_with(self, launcher: str) -> dict[str, object]:
        """Give the agent's settings, for an instance where the launcher has this path."""
        command = {"trainer_command": [launcher]} if self.patched else {}
        return {**command, **self.settings}


def xor() -> Trainer:
    """Train XOR with the trainer that comes with the project."""
    return Trainer(
        name="XOR by topology- and weight-evolving networks",
        copy=None,
        patched=True,
        environment=XOR_ENVIRONMENT,
        told=progress.xor_told,
    )


def program(
    directory: Path | None, command: str, checkpoint_command: str, artifacts: Sequence[str]
) -> Trainer:
    """Train with any program, in a copy of `directory`, else in an empty one."""

    def copy(target: Path) -> None:
        if directory:
            shutil.copytree(directory, target, symlinks=True)
        else:
            target.mkdir()

    settings: dict[str, object] = {
        "trainer_command": shlex.split(command),
        "checkpoint_command": shlex.split(checkpoint_command),
    }
    if artifacts:
        settings["artifacts"] = list(artifacts)
    return Trainer(
        name=command,
        copy=copy,
        patched=False,
        environment={},
        told=progress.last_line,
        settings=settings,
    )


def build(trainer: Trainer, directory: Path) -> list[str]:
    """Make a trainer's new directory here, patched and compiled.

    Returns what dxnn-build says of it, a line each. Raises RehearsalError.
    """
    if trainer.copy and not trainer.patched:
        trainer.copy(directory)
        return []
    _need_erlang()
    source = directory.with_name(f"{directory.name}-source")
    if trainer.copy:
        trainer.copy(source)
    else:
        source = ERLANG / "trainer"
    done = subprocess.run(
        [str(ERLANG / "bin/dxnn-build"), str(source), str(directory)],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise RehearsalError(f"dxnn-build {source} failed: {done.stdout.strip()}")
    if trainer.copy:
        shutil.rmtree(source)
    return done.stdout.splitlines()[:-1]  # the last says that it is ready


def _need_erlang() -> None:
    missing = [name for name in ("erl", "erlc", "erl_call") if not shutil.which(name)]
    if missing:
        raise RehearsalError(
            f"{', '.join(missing)} not found: Erlang is needed; on Debian "
            "apt-get install erlang-base erlang-mnesia erlang-syntax-tools, or make demo"
        )
