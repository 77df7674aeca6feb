"""Carrying out a FinalizePlan, object by object, up to but without its sentinel."""

import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby

from dxnn_agent.errors import UploadError
from dxnn_agent.finalization import other_machine
from dxnn_agent.finalization.other_machine import RivalError
from dxnn_agent.finalization.plan import Fate, FinalizePlan, PlannedObject, Stage
from dxnn_agent.state import dumps
from dxnn_agent.store import upload
from dxnn_agent.store.s3 import S3Error
from dxnn_agent.store.upload import Line

_PARALLEL_UPLOADS = 8


class IncompleteError(UploadError):
    """Not everything arrived; `missing` are the keys that did not, in the plan's order."""

    def __init__(self, message: str, missing: list[str]) -> None:
        super().__init__(message)
        self.missing = missing


def carry_out(plan: FinalizePlan, line: Line, signature: str) -> str:
    """Send everything in the plan's order and return the manifest's SHA-256.

    `signature` tells this machine's log from that of a copy of the machine. Objects of one step go
    in parallel. Once S3 has failed an object for all its attempts nothing more is begun: the rest
    would only meet the same. Raises IncompleteError.
    """
    arrived: list[PlannedObject] = []
    failures: dict[str, Exception] = {}
    for (stage, _), planned in groupby(plan.objects, key=lambda planned: planned.step):
        if stage not in {Stage.LOG, Stage.MANIFEST}:
            arrived += _send_step(list(planned), line, failures)
    sent_log: PlannedObject | None = None
    try:
        # The log tells why a run could not be saved, so it is sent then too, if at the first try.
        sent_log = _send_log(plan, replace(line, deadline=_now) if failures else line, signature)
        if not failures:
            return _send_manifest(plan, line, [*arrived, sent_log])
    except RivalError:
        if not failures:
            return _settle_with_other(plan, line, arrived, signature)
    except (UploadError, OSError) as error:
        failures.setdefault(plan.prefix, error)
    there = {planned.key for planned in [*arrived, sent_log] if planned}
    missing = [
        planned.key
        for planned in plan.objects
        if planned.key not in there and planned.stage is not Stage.MANIFEST
    ]
    raise IncompleteError(str(next(iter(failures.values()))), missing)


def _settle_with_other(
    plan: FinalizePlan, line: Line, arrived: list[PlannedObject], signature: str
) -> str:
    """Keep the log and the manifest of another machine that finalizes this run, if both are there.

    Either machine may then write the sentinel. Where the other was cut off, this one takes over.
    """
    try:
        theirs = other_machine.manifest_of_other(line, plan.prefix)
        if theirs:
            return theirs
        log = _send_log(plan, line, signature, take_over=True)
        return _send_manifest(plan, line, [*arrived, log])
    except (UploadError, RivalError) as error:
        raise IncompleteError(f"another machine finalizes this run too: {error}", []) from error


def _now() -> datetime:
    return datetime.now(UTC)


def _send_step(
    step: list[PlannedObject], line: Line, failures: dict[str, Exception]
) -> list[PlannedObject]:
    def send(planned: PlannedObject) -> PlannedObject | None:
        if planned.fate is Fate.THERE:
            return planned
        if any(isinstance(error.__cause__, S3Error) for error in list(failures.values())):
            return None
        if planned.source and not planned.sha256:
            failures[planned.key] = UploadError(f"{planned.source} can't be read")
            return None
        try:
            body = planned.source or (planned.content or "").encode()
            upload.send(line, planned.key, body, planned.sha256 or "")
        except UploadError as error:
            failures[planned.key] = error
            return None
        return planned

    with ThreadPoolExecutor(_PARALLEL_UPLOADS) as pool:
        return [planned for planned in pool.map(send, step) if planned]


def _send_log(
    plan: FinalizePlan, line: Line, signature: str, *, take_over: bool = False
) -> PlannedObject:
    """Send the log as it is now; other commands go on writing to it, so a copy is what is sent."""
    planned = _only(plan.objects, Stage.LOG)
    copy = line.state_dir / ".log-as-sent"
    try:
        shutil.copyfile(planned.source or line.log.file, copy)
        sha256 = dumps.sha256_of(copy)
        other_machine.send_log(line, planned.key, copy, sha256, signature, take_over=take_over)
        return replace(planned, size=copy.stat().st_size, sha256=sha256)
    finally:
        copy.unlink(missing_ok=True)


def _send_manifest(plan: FinalizePlan, line: Line, objects: Iterable[PlannedObject]) -> str:
    content = {
        "run_id": plan.run_id,
        "job_id": plan.sentinel.job_id,
        "objects": [
            {
                "key": planned.key.removeprefix(plan.prefix),
                "size": planned.size,
                "sha256": planned.sha256,
            }
            for planned in objects
            if planned.key.startswith(plan.prefix)
        ],
    }
    body = dumps.to_json(content).encode()
    sha256 = upload.sha256_of(body)
    upload.send(line, _only(plan.objects, Stage.MANIFEST).key, body, sha256)
    return sha256


def _only(objects: Iterable[PlannedObject], stage: Stage) -> PlannedObject:
    return next(planned for planned in objects if planned.stage is stage)
