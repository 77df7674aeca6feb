"""The metadata service or S3 fail, or access is denied, while jobs train and finalize."""

import json
from random import Random

import pytest

from rehearsal.metadata_state import Fault
from rehearsal.runs import FAILED
from tests.fault_proxy import Matcher, Request, drop
from tests.machines.findings import (
    check_completed,
    check_continued,
    check_down_by_itself,
    check_finalized_once,
    check_runs,
    finalized,
)
from tests.machines.jobs import Job
from tests.machines.plays import Play, Stage, interrupt, moment

OUTAGE_SECONDS = 60
PENDING_SECONDS = 240  # dxnn-finalize.timer's two minutes, and once more


def metadata_gone(job: Job, chance: Random) -> None:
    """Let the metadata service fail in every way, twice each, while it has a notice to tell."""
    first = job.trainee(1)
    first.await_position(moment(chance, 0, 0.3))
    faults = [
        *(Fault("drop", count=2), Fault("silence", count=2), Fault("garbage", count=2)),
        *(Fault("half", count=2), Fault("status", 503, count=2), Fault("status", 401, count=2)),
    ]
    for fault in chance.sample(faults, len(faults)):
        first.metadata.fail(fault)
    interrupt(first)
    job.await_end()


def s3_gone(job: Job, _chance: Random) -> None:
    """Let S3 answer nothing for a minute, from the first artifact of a finalization on."""
    job.s3.inject(Outage(job, since=job.asks("PUT", ".tsv")), drop)
    job.await_end()


class Outage:
    """Matches a job's requests for a minute, from one on that matches something."""

    def __init__(self, job: Job, since: Matcher) -> None:
        self._job, self._since = job, since
        self._until: float | None = None

    def __call__(self, request: Request) -> bool:
        if self._until is None and self._since(request):
            self._until = request.arrived + OUTAGE_SECONDS
        return self._until is not None and self._job.owns(request) and request.arrived < self._until


def denied_and_kept(job: Job, _chance: Random) -> None:
    """Deny everything from the first generation on, and allow it again once it has failed."""
    first = job.trainee(1)
    first.await_position((1, 1))
    policy = deny(job)
    first.await_event("FINALIZE_FAILED")
    assert not first.gone
    allow(job, policy)
    job.await_end(PENDING_SECONDS)


def denied_and_terminated(job: Job, _chance: Random) -> None:
    """Deny everything after the first checkpoint, until the second instance has asked for it."""
    first = job.trainee(1)
    first.await_event("UPLOAD_SUCCESS")
    policy = deny(job)
    second = job.trainee(2)
    second.await_event("RESTORE_FAILED")
    allow(job, policy)
    job.await_end()


def deny(job: Job) -> str:
    """Take its policy from a job's role; give it."""
    held = job.clients["iam"].get_role_policy(RoleName=job.role, PolicyName="job")
    job.clients["iam"].delete_role_policy(RoleName=job.role, PolicyName="job")
    return json.dumps(held["PolicyDocument"])


def allow(job: Job, policy: str) -> None:
    job.clients["iam"].put_role_policy(RoleName=job.role, PolicyName="job", PolicyDocument=policy)


PLAYS = {
    # So slow that the faults are over first.
    "metadata": Play(metadata_gone, {"environment": {"XOR_GENERATION_MS": "200"}}),
    "s3": Play(s3_gone),
    "kept": Play(denied_and_kept, {"on_upload_failure": "keep"}),
    "terminated": Play(
        denied_and_terminated,
        {"on_upload_failure": "terminate", "checkpoint_interval_seconds": 3},
    ),
}


def test_the_metadata_service_fails_in_every_way(stage: Stage) -> None:
    job = stage["metadata"]
    first, second = finalized(job)
    assert first.sentinel["reason"] == "spot_interruption"
    assert first.sentinel["margin_seconds"] > 5
    statuses = {one.status for one in job.trainees[0].metadata.requests}
    assert statuses >= {0, 200, 401, 503}
    check_continued(job, second, first)
    check_down_by_itself(job, 1)


def test_s3_is_away_for_a_minute(stage: Stage) -> None:
    job = stage["s3"]
    (run,) = finalized(job)
    (trainee,) = job.trainees
    assert FAILED not in run.objects
    assert not trainee.said("FINALIZE_FAILED"), "the attempts outlast a minute"
    retries = trainee.said("UPLOAD_RETRY")
    assert len(retries) >= 5
    outage = trainee.said("FINALIZE_SUCCESS")[0].at - trainee.said("RUN_EXIT")[0].at
    assert outage.total_seconds() >= OUTAGE_SECONDS - 1
    check_down_by_itself(job, 1)


def test_access_is_denied_and_the_machine_kept(stage: Stage) -> None:
    job = stage["kept"]
    (run,) = finalized(job)
    (trainee,) = job.trainees
    failure = trainee.said("FINALIZE_FAILED")[0]
    assert "AccessDenied" in failure.values["error"]
    assert failure.values["on_upload_failure"] == "keep"
    states = [one.state for one in trainee.events]
    assert states.index("FINALIZE_FAILED") < states.index("TERMINATING")
    assert "TERMINATING" not in states[: states.index("FINALIZE_SUCCESS")]
    assert run.sentinel["completion_status"] == "normal"
    check_down_by_itself(job, 1)


def test_access_is_denied_and_the_machine_terminated(stage: Stage) -> None:
    job = stage["terminated"]
    first, *_ = job.runs
    assert first not in finalized(job)
    (failure,) = job.trainees[0].said("FINALIZE_FAILED")
    assert "AccessDenied" in failure.values["error"]
    assert failure.values["on_upload_failure"] == "terminate"
    check_down_by_itself(job, 1)
    assert job.trainees[1].said("RESTORE_FAILED"), "nothing was begun from zero"
    check_continued(job, finalized(job)[-1], first)
    assert len(job.trainees) == 2


@pytest.mark.parametrize("name", PLAYS)
def test_each_run_was_finalized_once_and_the_job_completed(stage: Stage, name: str) -> None:
    job = stage[name]
    check_runs(job, in_one_go=name == "metadata")
    check_finalized_once(job)
    check_completed(job)
