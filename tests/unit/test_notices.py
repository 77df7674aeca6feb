"""What the metadata service's answers mean, and that nothing it says can break the watch."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxnn_agent.machine import notices

NOW = datetime(2025, 1, 11, 14, 30, 12, tzinfo=UTC)
KEYS = st.sampled_from(["action", "time", "noticeTime", "Code", "NotBefore", "State"])
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from(["terminate", "action"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | KEYS, inner),
)


def test_a_spot_notice() -> None:
    found = notices.spot_notice('{"action": "terminate", "time": "2025-01-11T14:32:12Z"}', NOW)
    assert found is not None
    assert found.reason == "spot_interruption"
    assert found.time == datetime(2025, 1, 11, 14, 32, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[" * 60000,
        '{"action": "terminate", "ti',
        "<html>",
        "[]",
        '{"action": "dance"}',
        "null",
        "\x00",
    ],
)
def test_half_an_answer_is_no_notice(body: str) -> None:
    assert notices.spot_notice(body, NOW) is None


def test_an_action_without_a_time_is_a_notice_all_the_same() -> None:
    found = notices.spot_notice('{"action": "stop"}', NOW)
    assert found is not None
    assert found.time is None


@given(st.text() | JSON.map(json.dumps))
def test_no_answer_breaks_the_readers(body: str) -> None:
    notices.spot_notice(body, NOW)
    notices.rebalance_recommendation(body)
    notices.scheduled_event(body, NOW)
    notices.target_state_notice(body, NOW)
    notices.first(lambda _: body, NOW)


def test_a_rebalance_recommendation() -> None:
    assert notices.rebalance_recommendation('{"noticeTime": "2025-01-11T14:30:00Z"}') == datetime(
        2025, 1, 11, 14, 30, tzinfo=UTC
    )


def event(start: str, code: str = "instance-retirement", state: str = "active") -> str:
    return json.dumps([{"Code": code, "NotBefore": start, "State": state, "EventId": "e"}])


def test_a_scheduled_event_counts_once_it_is_near() -> None:
    assert notices.scheduled_event(event("21 Jan 2025 09:00:43 GMT"), NOW) is None
    found = notices.scheduled_event(event("11 Jan 2025 14:31:00 GMT"), NOW)
    assert found is not None
    assert found.reason == "scheduled_event"
    assert found.time == datetime(2025, 1, 11, 14, 31, tzinfo=UTC)


@pytest.mark.parametrize("state", ["completed", "canceled"])
def test_an_event_that_is_over_does_not_count(state: str) -> None:
    assert notices.scheduled_event(event("11 Jan 2025 14:31:00 GMT", state=state), NOW) is None


def test_maintenance_that_leaves_the_machine_alone_does_not_count() -> None:
    near = event("11 Jan 2025 14:31:00 GMT", code="system-maintenance")
    assert notices.scheduled_event(near, NOW) is None


def test_the_groups_target_state() -> None:
    assert notices.target_state_notice("InService", NOW) is None
    found = notices.target_state_notice("Terminated", NOW)
    assert found is not None
    assert found.reason == "shutdown"


def test_what_ec2_says_itself_comes_first() -> None:
    answers = {
        "meta-data/spot/instance-action": '{"action": "terminate"}',
        "meta-data/autoscaling/target-lifecycle-state": "Terminated",
    }
    found = notices.first(lambda path: answers.get(path, ""), NOW)
    assert found is not None
    assert found.reason == "spot_interruption"
    assert notices.first(lambda _: "", NOW) is None
