"""Jobs as a user launches them, by the unchanged Terraform module, and their instances."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal import runs
from rehearsal.ec2 import api
from rehearsal.ec2.region import NAME, Region
from rehearsal.evidence import Evidence, StoredObject
from rehearsal.runs import StoredRun
from tests.agent_log import Event
from tests.fault_proxy import FaultProxy, Matcher, Request
from tests.machines.positions import EVALUATIONS
from tests.machines.trainees import Trainee
from tests.terraform.engine import ROOT, working_copy
from tests.waiting import wait_until

BUCKET = "trainings"

# Two evolutions of so many generations each, for the goal is out of reach. The database counts
# evaluations, three an agent, and here after each generation.
RUNS, GENERATIONS, GENERATION_SECONDS = 2, 60, 0.1
ENVIRONMENT = {
    "XOR_SEED": "1",
    "XOR_RUNS": f"{RUNS}",
    "XOR_EVALUATIONS": f"{GENERATIONS * EVALUATIONS}",
    "XOR_GOAL": "101",
    "XOR_STEP": f"{EVALUATIONS}",
    "XOR_POPULATION": "4",
    "XOR_GENERATION_MS": f"{GENERATION_SECONDS * 1000:.0f}",
}
LENGTH = RUNS * GENERATIONS

REPORT = "artifacts/benchmarks/report_fitness.tsv"

_LAUNCHED_SECONDS = 90
_COMPLETED_SECONDS = 300
_LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Job:
    """A job of a deployment, whose requests to S3 go through `s3`."""

    id: str
    deployment: str
    region: Region
    s3: FaultProxy
    clients: Mapping[str, Any]
    bucket: str = BUCKET
    found: tuple[StoredObject, ...] | None = None

    @property
    def prefix(self) -> str:
        """Where its runs lie in the bucket."""
        return f"dxnn/{self.id}/"

    @property
    def group(self) -> str:
        """Its Auto Scaling group."""
        return f"{self.deployment}-{self.id}"

    @property
    def role(self) -> str:
        """The role of its instances."""
        return f"{self.group}-{NAME}"

    @property
    def trainees(self) -> list[Trainee]:
        """Its instances so far, oldest first."""
        seen = dict.fromkeys(one.instance_id for one in self.region.changes)
        found = (Trainee(one, self.region) for one in seen)
        return [one for one in found if one.group == self.group]

    def trainee(self, number: int, seconds: float = _LAUNCHED_SECONDS) -> Trainee:
        """Wait for an instance, counted from 1, to be launched."""

        def there() -> bool:
            self.region.check()
            return len(self.trainees) >= number

        wait_until(there, f"instance {number} of {self.id}", seconds, _LOOK_SECONDS)
        return self.trainees[number - 1]

    @property
    def desired(self) -> int:
        """How many instances its group is to have."""
        told = self.clients["autoscaling"].describe_auto_scaling_groups(
            AutoScalingGroupNames=[self.group]
        )
        capacity: int = told["AutoScalingGroups"][0]["DesiredCapacity"]
        return capacity

    def await_end(self, seconds: float = _COMPLETED_SECONDS) -> None:
        """Wait until its group is at 0 and its instances are gone."""

        def over() -> bool:
            self.region.check()
            return all(one.gone for one in self.trainees) and self.desired == 0

        wait_until(over, f"the end of {self.id}", seconds, 2 * _LOOK_SECONDS)

    @property
    def objects(self) -> tuple[StoredObject, ...]:
        """What it has in S3; what was found there when it had come to its end."""
        if self.found is not None:
            return self.found
        s3 = self.clients["s3"]
        told = s3.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix).get("Contents", [])
        bodies = {
            one["Key"]: s3.get_object(Bucket=self.bucket, Key=one["Key"])["Body"].read()
            for one in told
        }
        return tuple(
            StoredObject(key, len(body), hashlib.sha256(body).hexdigest(), body)
            for key, body in bodies.items()
        )

    @property
    def runs(self) -> tuple[StoredRun, ...]:
        """Its runs in S3, oldest first."""
        return runs.story(Evidence(self.objects, (), ()), self.prefix).runs

    @property
    def events(self) -> list[Event]:
        """What the logs of its instances say, oldest first."""
        return [event for one in self.trainees for event in one.events]

    def owns(self, request: Request) -> bool:
        """Whether a request is about this job's part of the bucket."""
        return request.key.startswith(self.prefix) or request.query.get("prefix", "").startswith(
            self.prefix
        )

    def asks(self, method: str, name: str = "") -> Matcher:
        """Make a matcher of this job's requests by method and the object's name, or its end."""
        return lambda one: self.owns(one) and one.method == method and one.name.endswith(name)

    def puts(self, name: str) -> list[str]:
        """List the keys with this name that S3 has stored for this job, once for each time."""
        stored = list(self.s3.stored)
        return [key for key in stored if key.startswith(self.prefix) and key.endswith(name)]


class Deployment:
    """A working copy of the module, which launches jobs into one bucket."""

    def __init__(self, region: Region, s3: FaultProxy, directory: Path, name: str = "dxnn") -> None:
        """Make the copy in a new directory; machines reach S3 by way of `s3`."""
        self.name = name
        self._region, self._s3 = region, s3
        self._clients = {one: region.client(one) for one in ("autoscaling", "ec2", "iam", "s3")}
        self._clients["s3"].create_bucket(Bucket=BUCKET)
        self._terraform = working_copy(directory, ROOT, api.ENDPOINT)
        self._jobs: dict[str, Mapping[str, object]] = {}

    def launch(self, jobs: Mapping[str, Mapping[str, object]]) -> dict[str, Job]:
        """Add jobs, which say what differs from a short training, and apply."""
        self._jobs |= jobs
        self._apply()
        return {one: Job(one, self.name, self._region, self._s3, self._clients) for one in jobs}

    def take_out(self, job: str) -> None:
        """Take a job out of the variable `jobs`, and apply."""
        del self._jobs[job]
        self._apply()

    def destroy(self) -> None:
        """Destroy all of it."""
        self._terraform.destroy()

    @property
    def resources(self) -> list[str]:
        """The addresses of what Terraform's state holds."""
        return self._terraform.resources()

    def _apply(self) -> None:
        self._terraform.configure(
            name=self.name,
            s3_bucket=BUCKET,
            jobs=self._jobs,
            environment=ENVIRONMENT,
            poll_interval_seconds=1,
            checkpoint_interval_seconds=0,
        )
        self._terraform.apply()
