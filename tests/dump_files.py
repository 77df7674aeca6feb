"""Dumps with their metadata, as the contract describes them, on a machine's disk and in S3."""

import json
from typing import Any

from tests.bucket import Bucket, sha256
from tests.machine import Machine


def checkpoint_metadata(run_id: str, stamp: str, body: bytes, job: str = "xor") -> dict[str, Any]:
    """Return the metadata of a checkpoint taken at `stamp` (YYYYMMDD-HHMMSSZ)."""
    return {
        "kind": "checkpoint",
        "file": f"checkpoint-{stamp}.dmp",
        "size": len(body),
        "sha256": sha256(body),
        "taken_at": _iso(stamp),
        "reason": "periodic",
        "job_id": job,
        "run_id": run_id,
        "parent_run_id": None,
    }


def leave_checkpoint(
    machine: Machine, run_id: str, stamp: str, body: bytes, job: str = "xor"
) -> None:
    """Put a checkpoint on the machine's disk that was never sent to S3."""
    metadata = checkpoint_metadata(run_id, stamp, body, job)
    _write(machine, f"checkpoint-{stamp}", body, metadata)


def leave_completion(
    machine: Machine, run_id: str, stamp: str, body: bytes, job: str = "xor"
) -> None:
    """Put a completion dump on the machine's disk as the trainer leaves it: without sha256."""
    metadata = checkpoint_metadata(run_id, stamp, body, job) | {
        "kind": "completion",
        "file": f"completion-{stamp}.dmp",
        "reason": "training_completed",
        "otp_release": "25",
        "node": "dxnn@127.0.0.1",
        "tables": {"experiment": 1},
    }
    del metadata["sha256"], metadata["parent_run_id"]
    _write(machine, f"completion-{stamp}", body, metadata)


def _write(machine: Machine, stem: str, body: bytes, metadata: dict[str, Any]) -> None:
    machine.checkpoint_dir.mkdir(exist_ok=True)
    (machine.checkpoint_dir / f"{stem}.dmp").write_bytes(body)
    (machine.checkpoint_dir / f"{stem}.metadata.json").write_text(json.dumps(metadata))


def put_checkpoint(
    bucket: Bucket,
    run_id: str,
    stamp: str,
    body: bytes,
    job: str = "xor",
    **changes: object,
) -> None:
    """Put a checkpoint of an earlier run into S3; `changes` are made to its metadata.

    A change to None takes the key out.
    """
    metadata = checkpoint_metadata(run_id, stamp, body, job) | changes
    kept = {name: value for name, value in metadata.items() if value is not None}
    key = f"dxnn/{job}/run-{run_id}/checkpoint-{stamp}"
    bucket.put(f"{key}.dmp", body)
    bucket.put(f"{key}.metadata.json", json.dumps(kept | {"parent_run_id": None}).encode())


def _iso(stamp: str) -> str:
    day, time = stamp.removesuffix("Z").split("-")
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}Z"
