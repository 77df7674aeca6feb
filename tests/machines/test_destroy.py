"""Terraform ends jobs in mid-training, all of them or one: each is saved before its role goes.

Some saves take a minute, which is less than EC2 gives a machine to shut down.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from rehearsal.chain import leftovers
from rehearsal.ec2 import decisions
from rehearsal.ec2.region import Region
from rehearsal.runs import FAILED
from tests.fault_proxy import FaultProxy
from tests.machines.findings import check_finalized_once, check_runs, finalized
from tests.machines.jobs import Deployment, Job
from tests.machines.plays import story

Settings = Mapping[str, object]
Jobs = Mapping[str, Job]
Ends = Mapping[str, Future[Jobs]]

POWER_OFF_SECONDS = decisions.POWER_OFF_SECONDS

SAVE_SECONDS = 60

# Both train for longer than any of this takes.
QUICKLY_SAVED: Settings = {"environment": {"XOR_GENERATION_MS": "2000"}}
SLOWLY_SAVED: Settings = {
    "trainer_command": ["sleep", "1000"],
    "checkpoint_command": [
        *("sh", "-c", f"sleep {SAVE_SECONDS} && echo trained > $DXNN_CHECKPOINT_PATH")
    ],
    "checkpoint_deadline_seconds": SAVE_SECONDS + 20,
}


@pytest.fixture(scope="module")
def ends(
    region: Region, image: str, s3: FaultProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ends]:
    """Play both ends side by side, each with a deployment of its own."""
    assert image, "it is baked"
    directory = tmp_path_factory.mktemp("deployments")
    deployments = {
        name: Deployment(region, s3, directory / name, name) for name in ("whole", "part")
    }
    with ThreadPoolExecutor() as pool:
        yield {
            "whole": pool.submit(destroy, deployments["whole"], region),
            "part": pool.submit(take_one_out, deployments["part"]),
        }


def destroy(deployment: Deployment, region: Region) -> Jobs:
    jobs = launch(
        deployment,
        {
            "quick": QUICKLY_SAVED,
            "slow": {**SLOWLY_SAVED, "public_ip_address": False},
        },
    )
    deployment.destroy()
    assert deployment.resources == []
    named = [name for names in leftovers.in_cloud(region).values() for name in names]
    assert [name for name in named if name.startswith(deployment.name)] == []
    return jobs


def take_one_out(deployment: Deployment) -> Jobs:
    jobs = launch(deployment, {"taken": SLOWLY_SAVED, "left": QUICKLY_SAVED})
    taken = jobs["taken"].trainee(1)
    # Auto Scaling may say so to `watch` well before EC2 has systemd stop everything.
    taken.metadata.set_target_lifecycle_state("Terminated")
    taken.await_event("CHECKPOINT_START")
    deployment.take_out("taken")
    assert [one for one in deployment.resources if "taken" in one] == []
    assert [one for one in deployment.resources if "left" in one]
    return jobs


def launch(deployment: Deployment, settings: Mapping[str, Settings]) -> Jobs:
    """Launch jobs, and wait until all of them train."""
    jobs = deployment.launch(settings)
    for job in jobs.values():
        job.trainee(1).await_event("RUN_START")
    for name, job in jobs.items():
        if settings[name] is QUICKLY_SAVED:
            job.trainee(1).await_position((1, 2))
    return jobs


@pytest.mark.parametrize(
    ("end", "name"), [("whole", "quick"), ("whole", "slow"), ("part", "taken")]
)
def test_it_is_saved_first(ends: Ends, end: str, name: str) -> None:
    job = ends[end].result()[name]
    try:
        check_saved(job)
    except Exception as error:
        error.add_note(story(job))
        raise


def check_saved(job: Job) -> None:
    """Check that its only machine was shut down, and had the time and the rights to save it."""
    (trainee,) = job.trainees
    assert trainee.states == ["pending", "running", "shutting-down", "terminated"]
    (run,) = finalized(job)
    assert FAILED not in run.objects
    assert (run.sentinel["completion_status"], run.sentinel["reason"]) == (
        "interrupted",
        "shutdown",
    )
    assert run.newest_checkpoint is not None
    check_runs(job)
    check_finalized_once(job)


def test_what_takes_a_minute_took_it(ends: Ends) -> None:
    for job in (ends["whole"].result()["slow"], ends["part"].result()["taken"]):
        (taken,) = job.trainees[0].said("CHECKPOINT_OK")
        assert float(taken.values["seconds"]) >= SAVE_SECONDS


def test_the_others_train_on(ends: Ends) -> None:
    jobs = ends["part"].result()
    (trainee,) = jobs["left"].trainees
    (saved,) = jobs["taken"].trainees[0].said("FINALIZE_SUCCESS")
    assert trainee.states[-1] == "running"
    assert not trainee.said("DETECTED")
    assert trainee.output[-1].at > saved.at.timestamp()
