"""How the time that a notice leaves is spent."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from dxnn_agent.store.retry import uploads_until

_STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Budget:
    """Until when each step before the uploads has to be over."""

    checkpoint_by: datetime
    trainer_stopped_by: datetime


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
    return Budget(checkpoint_by, checkpoint_by + timedelta(seconds=stop))
