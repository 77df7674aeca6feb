"""What to do about one instance, from what EC2 says of it and what its machine does: no effects.

The states are those of the EC2 user guide, "Amazon EC2 instance state changes".
"""

from dataclasses import dataclass
from typing import Literal

State = Literal["pending", "running", "stopping", "stopped", "shutting-down", "terminated"]
Power = Literal["off", "on", "ended"]
Action = Literal[
    "boot", "say_up", "say_off", "power_off", "cut", "freeze", "reboot", "remove", "forget"
]

UP_SECONDS = 20.0  # an instance is running by then, whether or not anything answers on port 22
POWER_OFF_SECONDS = 120.0  # what EC2 grants a shutdown is a few minutes


@dataclass(frozen=True)
class Wanted:
    """What EC2 says: the instance's state, and whether an image of it, or a reboot, is due."""

    state: State
    image_due: bool = False
    reboot: bool = False


@dataclass(frozen=True)
class Actual:
    """What the machine does.

    `ended` says that it went off and nobody has taken note yet. The seconds are since it was
    booted and since its power button was pressed, which is None where it was not.
    """

    power: Power
    listens: bool = False
    booted_seconds: float = 0.0
    pressed_seconds: float | None = None


def decide(
    wanted: Wanted, actual: Actual | None, power_off_seconds: float = POWER_OFF_SECONDS
) -> Action | None:
    """Say the next thing to do, None for nothing; `actual` is None where there is no machine."""
    if actual and actual.power == "on":
        return _while_on(wanted, actual, power_off_seconds)
    if wanted.image_due and actual and wanted.state not in {"stopping", "terminated"}:
        return "freeze"
    match wanted.state:
        case "pending" | "running":
            return "say_off" if actual and actual.power == "ended" else "boot"
        case "stopping":
            return "say_off"
        case "stopped":
            return "say_off" if actual and actual.power == "ended" else None
        case "shutting-down":
            return "remove"
        case "terminated":
            return "forget" if actual else None


def _while_on(wanted: Wanted, actual: Actual, power_off_seconds: float) -> Action | None:
    if wanted.image_due or wanted.state not in {"pending", "running"}:
        pressed = actual.pressed_seconds
        return "cut" if pressed is not None and pressed >= power_off_seconds else "power_off"
    if wanted.reboot:
        return "reboot"
    up = actual.listens or actual.booted_seconds >= UP_SECONDS
    return "say_up" if wanted.state == "pending" and up else None
