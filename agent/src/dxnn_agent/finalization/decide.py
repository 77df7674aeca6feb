"""From facts to the plan: the one place that decides what a finalization does."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from dxnn_agent.finalization import giving_up, sentinel
from dxnn_agent.finalization.facts import Facts, Held
from dxnn_agent.finalization.plan import (
    STAY,
    Action,
    Departure,
    Fate,
    FinalizePlan,
    PlannedObject,
    Stage,
)
from dxnn_agent.settings import Settings
from dxnn_agent.state import dumps
from dxnn_agent.state.dumps import Dump
from dxnn_agent.state.files import LocalFile
from dxnn_agent.state.job_history import Streak
from dxnn_agent.state.outcome import CompletionStatus
from dxnn_agent.state.run_state import Phase, Run
from dxnn_agent.store import keys

_OF_THE_AGENT = {keys.LOG_NAME, keys.MANIFEST_NAME, keys.SUCCESS_NAME, keys.FAILED_NAME}


def decide(settings: Settings, facts: Facts) -> FinalizePlan:
    """Decide what finalize does with a run."""
    run = facts.run
    prefix = keys.run_prefix(settings.s3_prefix, run.job_id, run.run_id)
    action = _action(facts)
    complete = facts.outcome.completion_status is CompletionStatus.NORMAL
    objects = () if facts.idle else _objects(settings, facts, prefix)
    skipped = sum(planned.fate is Fate.SKIP for planned in objects)
    leaves = action is not Action.NOTHING
    warns = complete and not facts.idle
    why_last = giving_up.why_last(settings, complete=complete, streak=facts.streak)
    in_vain = giving_up.in_vain(settings, facts.streak)
    success = Departure(why_last, settings.auto_terminate)
    return FinalizePlan(
        action=action,
        run_id=run.run_id,
        job_id=run.job_id,
        instance_id=run.instance_id,
        bucket=facts.bucket,
        prefix=prefix,
        objects=objects,
        sentinel=sentinel.of(settings, run, facts.outcome, "success", skipped),
        standing_sentinel=facts.sentinel.content if facts.sentinel else None,
        because="finalized already" if facts.sentinel else facts.idle,
        finalized_already=_finalized_already(facts),
        gives_up=leaves and why_last is not None and why_last == in_vain,
        warning=_warning(settings, prefix, objects) if warns else None,
        on_success=success if leaves else STAY,
        poweroff_command=tuple(settings.poweroff_command),
        policy=settings.on_upload_failure,
        on_failure=_on_failure(settings) if leaves else STAY,
    )


def _action(facts: Facts) -> Action:
    if facts.idle:
        return Action.NOTHING
    if facts.sentinel is None:
        return Action.UPLOAD
    up = facts.sentinel.by_this_machine and facts.run.phase is not Phase.DOWN
    return Action.LEAVE if up else Action.NOTHING


def _finalized_already(facts: Facts) -> bool | None:
    if facts.sentinel:
        return True
    return None if facts.stored is None else False


def _on_failure(settings: Settings) -> Departure:
    """What becomes of the machine where not everything arrived."""
    if settings.on_upload_failure == "keep":
        return STAY
    because = giving_up.why_last(settings, complete=False, streak=Streak())
    return Departure(because, poweroff=True)


def _objects(settings: Settings, facts: Facts, prefix: str) -> tuple[PlannedObject, ...]:
    objects = [
        *_dumps(settings, facts.run, facts.dumps),
        *(
            _of_file(f"{prefix}{name}", Stage.ARTIFACTS, artifact)
            for name, artifact in sorted(facts.artifacts.items())
        ),
        PlannedObject(f"{prefix}{keys.LOG_NAME}", Stage.LOG, None, None, settings.log_file),
        PlannedObject(f"{prefix}{keys.MANIFEST_NAME}", Stage.MANIFEST, None, None),
        PlannedObject(f"{prefix}{keys.SUCCESS_NAME}", Stage.SENTINEL, None, None),
    ]
    objects += _only_in_store(prefix, facts.stored or {}, {planned.key for planned in objects})
    settled = [_settled(planned, facts) for planned in objects]
    return tuple(sorted(settled, key=lambda planned: planned.step))


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
    return PlannedObject(key, stage, file.size, file.sha256, source=file.path, problem=file.problem)


def _only_in_store(
    prefix: str, stored: Mapping[str, Held], planned_keys: set[str]
) -> Iterator[PlannedObject]:
    """What the run has in the store and no longer on the disk: its older checkpoints."""
    for key, held in stored.items():
        name = key.removeprefix(prefix)
        if key.startswith(prefix) and key not in planned_keys and name not in _OF_THE_AGENT:
            yield PlannedObject(key, Stage.OLDER_CHECKPOINTS, held.size, held.sha256)


def _settled(planned: PlannedObject, facts: Facts) -> PlannedObject:
    """The object with its fate."""
    held = (facts.stored or {}).get(planned.key)
    finalized = facts.sentinel is not None
    same = held is not None and held.sha256 == planned.sha256
    if same or (finalized and _stands(planned, held)):
        fate = Fate.THERE
    elif finalized:
        fate = Fate.LEFT
    elif planned.stage is Stage.ARTIFACTS and planned.problem:
        fate = Fate.SKIP
    elif facts.stored is None and planned.stage < Stage.LOG:
        fate = Fate.UNKNOWN
    else:
        fate = Fate.SEND
    return replace(planned, fate=fate)


def _stands(planned: PlannedObject, held: Held | None) -> bool:
    """Whether a finalized run has the object, where only the upload knew what is in it."""
    return planned.stage is Stage.SENTINEL or (held is not None and not planned.sha256)


def _warning(settings: Settings, prefix: str, objects: Iterable[PlannedObject]) -> str | None:
    """What to think of a completed run that leaves no artifact, though some are wanted."""
    place = f"{prefix}{keys.ARTIFACTS_PREFIX}"
    if not settings.artifacts or any(planned.key.startswith(place) for planned in objects):
        return None
    globs = " or ".join(settings.artifacts)
    return f"no artifact: nothing that {globs} names has changed since the run began"
