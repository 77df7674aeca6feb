"""The guide's step 8: however often and wherever finalize runs, a run is finalized once."""

import fcntl
import threading
from collections import Counter

import pytest

from tests.bucket import Bucket
from tests.fault_proxy import Call, FaultProxy, hold
from tests.finalize.conftest import EXPECTED
from tests.machine import Machine
from tests.waiting import wait_until


def times_stored(proxy: FaultProxy, run: str) -> Counter[str]:
    return Counter(key.removeprefix(run) for key in proxy.stored)


def test_finalize_twice_the_second_call_is_a_no_op(
    trained: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    assert trained.agent("finalize").code == 0
    finalized = bucket.contents()
    proxy.forget()

    second = trained.agent("finalize", seconds=10)

    assert second.code == 0
    assert trained.states()[-2:] == ["FINALIZE_START", "FINALIZE_SKIPPED"]
    assert not [request for request in proxy.requests if request.changes]
    assert bucket.contents() == finalized
    assert trained.poweroffs() == 1


def test_only_one_set_of_objects_each_sent_once(
    trained: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    for _ in range(3):
        assert trained.agent("finalize").code == 0
    run = bucket.only_run()
    assert bucket.names(run) == EXPECTED
    assert times_stored(proxy, run) == Counter(EXPECTED)
    bucket.check_manifest(run)


def test_the_second_finalizer_on_a_machine_waits_for_the_first(
    trained: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    release = threading.Event()
    proxy.inject(lambda request: request.name == "report.txt", hold(release), times=1)
    first = trained.start("finalize")
    wait_until(lambda: [r for r in proxy.requests if r.name == "report.txt"], "an upload")
    second = trained.start("finalize")
    wait_until(lambda: trained.states().count("FINALIZE_START") == 2, "the second to start")
    assert second.process.poll() is None
    assert "FINALIZE_SUCCESS" not in trained.states()

    release.set()

    assert (first.result().code, second.result().code) == (0, 0)
    assert trained.states().count("FINALIZE_SUCCESS") == 1
    assert trained.states().count("FINALIZE_SKIPPED") == 1
    assert times_stored(proxy, bucket.only_run()) == Counter(EXPECTED)
    assert trained.poweroffs() == 1


def test_the_lock_is_an_flock_on_lock_file(
    trained: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    trained.lock_file.touch()
    with trained.lock_file.open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = trained.start("finalize")
        trained.wait_for("FINALIZE_START")
        held_for = threading.Event()
        assert not held_for.wait(timeout=1.5)  # long enough for it to have gone on without the lock
        assert waiting.process.poll() is None
        assert not [request for request in proxy.requests if request.changes]
    assert waiting.result().code == 0
    assert bucket.names(bucket.only_run()) == EXPECTED


def test_a_wait_that_runs_out(trained: Machine, bucket: Bucket) -> None:
    trained.lock_file.touch()
    before = bucket.contents()
    with trained.lock_file.open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = trained.agent("finalize", "--wait", "1", seconds=15)
    assert result.code == 4
    assert str(trained.lock_file) in result.err
    assert bucket.contents() == before
    assert trained.poweroffs() == 0
    assert trained.agent("finalize", "--wait", "1").code == 0


def test_four_finalizers_at_once(trained: Machine, bucket: Bucket, proxy: FaultProxy) -> None:
    started = [trained.start("finalize") for _ in range(4)]
    assert [each.result().code for each in started] == [0, 0, 0, 0]
    assert trained.states().count("FINALIZE_SUCCESS") == 1
    assert trained.states().count("FINALIZE_SKIPPED") == 3
    assert times_stored(proxy, bucket.only_run()) == Counter(EXPECTED)
    assert trained.poweroffs() == 1


def test_two_machines_at_once_the_conditional_write_decides(
    trained: Machine, twin: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    second_is_there, first_has_won = threading.Event(), threading.Event()
    arrivals = iter((True, False))

    def in_order(call: Call) -> None:
        if next(arrivals):
            assert second_is_there.wait(timeout=60)
            call.forward()
            first_has_won.set()
        else:
            second_is_there.set()
            assert first_has_won.wait(timeout=60)
            call.forward()

    # Both have uploaded everything when they write the sentinel, and the winner is the one whose
    # manifest and log the other has had the time to overwrite.
    proxy.inject(lambda r: r.method == "PUT" and r.name == "_SUCCESS", in_order)
    started = [trained.start("finalize"), twin.start("finalize")]
    assert [each.result().code for each in started] == [0, 0]

    sentinels = [e for e in proxy.exchanges if e.request.name == "_SUCCESS" and e.request.changes]
    assert sorted(exchange.status or 0 for exchange in sentinels) == [200, 412]
    assert {exchange.request.headers.get("if-none-match") for exchange in sentinels} == {"*"}
    run = bucket.only_run()
    assert bucket.names(run) == EXPECTED
    bucket.check_manifest(run)
    outcomes = [
        {"FINALIZE_SUCCESS", "FINALIZE_SKIPPED"} & set(machine.states())
        for machine in (trained, twin)
    ]
    assert sorted(outcomes, key=sorted) == [{"FINALIZE_SKIPPED"}, {"FINALIZE_SUCCESS"}]


@pytest.mark.refusing_s3  # moto looks and writes in two steps: two of its threads can both win
def test_two_machines_at_once_send_nothing_twice(
    trained: Machine, twin: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    started = [trained.start("finalize"), twin.start("finalize")]
    assert [each.result().code for each in started] == [0, 0]
    stored = times_stored(proxy, bucket.only_run())
    # Each machine has a log of its own, and the manifest describes it.
    assert {name for name, times in stored.items() if times > 1} <= {
        "dxnn-run.log",
        "_MANIFEST.json",
    }
    bucket.check_manifest(bucket.only_run())


def test_two_machines_one_after_the_other(
    trained: Machine, twin: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    assert trained.agent("finalize").code == 0
    finalized = bucket.contents()
    proxy.forget()

    assert twin.agent("finalize").code == 0

    assert "FINALIZE_SKIPPED" in twin.states()
    assert not [request for request in proxy.requests if request.changes]
    assert bucket.contents() == finalized
    # Somebody else finalized it, so going down is not this machine's affair.
    assert twin.poweroffs() == 0


def test_the_next_run_is_a_new_run(trained: Machine, bucket: Bucket) -> None:
    assert trained.agent("finalize").code == 0
    first = bucket.only_run()
    assert trained.agent("run").code == 0
    runs = bucket.runs()
    assert len(runs) == 2
    assert runs[0] == first
    assert bucket.sentinel(runs[1])["parent_run_id"] == first.rpartition("run-")[2].rstrip("/")
