"""Plays jobs side by side: what happens to each, in a thread of its own, until its end."""

import os
import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from rehearsal.ec2.region import Region
from tests.fault_proxy import FaultProxy
from tests.machines.jobs import GENERATIONS, RUNS, Job, launched
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

    jobs: Mapping[str, Job]
    _ends: Mapping[str, Future[None]]

    def __getitem__(self, name: str) -> Job:
        job = self.jobs[name]
        try:
            self._ends[name].result()
        except Exception as error:
            error.add_note(story(job))
            raise
        return job

    @property
    def all(self) -> list[Job]:
        return [self[name] for name in self.jobs]


@contextmanager
def playing(
    region: Region, s3: FaultProxy, directory: Path, plays: Mapping[str, Play]
) -> Iterator[Stage]:
    """Launch a job for each play, by one `terraform apply`, and let it take its course."""
    seed = os.environ.get(SEED) or str(random.randrange(10**6))
    print(f"{SEED}={seed}")
    settings = {name: dict(play.settings) for name, play in plays.items()}
    with (
        launched(region, s3, directory, settings) as jobs,
        ThreadPoolExecutor(len(plays)) as pool,  # its threads are in the region's network, too
    ):
        yield Stage(
            jobs,
            {
                name: pool.submit(play.act, jobs[name], random.Random(f"{seed} {name}"))
                for name, play in plays.items()
            },
        )


def moment(chance: random.Random, begin: float = 0.0, end: float = 0.85) -> tuple[int, int]:
    """Choose a run and a generation between two parts of the whole training."""
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
        lines += [f"  | {line}" for line in one.machine.lines()[-_CONSOLE_LINES:]]
    return "\n".join(lines)


def _line(event: object) -> str:
    return repr(event)[:300]


def interrupt(trainee: Trainee) -> None:
    """Give an instance EC2's notice, two minutes before it takes it."""
    trainee.region.interrupt(trainee.id)
