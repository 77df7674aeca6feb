"""The evidence of a rehearsal in which everything held, to tamper with."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rehearsal.evidence import Evidence, InstanceEvidence, StoredObject

JOB_PREFIX = "dxnn/xor/"
FIRST, SECOND = "20250111-143012Z", "20250111-143112Z"
NEWEST = "checkpoint-20250111-143020Z"
_DUMPS = {
    FIRST: ["checkpoint-20250111-143016Z", NEWEST],
    SECOND: ["checkpoint-20250111-143116Z", "completion-20250111-143120Z"],
}
_LOGS = {
    FIRST: "RESTORE_START RESTORE_NONE RUN_START WATCH_START CHECKPOINT_START CHECKPOINT_OK "
    "UPLOAD_SUCCESS DETECTED CHECKPOINT_START CHECKPOINT_OK RUN_EXIT FINALIZE_START FINALIZE_START "
    "UPLOAD_SUCCESS FINALIZE_SUCCESS TERMINATING",
    SECOND: "RESTORE_START RESTORE_OK RUN_START WATCH_START CHECKPOINT_START CHECKPOINT_OK "
    "UPLOAD_SUCCESS RUN_EXIT FINALIZE_START UPLOAD_SUCCESS FINALIZE_SUCCESS TERMINATING",
}
_INSTANCES = {FIRST: "i-1", SECOND: "i-2"}


@dataclass(frozen=True)
class Files:
    """The bodies of all objects by key, and the keys in the order in which they were written."""

    bodies: Mapping[str, bytes]
    writes: tuple[str, ...]
    instances: tuple[InstanceEvidence, ...]

    def with_body(self, key: str, body: bytes) -> "Files":
        """Put another body at a key without writing it once more."""
        return replace(self, bodies={**self.bodies, key: body})

    def with_json(self, key: str, **changes: Any) -> "Files":
        """Change keys of a JSON object; None of the changes' values is special but `...`."""
        content = json.loads(self.bodies[key])
        for name, value in changes.items():
            if value is ...:
                del content[name]
            else:
                content[name] = value
        return self.with_body(key, json.dumps(content).encode())

    def without(self, key: str) -> "Files":
        """Take an object away."""
        return replace(self, bodies={k: body for k, body in self.bodies.items() if k != key})

    def with_instance(self, number: int, **changes: Any) -> "Files":
        """Change what an instance left behind."""
        instances = list(self.instances)
        instances[number] = replace(instances[number], **changes)
        return replace(self, instances=tuple(instances))

    def evidence(self) -> Evidence:
        """Make the evidence that S3 and the instances would give."""
        return Evidence(
            objects=tuple(
                StoredObject(key, len(body), hashlib.sha256(body).hexdigest(), body)
                for key, body in sorted(self.bodies.items())
            ),
            writes=self.writes,
            instances=self.instances,
        )


def key(run_id: str, name: str) -> str:
    """Name an object of a run."""
    return f"{JOB_PREFIX}run-{run_id}/{name}"


def good_story() -> Files:
    """Tell of a run that was interrupted and one that completed."""
    bodies: dict[str, bytes] = {}
    writes: list[str] = []
    for run_id, parent in ((FIRST, None), (SECOND, FIRST)):
        named = _dumps(run_id, parent) | {"artifacts/benchmarks/report": b"fit"}
        claim = key(run_id, "dxnn-run.log")
        named["dxnn-run.log"] = _log(run_id).encode()
        named["_MANIFEST.json"] = _manifest(run_id, named)
        named["_SUCCESS"] = _sentinel(run_id, parent, named["_MANIFEST.json"])
        bodies |= {key(run_id, name): body for name, body in named.items()}
        writes += [claim, *(key(run_id, name) for name in named)]
    return Files(bodies, tuple(writes), (_instance(FIRST, bodies), _instance(SECOND, bodies)))


def _dumps(run_id: str, parent: str | None) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name in _DUMPS[run_id]:
        body = f"dump {name}".encode()
        described = {
            "kind": name.partition("-")[0],
            "file": f"{name}.dmp",
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "taken_at": "2025-01-11T14:30:20Z",
            "reason": "periodic",
            "job_id": "xor",
            "run_id": run_id,
            "parent_run_id": parent,
            "otp_release": "25",
        }
        found[f"{name}.dmp"] = body
        found[f"{name}.metadata.json"] = json.dumps(described).encode()
    return found


def _manifest(run_id: str, named: Mapping[str, bytes]) -> bytes:
    objects = [
        {"key": name, "size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        for name, body in named.items()
    ]
    return json.dumps({"run_id": run_id, "job_id": "xor", "objects": objects}).encode()


def _sentinel(run_id: str, parent: str | None, manifest: bytes) -> bytes:
    interrupted = run_id == FIRST
    content = {
        "run_id": run_id,
        "finalized_at": "2025-01-11T14:30:30Z",
        "status": "success",
        "completion_status": "interrupted" if interrupted else "normal",
        "exit_code": 0,
        "reason": "spot_interruption" if interrupted else "training_completed",
        "job_id": "xor",
        "container_name": "dxnn-app",
        "instance_id": _INSTANCES[run_id],
        "parent_run_id": parent,
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
        "notice_time": "2025-01-11T14:32:20Z" if interrupted else None,
        "margin_seconds": 110.5 if interrupted else None,
        "agent_version": "0.1.0",
        "skipped": 0,
    }
    return json.dumps(content).encode()


def _log(run_id: str) -> str:
    states = _LOGS[run_id].split()
    lines = [
        f'[UTC 2025-01-11T14:30:12Z] STATE: {s} run_id={run_id} note="a \\" b"' for s in states
    ]
    return "".join(f"{line}\n" for line in lines)


def _instance(run_id: str, bodies: Mapping[str, bytes]) -> InstanceEvidence:
    newest = bodies[key(FIRST, f"{NEWEST}.dmp")]
    restored = {f"{NEWEST}.dmp": hashlib.sha256(newest).hexdigest()}
    return InstanceEvidence(
        name="one" if run_id == FIRST else "two",
        instance_id=_INSTANCES[run_id],
        ec2_state="terminated",
        reclaimed=False,
        poweroffs=1,
        processes=(),
        credentials_fetched=True,
        log=_log(run_id),
        output=(),
        restored={} if run_id == FIRST else restored,
    )
