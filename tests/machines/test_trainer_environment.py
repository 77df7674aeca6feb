"""The trainer's environment reaches the trainer and its checkpoint command, and nobody else.

Whatever it says: it would send the agent elsewhere, blind it, or lend it somebody's code.
"""

import json
from random import Random

import pytest

from dxnn_agent.machine.trainer_environment import BASE
from tests.machines.findings import (
    check_completed,
    check_continued,
    check_down_by_itself,
    check_finalized_once,
    check_runs,
    finalized,
)
from tests.machines.jobs import ENVIRONMENT, Job
from tests.machines.plays import Play, Stage, interrupt, moment

PLANTED = "/opt/dxnn/planted"
MISLEADING = {
    "AWS_ACCESS_KEY_ID": "the-trainers-own",
    "AWS_SECRET_ACCESS_KEY": "the-trainers-own",
    "AWS_DEFAULT_REGION": "eu-north-1",
    "AWS_REGION": "eu-north-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
    "AWS_EC2_METADATA_DISABLED": "true",
    "LD_PRELOAD": f"{PLANTED}/library.so",
    "PATH": f"{PLANTED}/bin:/usr/local/bin:/usr/bin:/bin",
    "PYTHONPATH": PLANTED,
}
# The loader's complaint, once for each program that starts with a library that is not there.
COMPLAINT = "from LD_PRELOAD cannot be preloaded"

# Plants what every Python runs that has this PYTHONPATH, and trains until it is told to stop; the
# next machine's is complete at once.
TRAINER = f"""
import json, os, pathlib, time
planted = pathlib.Path({PLANTED!r})
planted.mkdir()
(planted / "sitecustomize.py").write_text('''
import os, sys
os.environ["RAN_AS"] = str(os.getuid())
print("planted code ran as", os.getuid(), file=sys.stderr)
''')
print(json.dumps(dict(os.environ, UID=str(os.getuid()))), flush=True)
while "DXNN_RESTORE_PATH" not in os.environ:
    time.sleep(1)
"""
SAVES = """
import json, os
with open(os.environ["DXNN_CHECKPOINT_PATH"], "w") as file:
    json.dump(dict(os.environ), file)
"""


def saved_and_interrupted(job: Job, _chance: Random) -> None:
    first = job.trainee(1)
    first.await_event("UPLOAD_SUCCESS")
    interrupt(first)
    job.await_end()


def interrupted(job: Job, chance: Random) -> None:
    first = job.trainee(1)
    first.await_position(moment(chance))
    interrupt(first)
    job.await_end()


PLAYS = {
    "python": Play(
        saved_and_interrupted,
        {
            "trainer_command": ["python3", "-c", TRAINER],
            "checkpoint_command": ["python3", "-c", SAVES],
            "checkpoint_interval_seconds": 3,
            "environment": MISLEADING,
        },
    ),
    # Erlang's own name server at a port of the trainer's choice, where the agent has to ask, too.
    "erlang": Play(interrupted, {"environment": {**MISLEADING, "ERL_EPMD_PORT": "4399"}}),
}


@pytest.fixture(scope="module")
def job(stage: Stage) -> Job:
    return stage["python"]


def test_the_trainer_sees_all_of_it_and_nothing_of_the_agents(job: Job) -> None:
    first, second = (seen_by_the_trainer(job, number) for number in (1, 2))
    told = {
        *("DXNN_JOB_ID", "DXNN_RUN_ID", "DXNN_CHECKPOINT_DIR", "DXNN_ERLANG_NODE"),
        *("DXNN_ERLANG_COOKIE_FILE", "DXNN_STALLED_AFTER_SECONDS"),
    }
    given = ENVIRONMENT | MISLEADING
    of_the_user = {"HOME": "/opt/dxnn", "USER": "dxnn", "LOGNAME": "dxnn"}
    assert {name: first[name] for name in given} == given
    assert {name: first[name] for name in of_the_user} == of_the_user
    assert set(first) == {*given, *BASE, *of_the_user, *told, "UID"}
    assert set(second) == {*first, "DXNN_RESTORE_PATH"}


def test_so_does_its_checkpoint_command(job: Job) -> None:
    run, trainers = finalized(job)[0], seen_by_the_trainer(job, 1)
    dump = run.newest_dump
    assert dump is not None
    seen = json.loads(dump.body)
    # What was planted does run there, as the trainer's user.
    assert seen.pop("RAN_AS") == trainers.pop("UID")
    assert seen.pop("DXNN_CHECKPOINT_PATH").startswith("/var/lib/dxnn/checkpoints/")
    assert seen == trainers


def test_it_runs_nobodys_code_in_the_agent(job: Job) -> None:
    for trainee in job.trainees:
        said = trainee.everything
        # Of the trainer itself; the checkpoint command's is not shown.
        assert len([line for line in said if COMPLAINT in line]) == 1, said
        assert [line for line in said if "planted code ran" in line] == []


def test_the_agent_saw_the_notice_and_went_to_its_own_bucket(job: Job) -> None:
    first, second = finalized(job)
    assert (first.sentinel["completion_status"], first.sentinel["reason"]) == (
        "interrupted",
        "spot_interruption",
    )
    (restored,) = (one for one in job.events if one.state == "RESTORE_OK")
    assert restored.values["parent_run_id"] == first.run_id == second.sentinel["parent_run_id"]
    check_down_by_itself(job, 1)
    check_runs(job)
    check_finalized_once(job)


def test_the_finished_jobs_group_launches_no_other(job: Job) -> None:
    last = finalized(job)[-1]
    assert (last.sentinel["completion_status"], last.sentinel["exit_code"]) == ("normal", 0)
    assert job.desired == 0
    assert len(job.trainees) == 2


def test_erlang_is_asked_for_its_dump_in_the_trainers_environment(stage: Stage) -> None:
    job = stage["erlang"]
    first, second = finalized(job)
    assert first.sentinel["reason"] == "spot_interruption"
    assert not [one for one in job.events if one.state.startswith("CHECKPOINT_E")]
    check_continued(job, second, first)
    check_completed(job)


def seen_by_the_trainer(job: Job, number: int) -> dict[str, str]:
    """Read the environment that a machine's trainer has printed."""
    (printed,) = (one.text for one in job.trainees[number - 1].output if one.text.startswith("{"))
    seen: dict[str, str] = json.loads(printed)
    return seen
