"""A job whose machines live shorter than its runs: EC2 takes each, half of them without a word."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from rehearsal import experiment, power, trainers
from rehearsal.cloud import BUCKET, Cloud, cloud
from rehearsal.evidence import StoredObject, of_bucket
from rehearsal.experiment import Experiment
from rehearsal.instance import Instance, launched
from rehearsal.runs import DUMP
from tests.waiting import wait_until

LIVES = 5
INTERVAL_SECONDS = 2
SETTINGS = {
    "job_id": "xor",
    "container_name": "dxnn-app",
    "checkpoint_interval_seconds": INTERVAL_SECONDS,
    "trainer_command": [trainers.LAUNCHER],
}
# One run without end, but for its evaluations: 30 in a generation, a step of the statistics for
# every other one.
ENVIRONMENT = {
    "XOR_RUNS": "1",
    "XOR_POPULATION": "10",
    "XOR_GOAL": "101",
    "XOR_EVALUATIONS": "6000",
    "XOR_STEP": "60",
    "XOR_GENERATION_MS": "100",
}
LAST = {**ENVIRONMENT, "XOR_GENERATION_MS": "5"}


@contextmanager
def life(
    here: Cloud, directory: Path, number: int, environment: dict[str, str]
) -> Iterator[Instance]:
    name = f"life-{number}"
    with launched(here, directory / name, name, directory / "image", SETTINGS) as instance:
        instance.boot(environment, INTERVAL_SECONDS)
        yield instance


def shipped(here: Cloud) -> list[StoredObject]:
    """List the dumps in S3 in the order in which they were taken."""
    found = [one for one in of_bucket(here.s3, BUCKET) if DUMP.fullmatch(one.key.split("/")[-1])]
    return sorted(
        found, key=lambda one: one.key.partition("-20")[2].split("/")[-1].split("-", 1)[1]
    )


def read(dump: StoredObject, directory: Path) -> Experiment:
    file = directory / "read.dmp"
    file.write_bytes(dump.body)
    return experiment.read(file)


def evaluations(experiment_: Experiment) -> int:
    return experiment_.all_runs[0].evaluations if experiment_.all_runs else 0


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[StoredObject, Experiment]]:
    """Play the job to its end; give its dumps, and what they hold."""
    directory = tmp_path_factory.mktemp("lives")
    trainers.build(trainers.xor(), directory / "image")
    with cloud(directory / "cloud") as here:
        for number in range(LIVES):
            before = evaluations(read(shipped(here)[-1], directory)) if number else 0

            def on(before: int = before) -> bool:
                dumps = shipped(here)
                return bool(dumps) and evaluations(read(dumps[-1], directory)) >= before + 120

            with life(here, directory, number, ENVIRONMENT) as instance:
                wait_until(on, f"life {number} to get on", 60)
                if number % 2:
                    power.end(instance.mark, grace_seconds=0)
                else:
                    instance.notice()
                    wait_until(lambda: instance.is_down, f"the end of life {number}", 60)
        with life(here, directory, LIVES, LAST) as instance:
            wait_until(lambda: instance.is_down, "the end of the job", 120)
        return [(dump, read(dump, directory)) for dump in shipped(here)]


def test_one_population_through_all_lives(lived: list[tuple[StoredObject, Experiment]]) -> None:
    """Each dump goes on where the one before was taken, whoever took it."""
    found = [one for _, one in lived]
    assert [problems for pair in pairwise(found) if (problems := experiment.continued(*pair))] == []
    assert len({one.under_way.species for one in found if one.under_way}) == 1


def test_the_run_ended_and_its_trace_is_whole(
    lived: list[tuple[StoredObject, Experiment]],
) -> None:
    last = lived[-1][1]
    assert last.completed
    [run] = last.ended
    assert run.evaluations >= 6000
    assert len(run.steps) == len(set(run.steps)) == 100


def test_every_dump_is_one_to_start_from(
    lived: list[tuple[StoredObject, Experiment]], tmp_path: Path
) -> None:
    check = Path(trainers.LAUNCHER).with_name("dxnn-check")
    for number, (dump, _) in enumerate(lived):
        file = tmp_path / f"{number}.dmp"
        file.write_bytes(dump.body)
        done = subprocess.run([check, file], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
