"""The notice this machine was given, kept in `state_dir` so that every command plans by it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dxnn_agent import timestamps
from dxnn_agent.machine import boot_clock
from dxnn_agent.machine.notices import Notice
from dxnn_agent.state import durable
from dxnn_agent.state.outcome import Stop

_NOTICE_FILE = "notice.json"


@dataclass(frozen=True)
class StandingNotice:
    """A notice of this boot, and whether the trainer has been told to stop because of it."""

    reason: str
    time: datetime | None
    told_to_stop: bool

    @property
    def stop(self) -> Stop | None:
        """What the trainer was told, or None where it was left to train on."""
        return Stop(self.reason, self.time) if self.told_to_stop else None


def record(state_dir: Path, notice: Notice, *, told_to_stop: bool) -> None:
    """Write a notice down for the other commands of this machine."""
    content = {
        "reason": notice.reason,
        "time": timestamps.timestamp(notice.time) if notice.time else None,
        "told_to_stop": told_to_stop,
        "boot_id": boot_clock.boot_id(),
    }
    durable.write_json(state_dir / _NOTICE_FILE, content)


def current(state_dir: Path) -> StandingNotice | None:
    """The notice that stands; one from before a reboot no longer does."""
    try:
        content = json.loads((state_dir / _NOTICE_FILE).read_text(encoding="utf-8"))
        if content["boot_id"] != boot_clock.boot_id():
            return None
        time = datetime.fromisoformat(content["time"]) if content["time"] else None
        return StandingNotice(str(content["reason"]), time, bool(content["told_to_stop"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def time_of(state_dir: Path) -> Callable[[], datetime | None]:
    """What tells when EC2 takes this machine, whenever it is asked; None while nobody has said."""

    def time() -> datetime | None:
        notice = current(state_dir)
        return notice.time if notice else None

    return time


def forget(state_dir: Path) -> None:
    """Drop the notice: what it announced happened to an earlier run."""
    (state_dir / _NOTICE_FILE).unlink(missing_ok=True)
