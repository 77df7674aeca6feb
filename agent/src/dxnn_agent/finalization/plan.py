"""What finalize does, as plain data: `--dry-run` prints the plan that `finalize` carries out."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

from dxnn_agent.settings import Settings
from dxnn_agent.state import dumps
from dxnn_agent.state.dumps import Dump
from dxnn_agent.state.job_history import Streak
from dxnn_agent.state.outcome import CompletionStatus, Outcome
from dxnn_agent.state.run_state import Run
from dxnn_agent.store import keys

_WRITTEN_LAST = {
    keys.LOG_NAME,
    keys.MANIFEST_NAME,
    keys.SUCCESS_NAME,
    keys.FAILED_NAME,
}


class Stage(IntEnum):
    """The contract's order of uploads; one stage is over before the next begins."""

    NEWEST_CHECKPOINT = 1
    COMPLETION_DUMP = 2
    OLDER_CHECKPOINTS = 3
    ARTIFACTS = 4
    LOG = 5
    MANIFEST = 6


class Fate(StrEnum):
    """What becomes of an object."""

    SEND = "send"
    THERE = "there"
    LEFT = "left"  # the run has its sentinel, and nothing is added to it
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class LocalFile:
    """A file that will be an object, as it was when the plan was made."""

    path: Path
    size: int
    sha256: str | None


@dataclass(frozen=True)
class Held:
    """An object that S3 holds already; the checksum is empty where it is not known."""

    size: int
    sha256: str


@dataclass(frozen=True)
class PlannedObject:
    """One object: its key, where its bytes come from, and whether they will be sent.

    `source` is a file, `content` text that the agent wrote itself; neither is there for what only
    S3 holds any more. Size and checksum are None where they can't be known before: the log and the
    manifest are still being written.
    """

    key: str
    stage: Stage
    size: int | None
    sha256: str | None
    source: Path | None = None
    content: str | None = None
    fate: Fate = Fate.UNKNOWN

    @property
    def step(self) -> tuple[Stage, bool]:
        """Objects of one step go in parallel: of a stage first dumps, then their metadata."""
        return self.stage, self.content is not None


@dataclass(frozen=True)
class Sentinel:
    """The text of `_SUCCESS`; what only the upload can tell is None until then."""

    run_id: str
    finalized_at: datetime | None
    status: str
    outcome: Outcome
    job_id: str
    container_name: str | None
    instance_id: str | None
    parent_run_id: str | None
    manifest_sha256: str | None
    margin_seconds: float | None
    agent_version: str

    def content(self) -> dict[str, Any]:
        """The sentinel as the contract's JSON object, its keys in the contract's order."""
        notice_time = self.outcome.notice_time
        return {
            "run_id": self.run_id,
            "finalized_at": self.finalized_at and keys.timestamp(self.finalized_at),
            "status": self.status,
            "completion_status": str(self.outcome.completion_status),
            "exit_code": self.outcome.exit_code,
            "reason": self.outcome.reason,
            "job_id": self.job_id,
            "container_name": self.container_name,
            "instance_id": self.instance_id,
            "parent_run_id": self.parent_run_id,
            "manifest_sha256": self.manifest_sha256,
            "notice_time": keys.timestamp(notice_time) if notice_time else None,
            "margin_seconds": self.margin_seconds,
            "agent_version": self.agent_version,
        }


@dataclass(frozen=True)
class FinalizePlan:
    """Everything that a finalization will do, in order.

    `last_because` says why the job's Auto Scaling group is told to launch no other machine; None
    where it is left to. `gives_up` is whether that is since the job trains in vain. `warning` is
    what whoever looks at the run should know.
    """

    run_id: str
    bucket: str
    prefix: str
    finalized_already: bool | None
    objects: tuple[PlannedObject, ...]
    sentinel: Sentinel
    last_because: str | None
    gives_up: bool
    warning: str | None
    poweroff: bool
    poweroff_command: tuple[str, ...]

    @property
    def sentinel_key(self) -> str:
        """Where `_SUCCESS` goes."""
        return f"{self.prefix}{keys.SUCCESS_NAME}"

    def content(self) -> dict[str, Any]:
        """The plan for programs, as JSON."""
        return {
            "run_id": self.run_id,
            "bucket": self.bucket,
            "prefix": self.prefix,
            "finalized_already": self.finalized_already,
            "objects": [
                {
                    **asdict(planned),
                    "stage": planned.stage.name.lower(),
                    "source": str(planned.source) if planned.source else None,
                }
                for planned in self.objects
            ],
            "sentinel_key": self.sentinel_key,
            "sentinel": self.sentinel.content(),
            "last_because": self.last_because,
            "gives_up": self.gives_up,
            "warning": self.warning,
            "poweroff": self.poweroff,
            "poweroff_command": list(self.poweroff_command),
        }


