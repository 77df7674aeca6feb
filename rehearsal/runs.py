"""The runs of a job that one instance began and another completed, as a verdict looks at them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rehearsal.evidence import Evidence, InstanceEvidence, StoredObject

LOG = "dxnn-run.log"
MANIFEST = "_MANIFEST.json"
SUCCESS = "_SUCCESS"
FAILED = "_FAILED_UPLOAD"
DUMP = re.compile(r"(checkpoint|completion)-(\d{8}-\d{6}Z)\.dmp")


@dataclass(frozen=True)
class StoredRun:
    """One run's objects, by their names within the run."""

    run_id: str
    prefix: str
    objects: dict[str, StoredObject]

    @cached_property
    def sentinel(self) -> dict[str, Any]:
        """What `_SUCCESS` says; empty where there is none or it is no JSON object."""
        found = self.objects.get(SUCCESS)
        content = found.json if found else None
        return content if isinstance(content, dict) else {}

    @property
    def newest_checkpoint(self) -> str | None:
        """The name of the newest checkpoint."""
        dumps = [match for name in self.objects if (match := DUMP.fullmatch(name))]
        return max((d[0] for d in dumps if d[1] == "checkpoint"), default=None)

    @property
    def newest_dump(self) -> StoredObject | None:
        """The dump that was taken last, of either kind."""
        dumps = {match[2]: name for name in self.objects if (match := DUMP.fullmatch(name))}
        return self.objects[dumps[max(dumps)]] if dumps else None


@dataclass(frozen=True)
class Story:
    """A job that one instance began and another completed: what all rules are about."""

    evidence: Evidence
    runs: tuple[StoredRun, ...]

    @property
    def pairs(self) -> Iterator[tuple[InstanceEvidence, StoredRun]]:
        """Each instance with its run."""
        return zip(self.evidence.instances, self.runs, strict=True)


def story(evidence: Evidence, job_prefix: str) -> Story:
    """Sort the objects below a job's prefix into its runs, oldest first."""
    below: dict[str, dict[str, StoredObject]] = {}
    for one in evidence.objects:
        run, slash, name = one.key.removeprefix(job_prefix).partition("/")
        if one.key.startswith(job_prefix) and slash:
            below.setdefault(run, {})[name] = one
    runs = (
        StoredRun(run.removeprefix("run-"), f"{job_prefix}{run}/", objects)
        for run, objects in sorted(below.items())
    )
    return Story(evidence, tuple(runs))
