"""What the instance knows of its run: who it is and how far it has come, kept in `state_dir`."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import portalocker

from dxnn_agent.errors import UsageError
from dxnn_agent.machine.trainer_process import ProcessId
from dxnn_agent.settings import Settings
from dxnn_agent.state import durable

RUN_FILE = "run.json"
_LOCK_FILE = ".run.lock"


class Phase(StrEnum):
    """How far a run has come; a run is over from FAILED on."""

    CLAIMING = "claiming"
    CLAIMED = "claimed"
    READY = "ready"
    TRAINING = "training"
    EXITED = "exited"
    FAILED = "failed"
    FINALIZED = "finalized"
    DOWN = "down"


@dataclass(frozen=True)
class Run:
    """One instance's part of a job.

    `claim` and `signature` are written beside the run's first object and beside its sentinel, so
    that a command that was killed recognises what this very machine wrote. `trainer_started` is the
    kernel's start time of the trainer's process, so that another process that got the same number
    is never taken for it. `begins_anew` says that an Erlang trainer is not to go on with the
    population that it restores, with which others stood still. A run that `adopts` was begun by
    finalize, for dumps that lay here. It began `began_at` seconds after the boot of that id, when
    other machines had spent `job_seconds_before` on the job.
    """

    run_id: str
    job_id: str
    claim: str
    phase: Phase
    instance_id: str | None = None
    parent_run_id: str | None = None
    restore_path: str | None = None
    trainer_pid: int | None = None
    trainer_started: int | None = None
    completion_status: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    signature: str | None = None
    adopts: bool = False
    begins_anew: bool = False
    job_seconds_before: float = 0.0
    boot_id: str | None = None
    began_at: float = 0.0

    @property
    def trainer(self) -> ProcessId | None:
        """Its trainer's process; None where none was started."""
        return ProcessId(self.trainer_pid, self.trainer_started) if self.trainer_pid else None

    def environment(self) -> dict[str, str]:
        """What its trainer and checkpoint command are told of the run (docs/contract.md)."""
        variables = {"DXNN_JOB_ID": self.job_id, "DXNN_RUN_ID": self.run_id}
        if self.restore_path:
            variables["DXNN_RESTORE_PATH"] = self.restore_path
        if self.begins_anew:
            variables["DXNN_BEGIN_RUN_ANEW"] = "true"
        return variables

    def wrote(self, metadata: Mapping[str, str]) -> bool:
        """Whether this very machine wrote a sentinel, by what was stored beside it."""
        return self.signature is not None and metadata.get("signature") == self.signature

    @property
    def sealed(self) -> bool:
        """Whether a finalization has begun, after which nothing is added to the run."""
        return self.over or self.signature is not None

    def leaving(self, settings: Settings) -> bool:
        """Whether the machine was cut off between `_SUCCESS` and its poweroff."""
        return self.phase is Phase.FINALIZED and settings.auto_terminate

    @property
    def over(self) -> bool:
        """Whether the run has its sentinel, so that the next `restore` or `run` begins another."""
        return self.phase in {Phase.FAILED, Phase.FINALIZED, Phase.DOWN}


def load(state_dir: Path) -> Run | None:
    """The run of this machine, over or not; None where there never was one.

    Raises UsageError where the file is there and can't be understood: to begin a new run over it
    could lose the old one.
    """
    path = state_dir / RUN_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Run(**{**content, "phase": Phase(content["phase"])})
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"{path} is not the state of a run ({error}); move it away to begin a new run"
        ) from error


def save(state_dir: Path, run: Run) -> None:
    """Write the run down so that a power cut leaves the old state or the new one."""
    durable.write_json(state_dir / RUN_FILE, asdict(run))


def update(state_dir: Path, run_id: str, **changes: Any) -> Run | None:
    """Change what is known of a run, together with whoever else does; None where it is gone."""
    unknown = changes.keys() - {field.name for field in fields(Run)}
    if unknown:
        raise TypeError(f"a run has no {', '.join(sorted(unknown))}")
    with exclusive(state_dir):
        run = load(state_dir)
        if run is None or run.run_id != run_id:
            return None
        changed = replace(run, **changes)
        if run.over and not changed.over:
            return run  # it was finalized meanwhile, and stays so
        run = changed
        save(state_dir, run)
        return run


@contextlib.contextmanager
def exclusive(state_dir: Path) -> Iterator[None]:
    """Keep other commands of this machine from changing the run meanwhile."""
    state_dir.mkdir(parents=True, exist_ok=True)
    with portalocker.Lock(state_dir / _LOCK_FILE, mode="a", flags=portalocker.LOCK_EX):
        yield