def make(
    settings: Settings,
    run: Run,
    outcome: Outcome,
    *,
    bucket: str,
    local_dumps: Iterable[tuple[Dump, str | None]],
    artifacts: Mapping[str, LocalFile],
    log: LocalFile,
    stored: Mapping[str, Held] | None,
    finalized_already: bool | None,
    streak: Streak,
    poweroff: bool,
    agent_version: str,
) -> FinalizePlan:
    """Decide what finalize does.

    `local_dumps` are dumps, newest first, with their checksums; `artifacts` are by name within the
    run; `stored` is what S3 holds by key, None where S3 was not asked or did not answer.
    """
    complete = outcome.completion_status is CompletionStatus.NORMAL
    because = last_because(settings, complete=complete, streak=streak)
    prefix = keys.run_prefix(settings.s3_prefix, run.job_id, run.run_id)
    objects = [
        *_dumps(settings, run, local_dumps),
        *(
            _of_file(f"{prefix}{name}", Stage.ARTIFACTS, artifact)
            for name, artifact in sorted(artifacts.items())
        ),
        PlannedObject(f"{prefix}{keys.LOG_NAME}", Stage.LOG, None, None, source=log.path),
        PlannedObject(f"{prefix}{keys.MANIFEST_NAME}", Stage.MANIFEST, None, None),
    ]
    objects += _only_in_s3(prefix, stored or {}, {planned.key for planned in objects})
    objects = [_settled(planned, stored, finalized_already) for planned in objects]
    return FinalizePlan(
        run_id=run.run_id,
        bucket=bucket,
        prefix=prefix,
        finalized_already=finalized_already,
        objects=tuple(sorted(objects, key=lambda planned: planned.step)),
        sentinel=Sentinel(
            run_id=run.run_id,
            finalized_at=None,
            status="success",
            outcome=outcome,
            job_id=run.job_id,
            container_name=settings.container_name,
            instance_id=run.instance_id,
            parent_run_id=run.parent_run_id,
            manifest_sha256=None,
            margin_seconds=None,
            agent_version=agent_version,
        ),
        last_because=because,
        gives_up=because is not None and because == _in_vain(settings, streak),
        warning=_warning(settings, prefix, objects) if complete else None,
        poweroff=poweroff,
        poweroff_command=tuple(settings.poweroff_command),
    )


def last_because(settings: Settings, *, complete: bool, streak: Streak) -> str | None:
    """Why no machine after this one should train the job; None where one should."""
    if complete:
        return "the job is complete"
    if not settings.relaunch_on_interruption:
        return "relaunch_on_interruption is false"
    return _in_vain(settings, streak)


def _in_vain(settings: Settings, streak: Streak) -> str | None:
    """Why a job is given up that is not complete; None where it is not."""
    if streak.spent:
        return streak.spent
    if streak.failed is not None and streak.failed >= settings.max_failed_runs:
        return f"runs in a row that the trainer itself ended: {streak.failed}"
    if streak.fruitless is not None and streak.fruitless >= settings.max_fruitless_runs:
        return f"runs in a row without a checkpoint: {streak.fruitless}"
    return None


def _warning(settings: Settings, prefix: str, objects: Iterable[PlannedObject]) -> str | None:
    """What to think of a completed run that leaves no artifact, though some are wanted."""
    place = f"{prefix}{keys.ARTIFACTS_PREFIX}"
    if not settings.artifacts or any(planned.key.startswith(place) for planned in objects):
        return None
    globs = " or ".join(settings.artifacts)
    return f"no artifact: nothing that {globs} names has changed since the run began"


def _dumps(
    settings: Settings, run: Run, local_dumps: Iterable[tuple[Dump, str | None]]
) -> Iterator[PlannedObject]:
    """Every dump and its metadata, in the prefix of the run that took it."""
    newest_seen = False
    for dump, sha256 in local_dumps:
        if dump.job_id not in {None, run.job_id}:
            continue  # another job's, and none of this run's business
        stage = Stage.COMPLETION_DUMP
        if dump.name.kind == dumps.CHECKPOINT:
            stage = Stage.OLDER_CHECKPOINTS if newest_seen else Stage.NEWEST_CHECKPOINT
            newest_seen = True
        home = keys.run_prefix(settings.s3_prefix, run.job_id, dumps.home_of(dump, run))
        yield _of_file(home + dump.name.file, stage, LocalFile(dump.path, dump.size, sha256))
        if sha256:
            text = dumps.to_json(dumps.metadata(dump, sha256, run))
            body = text.encode()
            checksum = hashlib.sha256(body).hexdigest()
            yield PlannedObject(home + dump.name.metadata, stage, len(body), checksum, content=text)


def _of_file(key: str, stage: Stage, file: LocalFile) -> PlannedObject:
    return PlannedObject(key, stage, file.size, file.sha256, source=file.path)


def _only_in_s3(
    prefix: str, stored: Mapping[str, Held], planned_keys: set[str]
) -> Iterator[PlannedObject]:
    """What the run has in S3 and no longer on the disk: its older checkpoints."""
    for key, held in stored.items():
        name = key.removeprefix(prefix)
        if key.startswith(prefix) and key not in planned_keys and name not in _WRITTEN_LAST:
            yield PlannedObject(key, Stage.OLDER_CHECKPOINTS, held.size, held.sha256)


def _settled(
    planned: PlannedObject, stored: Mapping[str, Held] | None, finalized_already: bool | None
) -> PlannedObject:
    """The object with its fate."""
    held = (stored or {}).get(planned.key)
    if held and (held.sha256 == planned.sha256 or (finalized_already and not planned.sha256)):
        fate = Fate.THERE
    elif finalized_already:
        fate = Fate.LEFT
    elif planned.stage in {Stage.LOG, Stage.MANIFEST}:
        fate = Fate.SEND
    else:
        fate = Fate.UNKNOWN if stored is None else Fate.SEND
    return replace(planned, fate=fate)
