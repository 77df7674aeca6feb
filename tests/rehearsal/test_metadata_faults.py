"""The ways in which a metadata service can be made to misbehave."""

import contextlib
import socket
import time
from http.client import HTTPException, IncompleteRead
from urllib.parse import urlsplit

import pytest

from rehearsal.metadata_service import MetadataService
from rehearsal.metadata_state import Fault, Metadata
from tests.rehearsal.metadata_client import Client

ID = "meta-data/instance-id"


@pytest.mark.parametrize("status", [401, 404, 500, 503])
def test_a_status_for_the_next_answers(client: Client, metadata: Metadata, status: int) -> None:
    token = client.token()
    metadata.fail(Fault("status", status=status, count=2))
    assert [client.get(ID, token).status for _ in range(3)] == [status, status, 200]


def test_a_status_until_told_otherwise(client: Client, metadata: Metadata) -> None:
    token = client.token()
    metadata.fail(Fault("status", status=503))
    assert {client.get(ID, token).status for _ in range(5)} == {503}
    metadata.behave()
    assert client.get(ID, token).status == 200


def test_only_the_paths_that_match(client: Client, metadata: Metadata) -> None:
    metadata.fail(Fault("status", status=503, path="*/spot/*"))
    assert client.get(ID).status == 200
    assert client.get("meta-data/spot/instance-action").status == 503


def test_tokens_can_fail_too(client: Client, metadata: Metadata) -> None:
    metadata.fail(Fault("status", status=503, path="/latest/api/token"))
    with pytest.raises(AssertionError):
        client.token()


def test_garbage(client: Client, metadata: Metadata) -> None:
    token = client.token()
    metadata.fail(Fault("garbage", body=b"{not json", count=1))
    answer = client.get(ID, token)
    assert (answer.status, answer.text) == (200, "{not json")


def test_half_an_answer(client: Client, metadata: Metadata) -> None:
    token = client.token()
    metadata.fail(Fault("half", count=1))
    with pytest.raises(IncompleteRead):
        client.get(ID, token)
    assert client.get(ID, token).status == 200


def test_a_dropped_connection(client: Client, metadata: Metadata) -> None:
    token = client.token()
    metadata.fail(Fault("drop", count=1))
    with pytest.raises((HTTPException, OSError)):
        client.get(ID, token)
    assert client.get(ID, token).status == 200


def test_silence_lasts_and_does_not_keep_others_waiting(
    client: Client, metadata: Metadata, service: MetadataService
) -> None:
    token = client.token()
    metadata.fail(Fault("silence", path="*/spot/*"))
    address = urlsplit(service.endpoint)
    with socket.create_connection((address.hostname, address.port), timeout=0.5) as waiting:
        waiting.sendall(b"GET /latest/meta-data/spot/instance-action HTTP/1.1\r\n\r\n")
        with pytest.raises(TimeoutError):
            waiting.recv(1)
        assert client.get(ID, token).status == 200
        began = time.monotonic()
        service.close()
        assert time.monotonic() - began < 2
        with contextlib.suppress(ConnectionError):
            assert waiting.recv(1) == b""


def test_faults_come_one_after_the_other(client: Client, metadata: Metadata) -> None:
    token = client.token()
    metadata.fail(Fault("status", status=500, count=1))
    metadata.fail(Fault("status", status=404, count=1))
    assert [client.get(ID, token).status for _ in range(3)] == [500, 404, 200]


@pytest.mark.parametrize("wrong", [{"kind": "sulk"}, {"status": 99}, {"count": 0}])
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    described: dict[str, object] = {"kind": "status", **wrong}
    with pytest.raises(ValueError, match="should be"):
        Fault(**described)  # type: ignore[arg-type]


def test_what_was_asked_is_recorded(client: Client, metadata: Metadata) -> None:
    client.get(ID)
    client.ask("GET", f"/latest/{ID}")
    assert [(one.method, one.path, one.status) for one in metadata.requests] == [
        ("PUT", "/latest/api/token", 200),
        ("GET", f"/latest/{ID}", 200),
        ("GET", f"/latest/{ID}", 401),
    ]
