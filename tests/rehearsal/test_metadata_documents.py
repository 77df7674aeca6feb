"""What the metadata service says, and what EC2 announces through it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from rehearsal.metadata_service import MetadataService
from rehearsal.metadata_state import Metadata
from tests.rehearsal.metadata_client import Client
from tests.waiting import wait_until


@pytest.mark.parametrize(
    ("path", "listing"),
    [
        ("", ["dynamic", "meta-data", "user-data"]),
        ("meta-data/events/", ["maintenance/"]),
        ("meta-data/events", ["maintenance/"]),
        ("meta-data/placement/", ["availability-zone", "region"]),
        ("meta-data/iam/", ["info", "security-credentials/"]),
        ("meta-data/iam/security-credentials/", ["dxnn-instance"]),
        ("meta-data/tags/instance/", ["Name", "dxnn:job"]),
    ],
)
def test_directories_are_listed(client: Client, path: str, listing: list[str]) -> None:
    assert client.get(path).text.splitlines() == listing


def test_the_top_of_the_metadata_is_listed(client: Client) -> None:
    listing = client.get("meta-data/").text.splitlines()
    assert {"ami-id", "hostname", "instance-id", "local-ipv4", "iam/", "tags/"} <= set(listing)
    assert "spot/" not in listing


def test_constants(client: Client, metadata: Metadata) -> None:
    machine = metadata.machine
    assert client.get("meta-data/instance-type").text == machine.instance_type
    assert client.get("meta-data/placement/region").text == machine.region
    assert client.get("meta-data/placement/availability-zone").text == machine.availability_zone
    assert client.get("meta-data/local-ipv4").text == "10.66.0.2"
    assert client.get("meta-data/hostname").text == "ip-10-66-0-2.us-east-1.compute.internal"
    assert client.get("meta-data/tags/instance/dxnn:job").text == "xor"
    assert client.get("user-data").text == "job_id=xor\n"
    identity = json.loads(client.get("dynamic/instance-identity/document").text)
    assert identity["instanceId"] == machine.instance_id
    assert identity["region"] == machine.region


def test_what_is_not_there_is_not_found(client: Client) -> None:
    for path in (
        "meta-data/spot/instance-action",
        "meta-data/spot/",
        "meta-data/events/recommendations/rebalance",
        "meta-data/no-such-thing",
    ):
        assert client.get(path).status == 404


def test_a_notice(client: Client, metadata: Metadata) -> None:
    metadata.notice()
    notice = json.loads(client.get("meta-data/spot/instance-action").text)
    assert notice["action"] == "terminate"
    left = datetime.fromisoformat(notice["time"]) - datetime.now(UTC)
    assert timedelta(seconds=115) < left <= timedelta(seconds=120)
    assert client.get("meta-data/spot/termination-time").text == notice["time"]
    assert "spot/" in client.get("meta-data/").text.splitlines()


def test_a_notice_to_stop_has_no_termination_time(client: Client, metadata: Metadata) -> None:
    metadata.notice(action="stop")
    assert json.loads(client.get("meta-data/spot/instance-action").text)["action"] == "stop"
    assert client.get("meta-data/spot/termination-time").status == 404


def test_a_rebalance_recommendation(client: Client, metadata: Metadata) -> None:
    metadata.recommend_rebalance()
    found = json.loads(client.get("meta-data/events/recommendations/rebalance").text)
    assert datetime.now(UTC) - datetime.fromisoformat(found["noticeTime"]) < timedelta(seconds=5)


def test_scheduled_events(client: Client, metadata: Metadata) -> None:
    assert client.get("meta-data/events/maintenance/scheduled").text == "[]"
    metadata.schedule_event("system-reboot", in_seconds=3600)
    metadata.schedule_event("instance-stop", state="canceled")
    events = json.loads(client.get("meta-data/events/maintenance/scheduled").text)
    assert [(one["Code"], one["State"]) for one in events] == [
        ("system-reboot", "active"),
        ("instance-stop", "canceled"),
    ]
    datetime.strptime(events[0]["NotBefore"], "%d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)


def test_the_target_lifecycle_state(client: Client, metadata: Metadata) -> None:
    assert client.get("meta-data/autoscaling/target-lifecycle-state").status == 404
    metadata.set_target_lifecycle_state("Terminated")
    assert client.get("meta-data/autoscaling/target-lifecycle-state").text == "Terminated"
    with pytest.raises(ValueError, match="Gone"):
        metadata.set_target_lifecycle_state("Gone")


def test_announcements_can_be_withdrawn(client: Client, metadata: Metadata) -> None:
    metadata.notice()
    metadata.withdraw()
    assert client.get("meta-data/spot/instance-action").status == 404


def test_announcements_can_be_scheduled(
    client: Client, metadata: Metadata, service: MetadataService
) -> None:
    service.after(0.2, metadata.notice)
    assert client.get("meta-data/spot/instance-action").status == 404
    wait_until(
        lambda: client.get("meta-data/spot/instance-action").status == 200, "the notice", seconds=5
    )
