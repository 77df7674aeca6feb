"""What docs/contract.md says of S3, as rules; each names what speaks against it."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from rehearsal import contract
from rehearsal.runs import DUMP, FAILED, LOG, MANIFEST, SUCCESS, Story

_NAMES = re.compile(
    r"(?:(?:checkpoint|completion)-\d{8}-\d{6}Z\.(?:dmp|metadata\.json)"
    rf"|artifacts/.+|{re.escape(LOG)}|{MANIFEST}|{SUCCESS}|{FAILED})"
)


def _layout(told: Story) -> Iterator[str]:
    known = {f"{run.prefix}{name}" for run in told.runs for name in run.objects}
    for one in told.evidence.objects:
        if one.key not in known:
            yield f"{one.key} lies outside the job's runs"
    for run in told.runs:
        if not contract.STAMP.fullmatch(run.run_id):
            yield f"run-{run.run_id} is no run's name"
        yield from (f"{run.prefix}{name}" for name in run.objects if not _NAMES.fullmatch(name))
        yield from (
            f"{run.prefix}{name} is missing"
            for name in (LOG, MANIFEST, SUCCESS)
            if name not in run.objects
        )


def _sentinels(told: Story) -> Iterator[str]:
    for instance, run in told.pairs:
        content = run.objects[SUCCESS].json if SUCCESS in run.objects else None
        for problem in contract.wrong_keys(content, contract.SENTINEL):
            yield f"{run.run_id}: {problem}"
        if isinstance(content, dict):
            yield from (
                f"{run.run_id}: {key} is not the contract's"
                for key in content.keys() - contract.SENTINEL.keys()
            )
            if content.get("run_id") != run.run_id:
                yield f"{run.run_id}: run_id = {content.get('run_id')!r}"
            if content.get("instance_id") != instance.instance_id:
                yield f"{run.run_id}: instance_id = {content.get('instance_id')!r}"


def _interrupted(told: Story) -> Iterator[str]:
    sentinel = told.runs[0].sentinel
    yield from _differences(
        sentinel, completion_status="interrupted", reason="spot_interruption", parent_run_id=None
    )
    if sentinel.get("notice_time") is None:
        yield "notice_time is null"
    margin = sentinel.get("margin_seconds")
    if not isinstance(margin, int | float) or margin <= 0:
        yield f"margin_seconds = {margin!r}"


def _completed(told: Story) -> Iterator[str]:
    yield from _differences(
        told.runs[-1].sentinel,
        completion_status="normal",
        reason="training_completed",
        exit_code=0,
        notice_time=None,
        margin_seconds=None,
    )


def _differences(content: dict[str, Any], **expected: object) -> Iterator[str]:
    for key, value in expected.items():
        if key not in content or content[key] != value:
            yield f"{key} = {content.get(key)!r}, not {value!r}"


def _lineage(told: Story) -> Iterator[str]:
    for before, run in zip(told.runs, told.runs[1:], strict=False):
        yield from _differences(run.sentinel, parent_run_id=before.run_id)


def _success_last(told: Story) -> Iterator[str]:
    for run in told.runs:
        writes = [key for key in told.evidence.writes if key.startswith(run.prefix)]
        last = [key.removeprefix(run.prefix) for key in writes[-3:]]
        if last != [LOG, MANIFEST, SUCCESS]:
            yield f"{run.run_id} ended with {', '.join(last) or 'no write'}"
        finals = [_stage(key.removeprefix(run.prefix)) for key in writes]
        ordered = [stage for stage in finals[1:] if stage is not None]  # the first is the claim
        if ordered != sorted(ordered):
            yield f"{run.run_id} was not written in the order dumps, artifacts, log, manifest"


def _stage(name: str) -> int | None:
    if DUMP.fullmatch(name):
        return 0
    if name.startswith("artifacts/"):
        return 1
    return {LOG: 2, MANIFEST: 3, SUCCESS: 4}.get(name)


def _once(told: Story) -> Iterator[str]:
    for run in told.runs:
        counts = Counter(key for key in told.evidence.writes if key.startswith(run.prefix))
        for name in run.objects:
            # The run claimed its prefix with the first line of the log that it finally sent whole.
            expected = 2 if name == LOG else 1
            if counts[run.prefix + name] != expected:
                yield f"{run.prefix}{name} was written {counts[run.prefix + name]} times"


def _manifest(told: Story) -> Iterator[str]:
    for run in told.runs:
        manifest = run.objects.get(MANIFEST)
        content = manifest.json if manifest else None
        entries = content.get("objects") if isinstance(content, dict) else None
        if manifest is None or not isinstance(entries, list):
            yield f"{run.run_id} has none that lists objects"
            continue
        listed = {
            str(entry.get("key")): (entry.get("size"), entry.get("sha256"))
            for entry in entries
            if isinstance(entry, dict)
        }
        held = {
            name: (one.size, one.sha256)
            for name, one in run.objects.items()
            if name not in {MANIFEST, SUCCESS, FAILED}
        }
        for name in sorted(held.keys() | listed.keys()):
            if name not in listed:
                yield f"{run.run_id}: {name} is not listed"
            elif name not in held:
                yield f"{run.run_id}: {name} is listed and not in S3"
            elif listed[name] != held[name]:
                yield f"{run.run_id}: {name} is listed with {listed[name]}, S3 holds {held[name]}"
        if run.sentinel.get("manifest_sha256") != hashlib.sha256(manifest.body).hexdigest():
            yield f"{run.run_id}: manifest_sha256 in {SUCCESS} is another's"


def _dump_metadata(told: Story) -> Iterator[str]:
    for run in told.runs:
        for name, one in run.objects.items():
            match = DUMP.fullmatch(name)
            if not match:
                continue
            described = run.objects.get(name.removesuffix(".dmp") + ".metadata.json")
            content = described.json if described else None
            for problem in contract.wrong_keys(content, contract.DUMP_METADATA):
                yield f"{run.run_id}: {name}: {problem}"
            if isinstance(content, dict):
                yield from (
                    f"{run.run_id}: {name}: {problem}"
                    for problem in _differences(
                        content,
                        kind=match[1],
                        file=name,
                        size=one.size,
                        sha256=one.sha256,
                        run_id=run.run_id,
                        parent_run_id=run.sentinel.get("parent_run_id"),
                    )
                )


def completion_dump(told: Story) -> Iterator[str]:
    """Name what is wrong with the completion dumps of a trainer that takes one."""
    for run, expected in ((told.runs[0], 0), (told.runs[-1], 1)):
        count = sum(
            name.startswith("completion-") and name.endswith(".dmp") for name in run.objects
        )
        if count != expected:
            yield f"{run.run_id} has {count} completion dumps, not {expected}"


def _artifacts(told: Story) -> Iterator[str]:
    run = told.runs[-1]
    if not any(name.startswith("artifacts/") for name in run.objects):
        yield f"{run.run_id} has none"


RULES: dict[str, Callable[[Story], Iterator[str]]] = {
    "objects lie where the layout says, and no others": _layout,
    "_SUCCESS has the contract's keys": _sentinels,
    "run one was interrupted by its notice, with time to spare": _interrupted,
    "run two completed: normal, exit code 0": _completed,
    "run two names run one as its parent": _lineage,
    "log, manifest and _SUCCESS were written last, in that order": _success_last,
    "nothing was written twice, _SUCCESS least of all": _once,
    "the manifest lists every object with the size and SHA-256 that S3 holds": _manifest,
    "every dump has its metadata, and they agree": _dump_metadata,
    "artifacts of the completed run are in S3": _artifacts,
}
