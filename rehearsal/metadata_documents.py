"""What EC2's instance metadata service says of one instance: data in, documents out.

Paths and formats follow the EC2 user guide: "Instance metadata categories", "Spot Instance
interruption notices", "EC2 instance rebalance recommendations", "Scheduled events for your
instances", and the Auto Scaling user guide: "Retrieve the target lifecycle state through instance
metadata".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

META_DATA = "latest/meta-data/"


@dataclass(frozen=True)
class Machine:
    """What does not change about an instance as long as it lives."""

    instance_id: str = "i-0123456789abcdef0"
    instance_type: str = "c7i.large"
    image_id: str = "ami-0123456789abcdef0"
    region: str = "us-east-1"
    availability_zone: str = "us-east-1a"
    account_id: str = "123456789012"
    local_ipv4: str = "10.66.0.2"
    role: str | None = "dxnn-instance"  # of its instance profile; None where it has none
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    user_data: str | None = None
    launched_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def hostname(self) -> str:
        """The private DNS name as EC2 forms it from the address."""
        return f"ip-{self.local_ipv4.replace('.', '-')}.{self.region}.compute.internal"


@dataclass(frozen=True)
class Interruption:
    """A Spot notice: EC2 will `terminate`, `stop` or `hibernate` the instance at `time`."""

    time: datetime
    action: str = "terminate"


@dataclass(frozen=True)
class ScheduledEvent:
    """Maintenance that EC2 has announced, such as `instance-retirement` or `system-reboot`."""

    code: str
    not_before: datetime
    not_after: datetime | None = None
    event_id: str = "instance-event-0123456789abcdef0"
    description: str = "The instance is running on degraded hardware"
    state: str = "active"


@dataclass(frozen=True)
class Events:
    """What EC2 has announced to an instance so far."""

    interruption: Interruption | None = None
    rebalance: datetime | None = None
    scheduled: tuple[ScheduledEvent, ...] = ()
    target_lifecycle_state: str | None = None  # of an instance in no Auto Scaling group


@dataclass(frozen=True)
class Credentials:
    """A role's temporary credentials."""

    access_key_id: str
    secret_access_key: str
    token: str
    issued_at: datetime
    lifetime: timedelta = timedelta(hours=6)


def documents(machine: Machine, events: Events, credentials: Credentials) -> dict[str, str]:
    """Every document of the service by its path, without a leading slash."""
    meta = {
        "ami-id": machine.image_id,
        "events/maintenance/history": "[]",
        "events/maintenance/scheduled": json.dumps([_scheduled(e) for e in events.scheduled]),
        "hostname": machine.hostname,
        "instance-action": "none",
        "instance-id": machine.instance_id,
        "instance-life-cycle": "spot",
        "instance-type": machine.instance_type,
        "local-hostname": machine.hostname,
        "local-ipv4": machine.local_ipv4,
        "placement/availability-zone": machine.availability_zone,
        "placement/region": machine.region,
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
    }
    if machine.role:
        meta["iam/info"] = json.dumps(_iam_info(machine, credentials), indent=2)
        meta[f"iam/security-credentials/{machine.role}"] = json.dumps(_role(credentials), indent=2)
    meta |= {f"tags/instance/{key}": value for key, value in machine.tags.items()}
    if events.target_lifecycle_state:
        meta["autoscaling/target-lifecycle-state"] = events.target_lifecycle_state
    if events.rebalance:
        meta["events/recommendations/rebalance"] = json.dumps(
            {"noticeTime": timestamp(events.rebalance)}
        )
    if events.interruption:
        time = timestamp(events.interruption.time)
        meta["spot/instance-action"] = json.dumps(
            {"action": events.interruption.action, "time": time}
        )
        if events.interruption.action == "terminate":
            meta["spot/termination-time"] = time
    found = {META_DATA + path: text for path, text in meta.items()}
    found["latest/dynamic/instance-identity/document"] = json.dumps(_identity(machine), indent=2)
    if machine.user_data is not None:
        found["latest/user-data"] = machine.user_data
    return found


def lookup(found: Mapping[str, str], path: str) -> str | None:
    """Find the document at a path or list what lies below it; None where there is neither.

    In a listing, as from the real service, a directory ends in a slash; above `meta-data/`, and
    where tags and roles are listed, nothing does.
    """
    path = path.lstrip("/")
    if path in found:
        return found[path]
    directory = f"{path.rstrip('/')}/" if path else ""
    below = [key.removeprefix(directory) for key in found if key.startswith(directory)]
    if not below:
        return None
    marked = directory.startswith(META_DATA)
    names = {rest.partition("/")[0] + "/" * (marked and "/" in rest) for rest in below}
    return "\n".join(sorted(names))


def timestamp(moment: datetime) -> str:
    """Write a moment as UTC, to the second: `2025-01-11T14:30:12Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _scheduled(event: ScheduledEvent) -> dict[str, str]:
    form = "%d %b %Y %H:%M:%S GMT"
    found = {
        "NotBefore": event.not_before.astimezone(UTC).strftime(form),
        "Code": event.code,
        "Description": event.description,
        "EventId": event.event_id,
        "State": event.state,
    }
    if event.not_after:
        found["NotAfter"] = event.not_after.astimezone(UTC).strftime(form)
    return found


def _iam_info(machine: Machine, credentials: Credentials) -> dict[str, str]:
    return {
        "Code": "Success",
        "LastUpdated": timestamp(credentials.issued_at),
        "InstanceProfileArn": f"arn:aws:iam::{machine.account_id}:instance-profile/{machine.role}",
        "InstanceProfileId": "AIPA0123456789ABCDEF0",
    }


def _role(credentials: Credentials) -> dict[str, str]:
    return {
        "Code": "Success",
        "LastUpdated": timestamp(credentials.issued_at),
        "Type": "AWS-HMAC",
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.token,
        "Expiration": timestamp(credentials.issued_at + credentials.lifetime),
    }


def _identity(machine: Machine) -> dict[str, str | None]:
    return {
        "accountId": machine.account_id,
        "architecture": "x86_64",
        "availabilityZone": machine.availability_zone,
        "imageId": machine.image_id,
        "instanceId": machine.instance_id,
        "instanceType": machine.instance_type,
        "kernelId": None,
        "pendingTime": timestamp(machine.launched_at),
        "privateIp": machine.local_ipv4,
        "ramdiskId": None,
        "region": machine.region,
        "version": "2017-09-30",
    }
