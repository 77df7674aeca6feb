"""IMDSv2 as the EC2 user guide describes it."""

import pytest

from rehearsal.metadata_documents import Machine
from rehearsal.metadata_service import MetadataService
from rehearsal.metadata_state import Metadata
from tests.rehearsal.metadata_client import Client

TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"


def test_a_token_opens_the_metadata(client: Client, metadata: Metadata) -> None:
    answer = client.get("meta-data/instance-id")
    assert (answer.status, answer.text) == (200, metadata.machine.instance_id)


@pytest.mark.parametrize("ttl", ["1", "21600"])
def test_put_gives_a_token_and_echoes_its_lifetime(client: Client, ttl: str) -> None:
    answer = client.ask("PUT", "/latest/api/token", {TTL: ttl})
    assert answer.status == 200
    assert answer.headers[TTL.lower()] == ttl
    assert answer.text


@pytest.mark.parametrize("ttl", [None, "", "0", "-1", "21601", "1.5", "x", "²", "1 2"])
def test_a_token_needs_a_proper_lifetime(client: Client, ttl: str | None) -> None:
    headers = {} if ttl is None else {TTL: ttl.encode().decode("latin-1")}
    assert client.ask("PUT", "/latest/api/token", headers).status == 400


def test_a_put_through_a_proxy_is_forbidden(client: Client) -> None:
    headers = {TTL: "60", "X-Forwarded-For": "10.0.0.1"}
    assert client.ask("PUT", "/latest/api/token", headers).status == 403


@pytest.mark.parametrize("headers", [{}, {TOKEN: ""}, {TOKEN: "made-up"}])
def test_without_a_valid_token_nothing_is_told(client: Client, headers: dict[str, str]) -> None:
    assert client.ask("GET", "/latest/meta-data/instance-id", headers).status == 401
    assert client.ask("GET", "/latest/no/such/thing", headers).status == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/latest/api/token"),
        ("PUT", "/latest/meta-data/instance-id"),
        ("POST", "/latest/api/token"),
        ("DELETE", "/latest/meta-data/instance-id"),
    ],
)
def test_other_methods_are_not_allowed(client: Client, method: str, path: str) -> None:
    assert client.ask(method, path, {TTL: "60", TOKEN: client.token()}).status == 405


def test_tokens_expire() -> None:
    now = 100.0
    metadata = Metadata(Machine(), clock=lambda: now)
    with MetadataService(lambda _address: metadata) as service:
        client = Client(service.endpoint)
        token = client.token("10")
        now = 107.5
        answer = client.get("meta-data/instance-id", token)
        assert (answer.status, answer.headers[TTL.lower()]) == (200, "2")
        now = 110.0
        assert client.get("meta-data/instance-id", token).status == 401


def test_tokens_can_be_forgotten(client: Client, metadata: Metadata) -> None:
    token = client.token()
    metadata.forget_tokens()
    assert client.get("meta-data/instance-id", token).status == 401
    assert client.get("meta-data/instance-id").status == 200


def test_each_address_gets_its_own_instance() -> None:
    found = {"127.0.0.1": Metadata(Machine(instance_id="i-1"))}
    with MetadataService(found.get) as service:
        client = Client(service.endpoint)
        assert client.get("meta-data/instance-id").text == "i-1"
        found.clear()
        assert client.ask("PUT", "/latest/api/token", {TTL: "60"}).status == 404
