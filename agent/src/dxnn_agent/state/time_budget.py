"""How the time that a notice leaves is spent, and how long to wait between attempts."""

from dataclasses import dataclass
from datetime import datetime, timedelta

# Kept free before EC2 takes the machine: its clock and ours may differ, and poweroff takes time.
SAFETY_MARGIN = timedelta(seconds=5)

ATTEMPTS = 7
_LEAST_SECONDS_FOR_AN_ATTEMPT = 1.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Budget:
    """Until when each step after a notice has to be over; `uploaded_by` None means no limit."""

    checkpoint_by: datetime
    trainer_stopped_by: datetime
    uploaded_by: datetime | None


def budget(
    detected_at: datetime, notice_time: datetime | None, checkpoint_deadline_seconds: float
) -> Budget:
    """Divide the time between a notice's detection and its own `time`, less the safety margin.

    The checkpoint gets `checkpoint_deadline_seconds`, but at most half of what is left; the trainer
    then has up to ten seconds to stop, at most a sixth; the rest is for uploads.
    """
    allowed = float(checkpoint_deadline_seconds)
    stop = _STOP_SECONDS
    end = uploads_until(notice_time)
    if end is not None:
        left = max(0.0, (end - detected_at).total_seconds())
        allowed = min(allowed, left / 2)
        stop = min(stop, left / 6)
    checkpoint_by = detected_at + timedelta(seconds=allowed)
    return Budget(checkpoint_by, checkpoint_by + timedelta(seconds=stop), end)


def uploads_until(notice_time: datetime | None) -> datetime | None:
    """When uploads have to be over; None without a notice."""
    return notice_time - SAFETY_MARGIN if notice_time else None


def wait_before_next(attempt: int, left: float | None) -> float | None:
    """Seconds to wait after the given failed attempt (1 is the first); None: give up.

    1, 2, 4, 8, 16, 32 s between seven attempts (the guide's step 1). With `left` seconds until a
    deadline a wait is cut to half of them, so that another attempt still fits.
    """
    if attempt >= ATTEMPTS:
        return None
    wait = float(2 ** (attempt - 1))
    if left is None:
        return wait
    return min(wait, left / 2) if left > _LEAST_SECONDS_FOR_AN_ATTEMPT else None
