"""What finalize does, as plain data: `--dry-run` prints the plan that `finalize` carries out."""

from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

from dxnn_agent.finalization.sentinel import Sentinel
from dxnn_agent.store import keys


class Action(StrEnum):
    """What there is to do at all."""

    UPLOAD = "upload"
    LEAVE = "leave"  # this machine wrote the sentinel, and is still up
    NOTHING = "nothing"


class Stage(IntEnum):
    """The order of uploads (docs/contract.md, finalize); one is over before the next begins."""

    NEWEST_CHECKPOINT = 1
    COMPLETION_DUMP = 2
    OLDER_CHECKPOINTS = 3
    ARTIFACTS = 4
    LOG = 5
    MANIFEST = 6
    SENTINEL = 7


class Fate(StrEnum):
    """What becomes of an object."""

    SEND = "send"
    THERE = "there"
    SKIP = "skip"  # it can't be read, and nothing waits for it
    LEFT = "left"  # the run has its sentinel, and nothing is added to it
    UNKNOWN = "unknown"  # sent unless it is there by then


@dataclass(frozen=True)
class PlannedObject:
    """One object: its key, where its bytes come from, and what becomes of it.

    `source` is a file, `content` text that the agent wrote itself; neither is there for what only
    S3 holds any more. Size and checksum are None where they can't be known before: log, manifest
    and sentinel are still being written. `problem` says why an object is skipped.
    """

    key: str
    stage: Stage
    size: int | None
    sha256: str | None
    source: Path | None = None
    content: str | None = None
    fate: Fate = Fate.UNKNOWN
    problem: str | None = None

    @property
    def step(self) -> tuple[Stage, bool]:
        """Objects of one step go in parallel: of a stage first dumps, then their metadata."""
        return self.stage, self.content is not None

    def as_json(self) -> dict[str, Any]:
        """The object for programs."""
        source = str(self.source) if self.source else None
        return {**asdict(self), "stage": self.stage.name.lower(), "source": source}


@dataclass(frozen=True)
class Departure:
    """What becomes of group and machine.

    `last_because` says why no other machine is to be launched; None where the group is left to.
    """

    last_because: str | None
    poweroff: bool


STAY = Departure(None, poweroff=False)


@dataclass(frozen=True)
class FinalizePlan:
    """Everything that a finalization does, in order, with every branch.

    `because` says why there is nothing to do, or nothing to upload; `finalized_already` is None
    where the store did not say. `gives_up` is whether the job
    is given up with this run. `warning` is what whoever looks at the run should know. `policy` is
    `on_upload_failure`: `on_failure` follows where an object does not arrive, and its poweroff also
    where everything arrived and the group can't be told.
    """

    action: Action
    run_id: str
    job_id: str
    instance_id: str | None
    bucket: str
    prefix: str
    objects: tuple[PlannedObject, ...]
    sentinel: Sentinel
    standing_sentinel: dict[str, Any] | None
    because: str | None
    finalized_already: bool | None
    gives_up: bool
    warning: str | None
    on_success: Departure
    poweroff_command: tuple[str, ...]
    policy: str
    on_failure: Departure

    @property
    def failed_key(self) -> str:
        """Where `_FAILED_UPLOAD` goes, should it come to that."""
        return f"{self.prefix}{keys.FAILED_NAME}"

    def sentinel_content(self) -> dict[str, Any]:
        """What `_SUCCESS` says, or will say."""
        return self.standing_sentinel or self.sentinel.content()

    def as_json(self) -> dict[str, Any]:
        """The plan for programs."""
        return {
            "action": str(self.action),
            "because": self.because,
            "run_id": self.run_id,
            "bucket": self.bucket,
            "prefix": self.prefix,
            "finalized_already": self.finalized_already,
            "objects": [planned.as_json() for planned in self.objects],
            "sentinel_key": f"{self.prefix}{keys.SUCCESS_NAME}",
            "sentinel": self.sentinel_content(),
            "last_because": self.on_success.last_because,
            "gives_up": self.gives_up,
            "warning": self.warning,
            "poweroff": self.on_success.poweroff,
            "poweroff_command": list(self.poweroff_command),
            "on_failure": {"policy": self.policy, **asdict(self.on_failure)},
        }
