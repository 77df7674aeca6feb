"""Announcements from other processes, over the control port."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from rehearsal.metadata_control import MetadataControl
from rehearsal.metadata_state import Metadata
from tests.rehearsal.metadata_client import Client

ACTION = "meta-data/spot/instance-action"


@pytest.fixture
def control(metadata: Metadata) -> Iterator[MetadataControl]:
    with MetadataControl(metadata) as running:
        yield running


def post(control: MetadataControl, path: str, content: object = None) -> int:
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(f"{control.endpoint}{path}", data=body, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_announcements(client: Client, control: MetadataControl) -> None:
    assert post(control, "/notice", {"in_seconds": 30, "action": "stop"}) == 200
    assert json.loads(client.get(ACTION).text)["action"] == "stop"
    assert post(control, "/rebalance") == 200
    assert client.get("meta-data/events/recommendations/rebalance").status == 200
    assert post(control, "/scheduled-event", {"code": "system-reboot"}) == 200
    assert "system-reboot" in client.get("meta-data/events/maintenance/scheduled").text
    assert post(control, "/target-lifecycle-state", {"state": "Terminated"}) == 200
    assert client.get("meta-data/autoscaling/target-lifecycle-state").text == "Terminated"
    assert post(control, "/withdraw") == 200
    assert client.get(ACTION).status == 404


def test_misbehaviour(client: Client, control: MetadataControl) -> None:
    token = client.token()
    assert post(control, "/fault", {"kind": "garbage", "body": "<>", "count": 1}) == 200
    assert client.get(ACTION, token).text == "<>"
    assert post(control, "/fault", {"kind": "status", "status": 503}) == 200
    assert client.get(ACTION, token).status == 503
    assert post(control, "/behave") == 200
    assert post(control, "/forget-tokens") == 200
    assert client.get(ACTION, token).status == 401


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/no-such-action", {}, 404),
        ("/notice", {"in_minutes": 2}, 400),
        ("/notice", [1], 400),
        ("/fault", {"kind": "sulk"}, 400),
        ("/target-lifecycle-state", {"state": "Gone"}, 400),
        ("/target-lifecycle-state", {}, 400),
    ],
)
def test_what_makes_no_sense_is_refused(
    client: Client, control: MetadataControl, path: str, content: object, status: int
) -> None:
    assert post(control, path, content) == status
    assert client.get(ACTION).status == 404


def test_the_instance_itself_does_not_see_the_control(client: Client) -> None:
    assert client.ask("POST", "/notice").status == 405


def test_what_was_asked_can_be_read(client: Client, control: MetadataControl) -> None:
    client.get(ACTION)
    with urllib.request.urlopen(f"{control.endpoint}/requests", timeout=5) as answer:
        asked = json.load(answer)
    assert [one["path"] for one in asked] == ["/latest/api/token", f"/latest/{ACTION}"]
