"""The trainers a rehearsal can play with: our own, or any program; DXNN has its own module."""

import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal import progress
from rehearsal.errors import RehearsalError

ERLANG = Path(__file__).resolve().parent.parent / "erlang"
LAUNCHER = str(ERLANG / "bin/dxnn-train")

# About 20 s of training whatever the seed: so many agents solve XOR in 40 to 80 generations.
XOR_ENVIRONMENT = {
    "XOR_SEED": "1",
    "XOR_RUNS": "5",
    "XOR_GENERATIONS": "80",
    "XOR_POPULATION": "150",
    "XOR_GENERATION_MS": "70",
}

Continued = Callable[[Sequence[str], Sequence[str], Path | None], list[str]]


@dataclass(frozen=True)
class Trainer:
    """How to train with some program.

    `build` makes its directory. `told` reads how far it is from what it printed. `continued` is
    given what it printed on the first and the second instance and the restored dump, and names what
    speaks against it having gone on from there; None where that can't be told. `patched` says
    whether it takes a dump when it completes. `notes` are for whoever watches.
    """

    name: str
    build: Callable[[Path], None]
    settings: Mapping[str, object]
    environment: Mapping[str, str]
    told: Callable[[Iterable[str]], str | None]
    continued: Continued | None
    patched: bool
    notes: tuple[str, ...] = ()


def xor() -> Trainer:
    """Train XOR with the trainer that comes with the project. Raises RehearsalError."""
    need_erlang()

    def continued(first: Sequence[str], second: Sequence[str], _dump: Path | None) -> list[str]:
        return progress.xor_continued(first, second)

    return Trainer(
        name="XOR by topology- and weight-evolving networks",
        build=lambda image: build(ERLANG / "trainer", image),
        settings={"trainer_command": [LAUNCHER]},
        environment=XOR_ENVIRONMENT,
        told=progress.xor_told,
        continued=continued,
        patched=True,
    )


def program(
    directory: Path | None, command: str, checkpoint_command: str, artifacts: Sequence[str]
) -> Trainer:
    """Train with any program, in a copy of `directory`, else in an empty one."""

    def copy(image: Path) -> None:
        if directory:
            shutil.copytree(directory, image, symlinks=True)
        else:
            image.mkdir()

    settings: dict[str, object] = {
        "trainer_command": shlex.split(command),
        "checkpoint_command": shlex.split(checkpoint_command),
    }
    if artifacts:
        settings["artifacts"] = list(artifacts)
    return Trainer(
        name=command,
        build=copy,
        settings=settings,
        environment={},
        told=progress.last_line,
        continued=None,
        patched=False,
    )


def build(source: Path, image: Path) -> None:
    """Patch and compile a DXNN trainer into a new directory. Raises RehearsalError."""
    done = subprocess.run(
        [str(ERLANG / "bin/dxnn-build"), str(source), str(image)],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise RehearsalError(f"dxnn-build {source} failed: {done.stdout.strip()}")


def need_erlang() -> None:
    """Raise RehearsalError where Erlang is not installed."""
    missing = [name for name in ("erl", "erlc", "erl_call") if not shutil.which(name)]
    if missing:
        raise RehearsalError(
            f"{', '.join(missing)} not found: Erlang is needed; on Debian "
            "apt-get install erlang-base erlang-mnesia erlang-syntax-tools, or make demo"
        )
