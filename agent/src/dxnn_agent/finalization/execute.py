"""Carrying out a FinalizePlan: all of it, in its order, and by nothing but the plan."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from dxnn_agent.errors import UploadError
from dxnn_agent.finalization import other_machine
from dxnn_agent.finalization.other_machine import OtherMachineError
from dxnn_agent.finalization.plan import Departure, Fate, FinalizePlan, PlannedObject, Stage
from dxnn_agent.finalization.sentinel import Sentinel
from dxnn_agent.machine import auto_scaling, power
from dxnn_agent.state import dumps
from dxnn_agent.store import retry, upload
from dxnn_agent.store.context import Context
from dxnn_agent.store.store import IF_ABSENT, StoreError

_PARALLEL_UPLOADS = 8


class IncompleteError(UploadError):
    """Not everything arrived; `missing` are the keys that did not, in the plan's order."""

    def __init__(self, message: str, missing: list[str]) -> None:
        super().__init__(message)
        self.missing = missing


@dataclass(frozen=True)
class Skipped:
    """An artifact that could not be shipped, and why."""

    key: str
    reason: str


@dataclass
class _Progress:
    """How far an execution has come."""

    arrived: list[PlannedObject] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    failures: dict[str, Exception] = field(default_factory=dict)
    manifest_sha256: str | None = None
    manifest_is_theirs: bool = False
    sentinel_is_ours: bool = False


def upload_all(plan: FinalizePlan, context: Context, signature: str) -> bool:
    """Send everything in the plan's order, its sentinel included; False where another machine did.

    `signature` tells what this machine wrote from what a copy of it did. Objects of one step go in
    parallel. Once the store has failed an object for all its attempts nothing more is begun but one
    try for the log, which tells why. Raises IncompleteError.
    """
    done = _Progress()
    one_try = replace(context, notice_time=_now)
    for (stage, _), step in groupby(plan.objects, key=lambda planned: planned.step):
        objects = list(step)
        try:
            if stage is Stage.LOG:
                _send_log(plan, objects[0], one_try if done.failures else context, signature, done)
            elif done.failures and stage in {Stage.MANIFEST, Stage.SENTINEL}:
                continue
            elif stage is Stage.MANIFEST:
                _send_manifest(plan, objects[0], context, done)
            elif stage is Stage.SENTINEL:
                _send_sentinel(plan, objects[0], context, signature, done)
            else:
                _send_step(objects, context, done)
        except (UploadError, OSError) as error:
            done.failures.setdefault(objects[0].key, error)
    if done.failures:
        raise IncompleteError(str(next(iter(done.failures.values()))), _missing(plan, done))
    return done.sentinel_is_ours


def mark_failed(plan: FinalizePlan, context: Context, error: IncompleteError) -> bool:
    """Leave `_FAILED_UPLOAD` at one try; whether that was possible."""
    missing = [key.removeprefix(plan.prefix) for key in error.missing]
    return put_failed(context, plan.failed_key, plan.sentinel, str(error), missing)


def put_failed(
    context: Context, key: str, sentinel: Sentinel, error: str, missing: list[str]
) -> bool:
    """Write a `_FAILED_UPLOAD` at one try; whether that was possible."""
    if context.store is None:
        return False
    content = replace(sentinel, status="failed").at(_now(), context.notice_time()).content()
    body = dumps.to_json({**content, "error": error, "missing": missing}).encode()
    try:
        return context.store.put(key, body, upload.sha256_of(body))
    except StoreError:
        return False  # the log says why everything failed; once is enough


def tell_group(plan: FinalizePlan, departure: Departure) -> str | None:
    """Tell the job's Auto Scaling group to launch no other machine, where that is planned.

    Returns the group's name; None where it is left alone or there is none. Raises GroupError.
    """
    return auto_scaling.stand_down(plan.instance_id) if departure.last_because else None


def power_off(plan: FinalizePlan) -> None:
    """Power the machine off by the plan's command. Raises AgentError where that fails."""
    power.off(plan.poweroff_command)


def _now() -> datetime:
    return datetime.now(UTC)


def _missing(plan: FinalizePlan, done: _Progress) -> list[str]:
    there = {planned.key for planned in done.arrived} | {skipped.key for skipped in done.skipped}
    return [
        planned.key
        for planned in plan.objects
        if planned.key not in there and planned.stage not in {Stage.MANIFEST, Stage.SENTINEL}
    ]


