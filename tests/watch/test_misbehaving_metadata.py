"""Whatever the metadata service does, the watcher goes on, and then catches a notice."""

import pytest

from rehearsal.metadata_service import MetadataService
from rehearsal.metadata_state import Fault, Metadata
from tests.bucket import Bucket
from tests.loopback import HOST, free_ports
from tests.machine import NewMachine
from tests.waiting import wait_until
from tests.watch.conftest import StartTraining, Training


def catches_a_notice(busy: Training, bucket: Bucket) -> None:
    assert busy.goes_on()
    assert "DETECTED" not in busy.machine.states()
    busy.machine.metadata.behave()
    busy.machine.metadata.notice()
    busy.machine.wait_for("DETECTED", seconds=10)
    busy.ends()
    assert bucket.sentinel(bucket.only_run())["reason"] == "spot_interruption"


FAULTS = {
    "401": Fault("status", status=401),
    "403": Fault("status", status=403),
    "404 for everything": Fault("status", status=404),
    "429": Fault("status", status=429),
    "500": Fault("status", status=500),
    "503": Fault("status", status=503),
    "garbage": Fault("garbage"),
    "empty": Fault("garbage", body=b""),
    "JSON of another kind": Fault("garbage", body=b"[1, 2]"),
    "an action of no use": Fault("garbage", body=b'{"action": 7, "time": 7}'),
    "half an answer": Fault("half"),
    "connections that break": Fault("drop"),
}


def await_requests(metadata: Metadata, count: int, when: str) -> None:
    """Wait for `count` more requests; without a token there may be no more than two in a poll."""
    before = len(metadata.requests)
    wait_until(lambda: len(metadata.requests) >= before + count, f"polls {when}")


def test_one_wrong_answer_after_the_other(training: StartTraining, bucket: Bucket) -> None:
    busy = training()
    metadata = busy.machine.metadata
    for name, fault in FAULTS.items():
        metadata.fail(fault)
        await_requests(metadata, 4, f"during {name}")
        metadata.behave()
        await_requests(metadata, 8, f"after {name}")
        assert metadata.requests[-1].status in {200, 404}, name
        assert busy.goes_on(), name
        assert "DETECTED" not in busy.machine.states(), name
    catches_a_notice(busy, bucket)


@pytest.mark.parametrize("name", ["401", "garbage", "half an answer", "connections that break"])
def test_a_wrong_answer_right_before_the_notice(
    training: StartTraining, bucket: Bucket, name: str
) -> None:
    busy = training()
    busy.machine.metadata.fail(FAULTS[name])
    await_requests(busy.machine.metadata, 4, f"during {name}")
    catches_a_notice(busy, bucket)


@pytest.mark.parametrize("body", [b'{"action": "terminate"}', b'{"action": "stop", "time": 7}'])
def test_a_notice_whose_time_cannot_be_read_is_still_a_notice(
    training: StartTraining, bucket: Bucket, body: bytes
) -> None:
    """To train on would lose more than to stop for nothing."""
    busy = training()
    busy.machine.metadata.fail(Fault("garbage", body=body, path="*/spot/instance-action"))
    busy.ends()
    sentinel = bucket.sentinel(bucket.only_run())
    assert sentinel["reason"] == "spot_interruption"
    assert busy.machine.poweroffs() == 1


def test_silence(training: StartTraining, bucket: Bucket) -> None:
    busy = training()
    asked = len(busy.machine.metadata.requests)
    busy.machine.metadata.fail(Fault("silence", count=1))
    wait_until(lambda: len(busy.machine.metadata.requests) > asked + 2, "a poll after the silence")
    catches_a_notice(busy, bucket)


def test_tokens_that_the_service_forgot(training: StartTraining, bucket: Bucket) -> None:
    busy = training()
    busy.machine.metadata.forget_tokens()
    wait_until(
        lambda: 401 in [request.status for request in busy.machine.metadata.requests], "a 401"
    )
    catches_a_notice(busy, bucket)
    # Every 401 is answered with a new token at once, not with a poll that is lost.
    statuses = [request.status for request in busy.machine.metadata.requests]
    after = busy.machine.metadata.requests[statuses.index(401) + 1]
    assert (after.method, after.status) == ("PUT", 200)


def test_only_with_tokens(training: StartTraining) -> None:
    busy = training()
    started = len(busy.machine.metadata.requests)
    wait_until(lambda: len(busy.machine.metadata.requests) > started + 12, "three polls")
    polls = busy.machine.metadata.requests[started:]
    # One token serves many polls; only the watcher asks at this time.
    assert len([request for request in polls if request.method == "PUT"]) <= 1
    assert 401 not in [request.status for request in busy.machine.metadata.requests]
    busy.machine.metadata.notice()
    busy.ends()


def test_connection_refused(machine_with: NewMachine) -> None:
    """A service that is not there when the watcher starts, and comes later."""
    machine = machine_with()
    [port] = free_ports(1)
    machine.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = f"http://{HOST}:{port}"
    assert machine.agent("restore").code == 0
    watching = machine.start("watch")
    machine.wait_for("WATCH_START")
    metadata = Metadata(machine.metadata.machine)
    metadata.notice()
    with MetadataService(lambda _address: metadata, HOST, port):
        machine.wait_for("DETECTED", seconds=15)
        assert watching.result().code == 0
    assert machine.poweroffs() == 1


def test_spot_off_means_that_nobody_asks(machine_with: NewMachine) -> None:
    machine = machine_with(spot_enabled=False)
    machine.metadata.notice()
    result = machine.agent("watch", seconds=20)
    assert result.code == 0
    assert "DETECTED" not in machine.states()
    assert "spot/instance-action" not in [r.path for r in machine.metadata.requests]
    assert machine.poweroffs() == 0


def test_the_watcher_ends_on_term(training: StartTraining) -> None:
    busy = training()
    busy.watching.process.terminate()
    busy.watching.result(seconds=10)
    assert busy.running.process.poll() is None
    assert "DETECTED" not in busy.machine.states()
    busy.running.process.terminate()
    assert busy.running.result().code == 0
