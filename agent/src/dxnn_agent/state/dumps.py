"""Dumps on the instance's disk: checkpoints and completion dumps, and the JSON beside them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dxnn_agent import timestamps
from dxnn_agent.state.outcome import TRAINING_COMPLETED
from dxnn_agent.state.run_state import Run
from dxnn_agent.store import keys
from dxnn_agent.store.keys import DumpName

CHECKPOINT = "checkpoint"
COMPLETION = "completion"


@dataclass(frozen=True)
class Dump:
    """A dump as it lies on the disk, with what its metadata says, if anything."""

    name: DumpName
    path: Path
    size: int
    modified_at: datetime
    described: Mapping[str, Any] = field(default_factory=dict)

    @property
    def taken_at(self) -> datetime:
        """When it was taken: by its name, else by the file's own time."""
        return self.name.taken_at or self.modified_at

    @property
    def job_id(self) -> str | None:
        """The job it was taken for; None where nothing says so."""
        return _text(self.described.get("job_id"))

    @property
    def run_id(self) -> str | None:
        """The run it was taken in; None where nothing says so."""
        run_id = _text(self.described.get("run_id"))
        return run_id if run_id and timestamps.moment_of(run_id) else None

    @property
    def sha256(self) -> str | None:
        """The checksum that was written down when the dump was whole."""
        checksum = _text(self.described.get("sha256"))
        return checksum if checksum and self.described.get("size") == self.size else None

    @property
    def progress(self) -> str | None:
        """How far the trainer was, in words; None where nothing says so."""
        return progress_of(self.described)


def lying_in(directory: Path) -> list[Dump]:
    """All dumps of a directory, newest first; none where there is no such directory."""
    try:
        files = [path for path in directory.iterdir() if path.is_file() and not path.is_symlink()]
    except OSError:
        return []
    found = []
    for path in files:
        name = keys.dump_name(path.name)
        if name:
            status = path.stat()
            modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
            described = read_metadata(path.with_name(name.metadata))
            found.append(Dump(name, path, status.st_size, modified_at, described))
    return sorted(found, key=lambda dump: (dump.taken_at, dump.name.kind), reverse=True)


def metadata(
    dump: Dump,
    sha256: str,
    run: Run,
    reason: str | None = None,
    added: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The whole metadata of a dump: the keys of docs/contract.md, and what the trainer added."""
    known = dict(added or dump.described)
    usual = TRAINING_COMPLETED if dump.name.kind == COMPLETION else "manual"
    home = home_of(dump, run)
    parent = run.parent_run_id if home == run.run_id else None
    return known | {
        "kind": dump.name.kind,
        "file": dump.name.file,
        "size": dump.size,
        "sha256": sha256,
        "taken_at": timestamps.timestamp(dump.taken_at),
        "reason": reason or _text(known.get("reason")) or usual,
        "job_id": dump.job_id or run.job_id,
        "run_id": home,
        "parent_run_id": dump.run_id if run.adopts else known.get("parent_run_id", parent),
    }


def home_of(dump: Dump, run: Run) -> str:
    """The run whose prefix a dump belongs into: the one that took it, unless this one adopts it."""
    return run.run_id if run.adopts else dump.run_id or run.run_id


def read_metadata(path: Path) -> dict[str, Any]:
    """What a metadata file says; empty where there is none that can be read."""
    try:
        return parse_metadata(path.read_bytes())
    except OSError:
        return {}


def parse_metadata(content: bytes) -> dict[str, Any]:
    """Read metadata; empty where it is not a JSON object."""
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def progress_of(described: Mapping[str, Any]) -> str | None:
    """Put into words what metadata says of the trainer's progress: names and values, or a text."""
    progress = described.get("progress")
    if not isinstance(progress, dict):
        return _text(progress)
    words = {name.replace("_", " "): _short(value) for name, value in progress.items()}
    if "run" in words and "runs" in words:
        words["run"] += f" of {words.pop('runs')}"
    return ", ".join(f"{name} {value}" for name, value in words.items())


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def to_json(content: Mapping[str, Any]) -> str:
    """JSON as every object of a run is written: indented by four, with a final newline."""
    return json.dumps(content, indent=4) + "\n"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
