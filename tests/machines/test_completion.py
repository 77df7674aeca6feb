"""A job that nothing disturbs: launched, trained, finalized, and nothing runs any more."""

import hashlib
import json
from random import Random

import pytest

from rehearsal import evidence
from rehearsal.runs import LOG, MANIFEST, SUCCESS
from tests.machines.findings import (
    check_completed,
    check_down_by_itself,
    check_finalized_once,
    check_runs,
    finalized,
    position,
)
from tests.machines.jobs import GENERATIONS, LENGTH, REPORT, RUNS, Job
from tests.machines.plays import Play, Stage


def undisturbed(job: Job, _chance: Random) -> None:
    job.await_end()


PLAYS = {"xor": Play(undisturbed)}


@pytest.fixture(scope="module")
def job(stage: Stage) -> Job:
    return stage["xor"]


def test_it_completed(job: Job) -> None:
    check_completed(job)
    check_finalized_once(job)
    (run,) = finalized(job)
    (trainee,) = job.trainees
    told = {
        key: run.sentinel[key]
        for key in ("status", "job_id", "container_name", "instance_id", "parent_run_id")
    }
    assert told == {
        "status": "success",
        "job_id": "xor",
        "container_name": "xor",
        "instance_id": trainee.id,
        "parent_run_id": None,
    }
    assert (run.sentinel["notice_time"], run.sentinel["margin_seconds"]) == (None, None)


def test_everything_is_in_s3(job: Job) -> None:
    check_runs(job)
    (run,) = finalized(job)
    (dump,) = (name for name in run.objects if name.endswith(".dmp"))
    assert set(run.objects) == {
        dump,
        dump.replace(".dmp", ".metadata.json"),
        REPORT,
        "artifacts/benchmarks/report_runs.tsv",
        LOG,
        MANIFEST,
        SUCCESS,
    }
    assert dump.startswith("completion-")
    assert position(run.objects[dump].body) == (RUNS, GENERATIONS)
    manifest = run.objects[MANIFEST].body
    assert run.sentinel["manifest_sha256"] == hashlib.sha256(manifest).hexdigest()
    listed = {one["key"] for one in json.loads(manifest)["objects"]}
    assert listed == set(run.objects) - {MANIFEST, SUCCESS}


def test_the_log_tells_it(job: Job) -> None:
    (trainee,) = job.trainees
    states = [one.state for one in trainee.events if one.state != "WATCH_START"]
    assert states == [
        *("RESTORE_START", "RESTORE_NONE", "RUN_START", "RUN_EXIT", "FINALIZE_START"),
        *(["UPLOAD_SUCCESS"] * 6),
        *("FINALIZE_SUCCESS", "TERMINATING"),
    ]
    (run,) = finalized(job)
    console = "\n".join(trainee.machine.lines())
    for line in run.objects[LOG].body.decode().splitlines():
        assert line in console


def test_every_generation_was_trained_once(job: Job) -> None:
    (trainee,) = job.trainees
    assert len(trainee.positions) == len(set(trainee.positions)) == LENGTH


def test_the_machine_went_down_by_itself_and_none_follows(job: Job) -> None:
    check_down_by_itself(job, 1)
    (trainee,) = job.trainees
    assert trainee.states == ["pending", "running", "shutting-down", "terminated"]
    assert trainee.said("TERMINATING")[0].values["group"] == "dxnn-xor"
    assert evidence.credentials_fetched(trainee.metadata)
