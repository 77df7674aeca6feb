"""Two runs never share a prefix, also when they begin in the same second."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from tests.bucket import Bucket
from tests.fault_proxy import Call, FaultProxy, Request, after
from tests.machine import Machine, NewMachine


def is_claim(request: Request) -> bool:
    return request.method == "PUT" and request.name == "dxnn-run.log"


def test_prefixes_that_are_taken_are_left_alone(machine: Machine, bucket: Bucket) -> None:
    now = datetime.now(UTC)
    taken = [f"run-{now + timedelta(seconds=ahead):%Y%m%d-%H%M%SZ}" for ahead in range(8)]
    for run in taken:
        bucket.put(f"dxnn/xor/{run}/dxnn-run.log", b"of another machine\n")
    assert machine.agent("restore").code == 0
    claimed = set(bucket.runs()) - {f"dxnn/xor/{run}/" for run in taken}
    assert len(claimed) == 1
    for run in taken:
        assert bucket.read(f"dxnn/xor/{run}/dxnn-run.log") == b"of another machine\n"


@pytest.mark.refusing_s3  # moto looks and writes in two steps, so that two of its threads can win
def test_machines_that_begin_at_once(machine_with: NewMachine, bucket: Bucket) -> None:
    machines = [machine_with() for _ in range(4)]
    started = [machine.start("run") for machine in machines]
    assert [each.result().code for each in started] == [0, 0, 0, 0]
    runs = bucket.runs()
    assert len(runs) == 4
    assert len({bucket.sentinel(run)["instance_id"] for run in runs}) == 4
    for run in runs:
        bucket.check_manifest(run)


def test_one_claim_of_two_for_the_same_second_is_refused(
    machine_with: NewMachine, bucket: Bucket, proxy: FaultProxy
) -> None:
    """Whatever the clock says, S3 decides: another machine comes first at the last moment."""
    machine = machine_with()
    done = threading.Event()

    def overtake(call: Call) -> None:
        bucket.put(call.request.key, b"of another machine\n")
        done.set()
        call.forward()

    proxy.inject(is_claim, overtake, times=1)
    assert machine.agent("restore").code == 0
    assert done.is_set()
    claims = [(e.request.key, e.status) for e in proxy.exchanges if is_claim(e.request)]
    assert [status for _, status in claims] == [412, 200]
    assert bucket.read(claims[0][0]) == b"of another machine\n"
    assert claims[0][0] != claims[1][0]


def test_a_claim_whose_answer_was_lost(machine: Machine, bucket: Bucket, proxy: FaultProxy) -> None:
    """The write arrived, the answer did not: asked again, S3 refuses the machine's own claim."""
    proxy.inject(is_claim, after(lambda: None), times=1)
    assert machine.agent("restore").code == 0
    assert machine.agent("finalize").code == 0
    finalized = [run for run in bucket.runs() if "_SUCCESS" in bucket.names(run)]
    assert len(finalized) == 1
    bucket.check_manifest(finalized[0])
