"""The guide's step 11: what happens when S3 does not take what finalize sends.

Giving up takes 63 seconds of real sleep, so machines that give up for different reasons do it
side by side.
"""

from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.bucket import Bucket
from tests.fault_proxy import FaultProxy, Request, access_denied, drop, slow_down
from tests.finalize.conftest import EXPECTED, NEWEST, train
from tests.machine import Machine, NewMachine

REPORT = "artifacts/benchmarks/report.txt"
BACKOFF = [1, 2, 4, 8, 16, 32]
PATIENCE = 180.0


def report_of(job: str) -> Callable[[Request], bool]:
    """Return what recognises the upload of the report of a job's run."""
    return lambda request: (
        request.method == "PUT"
        and request.key.startswith(f"dxnn/{job}/")
        and request.key.endswith(REPORT)
    )


def gaps(proxy: FaultProxy, job: str) -> list[float]:
    """Return the seconds between the attempts to send the report."""
    is_report = report_of(job)
    return [
        later.arrived - earlier.arrived
        for earlier, later in pairwise(request for request in proxy.requests if is_report(request))
    ]


def check_failed(machine: Machine, poweroffs: int = 0) -> None:
    states = machine.states()
    assert "FINALIZE_FAILED" in states
    assert "FINALIZE_SUCCESS" not in states
    assert machine.poweroffs() == poweroffs
    assert states.count("TERMINATING") == poweroffs


def check_later_success(machine: Machine, bucket: Bucket, job: str) -> None:
    before = machine.poweroffs()
    assert machine.agent("finalize").code == 0
    run = bucket.only_run(job)
    assert bucket.names(run) - {"_FAILED_UPLOAD"} == EXPECTED
    bucket.check_manifest(run)
    assert machine.poweroffs() == before + 1


def test_503s_that_pass(trained: Machine, bucket: Bucket, proxy: FaultProxy) -> None:
    proxy.inject(report_of("xor"), slow_down, times=3)
    assert trained.agent("finalize").code == 0
    assert gaps(proxy, "xor") == pytest.approx([1, 2, 4], abs=0.7)
    assert len(trained.events("UPLOAD_RETRY")) == 3
    assert "UPLOAD_FAIL" not in trained.states()
    assert bucket.names(bucket.only_run()) == EXPECTED
    assert trained.poweroffs() == 1


