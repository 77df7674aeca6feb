"""The guide's step 11: what happens when S3 does not take what finalize sends."""

from itertools import pairwise

import pytest

from tests.bucket import Bucket
from tests.fault_proxy import FaultProxy, Request, access_denied, drop, slow_down
from tests.finalize.conftest import EXPECTED, NEWEST
from tests.machine import Machine

REPORT = "artifacts/benchmarks/report.txt"
BACKOFF = [1, 2, 4, 8, 16, 32]


def is_report(request: Request) -> bool:
    return request.method == "PUT" and request.name == "report.txt"


def gaps(proxy: FaultProxy) -> list[float]:
    """Return the seconds between the attempts to send the report."""
    arrivals = [request.arrived for request in proxy.requests if is_report(request)]
    return [later - earlier for earlier, later in pairwise(arrivals)]


def check_failed(machine: Machine, poweroffs: int) -> None:
    states = machine.states()
    assert "UPLOAD_FAIL" in states
    assert "FINALIZE_FAILED" in states
    assert "FINALIZE_SUCCESS" not in states
    assert machine.poweroffs() == poweroffs
    assert states.count("TERMINATING") == poweroffs


def check_later_success(machine: Machine, bucket: Bucket) -> None:
    assert machine.agent("finalize").code == 0
    run = bucket.only_run()
    assert bucket.names(run) - {"_FAILED_UPLOAD"} == EXPECTED
    bucket.check_manifest(run)
    assert machine.poweroffs() == 1


def test_503s_that_pass(trained: Machine, bucket: Bucket, proxy: FaultProxy) -> None:
    proxy.inject(is_report, slow_down, times=3)
    assert trained.agent("finalize").code == 0
    assert gaps(proxy) == pytest.approx([1, 2, 4], abs=0.5)
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


@pytest.mark.parametrize(("policy", "poweroffs"), [("keep", 0), ("terminate", 1)])
def test_503s_that_stay_are_tried_seven_times_then_the_policy_decides(
    trained: Machine, bucket: Bucket, proxy: FaultProxy, policy: str, poweroffs: int
) -> None:
    trained.configure(on_upload_failure=policy)
    proxy.inject(is_report, slow_down)

    assert trained.agent("finalize", seconds=120).code == 3

    assert gaps(proxy) == pytest.approx(BACKOFF, abs=0.7)
    check_failed(trained, poweroffs)
    run = bucket.only_run()
    names = bucket.names(run)
    assert "_SUCCESS" not in names
    assert {f"checkpoint-{NEWEST}.dmp", "dxnn-run.log", "_FAILED_UPLOAD"} <= names
    failed = bucket.json(f"{run}_FAILED_UPLOAD")
    assert failed["status"] == "failed"
    assert failed["missing"] == [REPORT]
    assert "SlowDown" in failed["error"]
    assert failed["completion_status"] == "interrupted"
    assert failed["reason"] == "manual"


def test_access_denied_for_one_object_then_allowed(
    trained: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    proxy.inject(is_report, access_denied)
    assert trained.agent("finalize", seconds=120).code == 3
    check_failed(trained, poweroffs=0)
    failed = bucket.json(f"{bucket.only_run()}_FAILED_UPLOAD")
    assert failed["missing"] == [REPORT]
    assert "AccessDenied" in failed["error"]
    keys = set(failed)
    sent = set(proxy.stored)
    proxy.heal()
    proxy.forget()

    check_later_success(trained, bucket)

    assert keys == set(bucket.sentinel(bucket.only_run())) | {"error", "missing"}
    # What had arrived is not sent again: only the log and what describes it has changed.
    again = {key.rpartition("/")[2] for key in sent & set(proxy.stored)}
    assert again <= {"dxnn-run.log", "_MANIFEST.json"}


@pytest.mark.parametrize(("policy", "poweroffs"), [("keep", 0), ("terminate", 1)])
def test_access_denied_for_everything(
    trained: Machine, bucket: Bucket, proxy: FaultProxy, policy: str, poweroffs: int
) -> None:
    trained.configure(on_upload_failure=policy)
    before = bucket.contents()
    proxy.inject(lambda _: True, access_denied)
    result = trained.agent("finalize", seconds=200)
    assert result.code == 3
    assert "AccessDenied" in trained.events("FINALIZE_FAILED")[0].values.get("error", result.err)
    assert trained.poweroffs() == poweroffs
    assert bucket.contents() == before
    proxy.heal()
    if not poweroffs:
        check_later_success(trained, bucket)


@pytest.mark.refusing_s3
def test_s3_refuses_the_credentials(trained: Machine, bucket: Bucket) -> None:
    before = bucket.contents()
    wrong = {"AWS_SECRET_ACCESS_KEY": "not the secret"}
    assert trained.agent("finalize", env=wrong, seconds=200).code == 3
    assert "FINALIZE_FAILED" in trained.states()
    assert trained.poweroffs() == 0
    assert bucket.contents() == before
    check_later_success(trained, bucket)


def test_no_credentials_at_all(trained: Machine, bucket: Bucket, nowhere: str) -> None:
    trained.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = nowhere
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del trained.environment[name]
    result = trained.agent("finalize", seconds=200)
    assert result.code == 3
    assert "credentials" in result.err.lower()
    assert trained.poweroffs() == 0
    assert "_SUCCESS" not in bucket.names(bucket.only_run())


def test_no_such_bucket(trained: Machine, bucket: Bucket) -> None:
    elsewhere = {"DXNN_S3_BUCKET": "no-such-bucket"}
    result = trained.agent("finalize", env=elsewhere, seconds=200)
    assert result.code == 3
    assert "FINALIZE_FAILED" in trained.states()
    assert "no-such-bucket" in result.err
    assert trained.poweroffs() == 0
    check_later_success(trained, bucket)


def test_s3_out_of_reach(trained: Machine, bucket: Bucket, nowhere: str) -> None:
    result = trained.agent("finalize", env={"AWS_ENDPOINT_URL_S3": nowhere}, seconds=200)
    assert result.code == 3
    assert "FINALIZE_FAILED" in trained.states()
    assert trained.poweroffs() == 0
    check_later_success(trained, bucket)


def test_run_ends_with_the_code_of_finalize(
    machine: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    proxy.inject(is_report, access_denied)
    assert machine.agent("run", seconds=200).code == 3
    run = bucket.only_run()
    assert bucket.json(f"{run}_FAILED_UPLOAD")["completion_status"] == "normal"
    proxy.heal()
    # The later success still knows how the trainer ended.
    assert machine.agent("finalize").code == 0
    sentinel = bucket.sentinel(run)
    assert (sentinel["completion_status"], sentinel["exit_code"]) == ("normal", 0)
    assert sentinel["reason"] == "training_completed"
    assert machine.poweroffs() == 1
