"""Plays jobs side by side: what happens to each, in a thread of its own, until its end."""

import os
import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from rehearsal.ec2.region import Region
from tests.agent_log import Event
from tests.fault_proxy import FaultProxy
from tests.machines.jobs import GENERATIONS, RUNS, Deployment, Job
from tests.machines.trainees import Trainee

SEED = "SCENARIO_SEED"
"""The environment variable that repeats what was random in a test that failed."""

_CONSOLE_LINES = 15


@dataclass(frozen=True)
class Play:
    """What happens to a job, by moments that are random, and what it has of its own settings."""

    act: Callable[[Job, random.Random], None]
    settings: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Stage:
    """The jobs of a module of tests; each is given once its play is over."""

    jobs: dict[str, Job]
    ends: dict[str, Future[None]]

    def __getitem__(self, name: str) -> Job:
        job = self.jobs[name]
        try:
            self.ends[name].result()
        except Exception as error:
            error.add_note(story(job))
            raise
        if job.found is None:
            self.jobs[name] = replace(job, found=job.objects)
        return self.jobs[name]

    @property
    def all(self) -> list[Job]:
        return [self[name] for name in self.jobs]


@contextmanager
def playing(
    region: Region,
    s3: FaultProxy,
    directory: Path,
    plays: Mapping[str, Play],
    at_a_time: int | None = None,
) -> Iterator[Stage]:
    """Launch a job for each play, by one `terraform apply`, and let it take its course.

    Where there may only be so many at a time, the next follow, by another apply, when these are
    over.
    """
    seed = os.environ.get(SEED) or str(random.randrange(10**6))
    print(f"{SEED}={seed}")
    deployment = Deployment(region, s3, directory)
    stage = Stage({}, {})
    # Its threads are in the region's network, too.
    with ThreadPoolExecutor(at_a_time or len(plays)) as pool:
        for some in _by(at_a_time or len(plays), list(plays)):
            wait(stage.ends.values())
            jobs = deployment.launch({name: dict(plays[name].settings) for name in some})
            for name, job in jobs.items():
                stage.jobs[name] = job
                chance = random.Random(f"{seed} {name}")
                stage.ends[name] = pool.submit(plays[name].act, job, chance)
        yield stage


def _by(count: int, names: list[str]) -> Iterator[list[str]]:
    for begin in range(0, len(names), count):
        yield names[begin : begin + count]


def moment(chance: random.Random, begin: float = 0.0, end: float = 0.6) -> tuple[int, int]:
    """Choose a run and a generation between two parts of the whole training.

    What happens then takes its time while the trainer trains on, on a slow machine some seconds.
    """
    length = RUNS * GENERATIONS
    generation = chance.randint(max(1, round(begin * length)), round(end * length))
    return (generation - 1) // GENERATIONS + 1, (generation - 1) % GENERATIONS + 1


def story(job: Job) -> str:
    """Tell what became of a job, for whoever reads of a failure."""
    lines = [f"job {job.id}, objects: {', '.join(one.key for one in job.objects)}"]
    for one in job.trainees:
        lines += [
            f"{one.id}: {', '.join(one.states)}",
            *(f"  {_line(each)}" for each in one.events),
        ]
        lines += [f"  {said.text}" for said in one.output[-3:]]
        told = [line for line in one.machine.lines() if "STATE: " not in line]
        lines += [f"  | {line}" for line in told[-_CONSOLE_LINES:]]
    return "\n".join(lines)


def _line(event: Event) -> str:
    values = " ".join(f"{name}={value[:80]}" for name, value in event.values.items())
    return f"{event.at:%H:%M:%S} {event.state} {values}"


def interrupt(trainee: Trainee) -> None:
    """Give an instance EC2's notice, two minutes before it takes it."""
    trainee.region.interrupt(trainee.id)
