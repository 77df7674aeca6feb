"""Names of runs, dumps and objects: the S3 layout of docs/contract.md, as pure functions."""

import re
from dataclasses import dataclass
from datetime import datetime

from dxnn_agent.timestamps import moment_of

LOG_NAME = "dxnn-run.log"
MANIFEST_NAME = "_MANIFEST.json"
SUCCESS_NAME = "_SUCCESS"
FAILED_NAME = "_FAILED_UPLOAD"
ARTIFACTS_PREFIX = "artifacts/"
METADATA_SUFFIX = ".metadata.json"

_DUMP = re.compile(r"(checkpoint|completion)-([A-Za-z0-9._-]+)\.dmp", re.ASCII)


def job_prefix(s3_prefix: str, job_id: str) -> str:
    """The key prefix below which all runs of a job lie, ending in a slash."""
    return f"{s3_prefix}/{job_id}/" if s3_prefix else f"{job_id}/"


def run_prefix(s3_prefix: str, job_id: str, run_id: str) -> str:
    """The key prefix of one run, ending in a slash."""
    return f"{job_prefix(s3_prefix, job_id)}run-{run_id}/"


def split_key(key: str, prefix: str) -> tuple[str, str] | None:
    """Split a key below a job's prefix into run id and name within the run."""
    run, slash, name = key.removeprefix(prefix).partition("/")
    if not key.startswith(prefix) or not slash or not run.startswith("run-"):
        return None
    return run.removeprefix("run-"), name


@dataclass(frozen=True)
class DumpName:
    """The name of a checkpoint or a completion dump."""

    kind: str
    label: str

    @property
    def file(self) -> str:
        """The dump's file name."""
        return f"{self.kind}-{self.label}.dmp"

    @property
    def metadata(self) -> str:
        """The file name of the JSON that describes the dump."""
        return f"{self.kind}-{self.label}{METADATA_SUFFIX}"

    @property
    def taken_at(self) -> datetime | None:
        """The moment in the name; None where a person named the file otherwise."""
        return moment_of(self.label)


def dump_name(file: str) -> DumpName | None:
    """Parse a file name; None where it names neither a checkpoint nor a completion dump."""
    match = _DUMP.fullmatch(file)
    return DumpName(match[1], match[2]) if match else None
