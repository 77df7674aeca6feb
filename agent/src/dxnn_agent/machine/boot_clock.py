"""Time since the machine booted, which passes whatever the wall clock is set to."""

import time
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Tell this boot of the machine from any other."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


def now() -> float:
    """Seconds since the machine booted, asleep or not."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def since(boot: str | None, moment: float) -> float:
    """Seconds since a moment of some boot; of another boot than this only this one's are known."""
    return max(0.0, now() - moment) if boot == boot_id() else now()
