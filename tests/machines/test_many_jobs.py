"""Many jobs, a few at a time, each interrupted in some way: all complete, and nothing is left."""

from pathlib import Path
from random import Random

import pytest

from rehearsal.chain.leftovers import on_this_machine
from rehearsal.ec2 import cgroups
from tests.machines.findings import check_completed, check_finalized_once, check_runs
from tests.machines.jobs import Job
from tests.machines.left_behind import of_machine
from tests.machines.plays import Play, Stage, interrupt, moment

JOBS, AT_A_TIME = 8, 4


def disturbed(job: Job, chance: Random) -> None:
    """Let one of many things happen to the job's first instance."""
    first = job.trainee(1)
    first.await_position(moment(chance))
    what = chance.choice(["notice", "cut", "poweroff", "crash", "nothing"])
    if what == "notice":
        interrupt(first)
    elif what == "cut":
        job.region.cut(first.id)
    elif what == "poweroff":
        first.machine.run(["systemctl", "poweroff"])
    elif what == "crash":
        first.machine.run(["pkill", "-KILL", "beam"])
    job.await_end()


PLAYS = {f"job{number}": Play(disturbed) for number in range(1, JOBS + 1)}


@pytest.mark.parametrize("name", PLAYS)
def test_each_run_was_finalized_once_and_the_job_completed(stage: Stage, name: str) -> None:
    job = stage[name]
    check_runs(job)
    check_finalized_once(job)
    check_completed(job)


def test_nothing_is_left_of_their_machines(stage: Stage) -> None:
    trainees = [one for job in stage.all for one in job.trainees]
    assert len(trainees) >= JOBS
    for one in trainees:
        name = one.machine.hardware.name
        assert not one.machine.on
        assert on_this_machine(name) == {}
        assert of_machine(name) == []
        kept = {path.name for path in one.machine.hardware.directory.iterdir()}
        assert kept == {"console.log", "kept"}
    run = trainees[0].region.directory.name
    assert list(cgroups.own().glob(f"dxnn-{run}-*")) == []
    ends = [path.name for path in Path("/sys/class/net").iterdir()]
    assert [name for name in ends if name.startswith("vb-")] == []