def _send_step(step: list[PlannedObject], context: Context, done: _Progress) -> None:
    """Send objects that are there as they are, in parallel."""

    def send(planned: PlannedObject) -> PlannedObject | Skipped | None:
        if planned.fate is Fate.THERE:
            return planned
        if planned.fate is Fate.SKIP:
            return Skipped(planned.key, planned.problem or "")
        if any(isinstance(error.__cause__, StoreError) for error in list(done.failures.values())):
            return None
        try:
            _send(planned, context)
        except UploadError as error:
            if planned.stage is Stage.ARTIFACTS and _concerns_only_it(error):
                return Skipped(planned.key, str(error))
            done.failures[planned.key] = error
            return None
        return planned

    with ThreadPoolExecutor(_PARALLEL_UPLOADS) as pool:
        for result in pool.map(send, step):
            if isinstance(result, Skipped):
                done.skipped.append(result)
            elif result:
                done.arrived.append(result)


def _send(planned: PlannedObject, context: Context) -> None:
    if planned.source and not planned.sha256:
        raise UploadError(f"{planned.source} can't be read")
    body = planned.source or (planned.content or "").encode()
    upload.send(context, planned.key, body, planned.sha256 or "")


def _concerns_only_it(error: UploadError) -> bool:
    """Whether it is the file or its key that is to blame, and not the store."""
    cause = error.__cause__
    return not isinstance(cause, StoreError) or cause.refused


def _send_log(
    plan: FinalizePlan,
    planned: PlannedObject,
    context: Context,
    signature: str,
    done: _Progress,
) -> None:
    """Send the log as it is now: other commands go on writing to it.

    Where another machine, a copy of this one, has put its own log there, its log and manifest are
    kept if both are there, so that `_SUCCESS` fits them; where it was cut off, this one takes over.
    """
    try:
        done.arrived.append(_put_log(planned, context, signature, take_over=False))
    except OtherMachineError as other:
        if done.failures:
            raise UploadError(str(other)) from other
        theirs = other_machine.manifest_of_other(context, plan.prefix)
        done.manifest_sha256, done.manifest_is_theirs = theirs, theirs is not None
        if theirs is None:
            done.arrived.append(_put_log(planned, context, signature, take_over=True))


def _put_log(
    planned: PlannedObject, context: Context, signature: str, *, take_over: bool
) -> PlannedObject:
    body = (planned.source or Path()).read_bytes()
    sha256 = upload.sha256_of(body)
    other_machine.send_log(context, planned.key, body, sha256, signature, take_over=take_over)
    return replace(planned, size=len(body), sha256=sha256)


def _send_manifest(
    plan: FinalizePlan, planned: PlannedObject, context: Context, done: _Progress
) -> None:
    if done.manifest_is_theirs:
        return
    content = {
        "run_id": plan.run_id,
        "job_id": plan.job_id,
        "objects": [
            {"key": one.key.removeprefix(plan.prefix), "size": one.size, "sha256": one.sha256}
            for one in done.arrived
            if one.key.startswith(plan.prefix)
        ],
        "skipped": [
            {"key": one.key.removeprefix(plan.prefix), "reason": one.reason} for one in done.skipped
        ],
    }
    body = dumps.to_json(content).encode()
    done.manifest_sha256 = upload.sha256_of(body)
    upload.send(context, planned.key, body, done.manifest_sha256)


def _send_sentinel(
    plan: FinalizePlan,
    planned: PlannedObject,
    context: Context,
    signature: str,
    done: _Progress,
) -> None:
    """Write `_SUCCESS` unless somebody did, and note whether it is this machine's."""
    store = context.store
    if store is None:
        return
    sentinel = replace(
        plan.sentinel.at(_now(), context.notice_time()),
        manifest_sha256=done.manifest_sha256,
        skipped=len(done.skipped),
    )
    body = dumps.to_json(sentinel.content()).encode()
    sha256 = upload.sha256_of(body)

    def write() -> bool:
        if store.put(planned.key, body, sha256, {"signature": signature}, IF_ABSENT):
            return True
        there = store.read(planned.key)
        return there is not None and there[1].get("signature") == signature

    name = planned.key.rpartition("/")[2]
    done.sentinel_is_ours = retry.attempt(
        write, deadline=context.deadline, retrying=context.retrying(name)
    )
    done.arrived.append(planned)
