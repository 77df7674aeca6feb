"""What a sweep is: jobs that share most of their attributes, made from a grid or a list."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Value = str | int | float | bool | list[str] | dict[str, str]

# IAM gives an account 1000 roles and Auto Scaling 500 groups in a region, unless asked for more;
# a range that makes more jobs than this is a slip of the hand.
MOST_JOBS = 5000


@dataclass(frozen=True)
class Axis:
    """The values that one attribute, or one variable of the trainer's environment, takes."""

    key: str
    values: tuple[Value, ...]
    is_environment: bool = False


@dataclass(frozen=True)
class SweepJob:
    """One job: its id and its attributes, as the module's variable `jobs` takes them."""

    job_id: str
    attributes: Mapping[str, Value]


@dataclass(frozen=True)
class Sweep:
    """A sweep, checked: the stack's name, the module's variables, the jobs in order."""

    name: str
    variables: Mapping[str, Value]
    jobs: tuple[SweepJob, ...]

    @property
    def by_id(self) -> dict[str, dict[str, Value]]:
        """The jobs as the module's variable `jobs` takes them."""
        return {job.job_id: dict(job.attributes) for job in self.jobs}


def size(axes: Sequence[Axis]) -> int:
    """How many jobs a grid makes."""
    return math.prod(len(axis.values) for axis in axes)


def grid(name: str, shared: Mapping[str, Value], axes: Sequence[Axis]) -> Iterator[SweepJob]:
    """Make a job of every combination, the last axis varying fastest, its values in its id."""
    for combination in itertools.product(*(axis.values for axis in axes)):
        attributes = dict(shared)
        environment: dict[str, str] = {}
        for axis, value in zip(axes, combination, strict=True):
            if axis.is_environment:
                environment[axis.key] = text(value)
            else:
                attributes[axis.key] = value
        job_id = "-".join([name, *(id_part(value) for value in combination)])
        yield SweepJob(job_id, with_environment(attributes, environment))


def with_environment(
    attributes: Mapping[str, Value], environment: Mapping[str, str]
) -> dict[str, Value]:
    """Add to the environment that the attributes have already."""
    had = attributes.get("environment", {})
    if not environment or not isinstance(had, dict):
        return dict(attributes)
    return {**attributes, "environment": {**had, **environment}}


def text(value: Value) -> str:
    """How a value reads in an environment variable; true and false in lower case, as in TOML."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def id_part(value: Value) -> str:
    """A value's part of a job id: what an id can't hold becomes a dash; may come out empty."""
    if isinstance(value, str | list):
        words = value if isinstance(value, str) else " ".join(value)
        return re.sub(r"[^A-Za-z0-9._]+", "-", words).strip("-")
    return text(value).replace("+", "")


def alike(jobs: Sequence[SweepJob]) -> list[str]:
    """Return the ids that more than one job has, where IAM's eye for names is the judge.

    A role's name is unique without regard to upper and lower case:
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    """
    seen = Counter(job.job_id.casefold() for job in jobs)
    return sorted({job.job_id for job in jobs if seen[job.job_id.casefold()] > 1})
