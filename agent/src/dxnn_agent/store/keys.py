"""Names of runs, dumps and objects: the contract's S3 layout, as pure functions."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

LOG_NAME = "dxnn-run.log"
MANIFEST_NAME = "_MANIFEST.json"
SUCCESS_NAME = "_SUCCESS"
FAILED_NAME = "_FAILED_UPLOAD"
ARTIFACTS_PREFIX = "artifacts/"
METADATA_SUFFIX = ".metadata.json"

_STAMP_FORMAT = "%Y%m%d-%H%M%SZ"
_STAMP = re.compile(r"\d{8}-\d{6}Z", re.ASCII)
_DUMP = re.compile(r"(checkpoint|completion)-([A-Za-z0-9._-]+)\.dmp", re.ASCII)


def stamp(moment: datetime) -> str:
    """A moment as runs and dumps are named by it: UTC, to the second, `20250111-143012Z`."""
    return moment.astimezone(UTC).strftime(_STAMP_FORMAT)


def moment_of(text: str) -> datetime | None:
    """The moment that a stamp names, or None where the text is no stamp."""
    if not _STAMP.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, _STAMP_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


def timestamp(moment: datetime) -> str:
    """A moment as JSON and log lines carry it: UTC, to the second, `2025-01-11T14:30:12Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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