def test_connections_that_break_are_tried_again(
    trained: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    proxy.inject(lambda r: r.method == "PUT" and r.name.endswith(".dmp"), drop, times=2)
    assert trained.agent("finalize").code == 0
    assert len(trained.events("UPLOAD_RETRY")) == 2
    bucket.check_manifest(bucket.only_run())


def test_one_object_that_does_not_arrive_is_tried_seven_times_then_the_policy_decides(
    machine_with: NewMachine, bucket: Bucket, proxy: FaultProxy
) -> None:
    machines = {
        "keep": machine_with(job_id="keep", on_upload_failure="keep"),
        "terminate": machine_with(job_id="terminate", on_upload_failure="terminate"),
        "denied": machine_with(job_id="denied"),
    }
    for job, machine in machines.items():
        train(machine, bucket, job)
        proxy.inject(report_of(job), access_denied if job == "denied" else slow_down)
    started = {job: machine.start("finalize") for job, machine in machines.items()}
    ended = {job: command.result(PATIENCE).code for job, command in started.items()}

    assert ended == {"keep": 3, "terminate": 3, "denied": 3}
    for job, machine in machines.items():
        assert gaps(proxy, job) == pytest.approx(BACKOFF, abs=1.0)
        assert len(machine.events("UPLOAD_RETRY")) == len(BACKOFF)
        assert len(machine.events("UPLOAD_FAIL")) == 1
        check_failed(machine, poweroffs=1 if job == "terminate" else 0)
        run = bucket.only_run(job)
        names = bucket.names(run)
        assert "_SUCCESS" not in names
        assert {f"checkpoint-{NEWEST}.dmp", "dxnn-run.log", "_FAILED_UPLOAD"} <= names
        failed = bucket.json(f"{run}_FAILED_UPLOAD")
        assert failed["status"] == "failed"
        assert failed["missing"] == [REPORT]
        assert ("AccessDenied" if job == "denied" else "SlowDown") in failed["error"]
        assert (failed["completion_status"], failed["reason"]) == ("interrupted", "manual")

    arrived = set(proxy.stored)
    proxy.heal()
    proxy.forget()
    for job, machine in machines.items():
        failed = bucket.json(f"{bucket.only_run(job)}_FAILED_UPLOAD")
        check_later_success(machine, bucket, job)
        sentinel = bucket.sentinel(bucket.only_run(job))
        assert set(failed) == set(sentinel) | {"error", "missing"}
    # What had arrived is not sent again: only the log and what describes it has changed.
    again = {key.rpartition("/")[2] for key in arrived & set(proxy.sent)}
    assert again <= {"dxnn-run.log", "_MANIFEST.json"}


def test_nothing_arrives_whatever_the_reason(
    machine_with: NewMachine, bucket: Bucket, proxy: FaultProxy, nowhere: str
) -> None:
    reasons = {
        "keep": {},
        "terminate": {},
        "no-bucket": {"DXNN_S3_BUCKET": "no-such-bucket"},
        "out-of-reach": {"AWS_ENDPOINT_URL_S3": nowhere},
        "no-credentials": {
            "AWS_ACCESS_KEY_ID": "",
            "AWS_SECRET_ACCESS_KEY": "",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": nowhere,
        },
    }
    machines = {job: machine_with(job_id=job) for job in reasons}
    machines["terminate"].configure(on_upload_failure="terminate")
    for job, machine in machines.items():
        train(machine, bucket, job)
    before = bucket.contents()
    proxy.inject(lambda request: request.bucket == bucket.name, access_denied)
    started = {job: machines[job].start("finalize", env=reasons[job]) for job in reasons}
    ended = {job: command.result(PATIENCE) for job, command in started.items()}

    assert {job: result.code for job, result in ended.items()} == dict.fromkeys(reasons, 3)
    said = {
        "keep": "AccessDenied",
        "terminate": "AccessDenied",
        "no-bucket": "no-such-bucket",
        "out-of-reach": nowhere.removeprefix("http://").split(":")[0],
        "no-credentials": "credentials",
    }
    for job, machine in machines.items():
        check_failed(machine, poweroffs=1 if job == "terminate" else 0)
        assert said[job] in ended[job].err
    assert bucket.contents() == before
    proxy.heal()
    for job, machine in machines.items():
        check_later_success(machine, bucket, job)


@pytest.mark.refusing_s3
def test_s3_refuses_the_credentials(trained: Machine, bucket: Bucket) -> None:
    before = bucket.contents()
    wrong = {"AWS_SECRET_ACCESS_KEY": "not the secret"}
    assert trained.agent("finalize", env=wrong, seconds=PATIENCE).code == 3
    check_failed(trained)
    assert bucket.contents() == before
    check_later_success(trained, bucket, "xor")


def test_run_ends_with_the_code_of_finalize(
    machine: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    proxy.inject(report_of("xor"), access_denied)
    assert machine.agent("run", seconds=PATIENCE).code == 3
    run = bucket.only_run()
    assert bucket.json(f"{run}_FAILED_UPLOAD")["completion_status"] == "normal"
    proxy.heal()
    # The later success still knows how the trainer ended.
    assert machine.agent("finalize").code == 0
    sentinel = bucket.sentinel(run)
    assert (sentinel["completion_status"], sentinel["exit_code"]) == ("normal", 0)
    assert sentinel["reason"] == "training_completed"
    assert machine.poweroffs() == 1
