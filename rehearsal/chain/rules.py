"""What a rehearsal on machines judges beside the contract; each names what speaks against it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# States that an instance entered, with their times.
States = Sequence[tuple[float, str]]


def succession(first: States, second: States) -> Iterator[str]:
    """Auto Scaling launches the second instance when the first has been terminated."""
    gone = next((at for at, state in first if state == "terminated"), None)
    came = next((at for at, _ in second), None)
    if gone is None or came is None:
        yield "one of them never was"
    elif came < gone:
        yield f"the second came {gone - came:.1f} s before the first was gone"


def at_zero(group: Mapping[str, Any]) -> Iterator[str]:
    """A group, as the API describes it, wants no instance and has none."""
    if group["DesiredCapacity"] != 0:
        yield f"{group['AutoScalingGroupName']} desires {group['DesiredCapacity']}"
    for one in group["Instances"]:
        yield f"{group['AutoScalingGroupName']} has {one['InstanceId']}"


def nothing(left: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Nothing is left, of any kind."""
    for what, names in left.items():
        yield f"{what}: {', '.join(names)}"
