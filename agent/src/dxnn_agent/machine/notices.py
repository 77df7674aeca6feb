"""Where EC2 says that it will take the machine, and what its answers mean."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

SPOT_INTERRUPTION = "spot_interruption"
REBALANCE = "rebalance"
SCHEDULED_EVENT = "scheduled_event"
SHUTDOWN = "shutdown"

# The warning that EC2 gives before it takes a Spot Instance:
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
SPOT_WARNING = timedelta(minutes=2)

# Scheduled events after which the machine, or what it was doing, is gone.
_ENDING_EVENTS = ("instance-stop", "instance-retirement", "instance-reboot", "system-reboot")


@dataclass(frozen=True)
class Notice:
    """EC2 says that it will take the machine at `time`; None where it does not say when."""

    reason: str
    time: datetime | None
    detail: str


def spot_notice(body: str, _now: datetime) -> Notice | None:
    """Read `spot/instance-action`; None for anything that is not a whole, known answer."""
    content = _object(body)
    action = content.get("action")
    if action not in ("terminate", "stop", "hibernate"):
        return None
    return Notice(SPOT_INTERRUPTION, _time(content.get("time")), action)


def rebalance_recommendation(body: str) -> datetime | None:
    """Read `events/recommendations/rebalance`: when it was given, or None.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/rebalance-recommendations.html
    """
    return _time(_object(body).get("noticeTime"))


def scheduled_event(body: str, now: datetime) -> Notice | None:
    """Read `events/maintenance/scheduled`: the next event that ends the run, once it is near.

    Events are announced days ahead; one is taken for a notice when it is as near as a Spot
    interruption is at its notice, so that training goes on until then.
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/viewing_scheduled_events.html
    """
    events = _parsed(body)
    due = [
        Notice(SCHEDULED_EVENT, start, str(event["Code"]))
        for event in (events if isinstance(events, list) else [])
        if isinstance(event, dict)
        and event.get("Code") in _ENDING_EVENTS
        and event.get("State", "active") == "active"
        and (start := _time(event.get("NotBefore"))) is not None
        and start - now <= SPOT_WARNING
    ]
    return min(due, key=lambda notice: notice.time or now, default=None)


def target_state_notice(body: str, _now: datetime) -> Notice | None:
    """Read `autoscaling/target-lifecycle-state`: a notice once the group lets the machine go.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/retrieving-target-lifecycle-state-through-imds.html
    """
    if body.strip() != "Terminated":
        return None
    return Notice(SHUTDOWN, None, "Terminated")


# Below /latest/, in the order in which they are asked: what is found first is acted on.
NOTICES: Sequence[tuple[str, Callable[[str, datetime], Notice | None]]] = (
    ("meta-data/spot/instance-action", spot_notice),
    ("meta-data/events/maintenance/scheduled", scheduled_event),
    ("meta-data/autoscaling/target-lifecycle-state", target_state_notice),
)

REBALANCE_PATH = "meta-data/events/recommendations/rebalance"


def first(ask: Callable[[str], str], now: datetime) -> Notice | None:
    """The first notice that `ask` finds below those paths; None where there is none."""
    for path, read in NOTICES:
        notice = read(ask(path), now)
        if notice:
            return notice
    return None


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _object(body: str) -> dict[str, Any]:
    content = _parsed(body)
    return content if isinstance(content, dict) else {}


def _time(value: object) -> datetime | None:
    """Read a time as the metadata service writes them, ISO 8601 or `21 Jan 2019 09:00:43 GMT`."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        try:
            moment = datetime.strptime(value, "%d %b %Y %H:%M:%S %Z")
        except ValueError:
            return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
