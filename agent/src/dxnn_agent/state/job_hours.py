"""The hours of all machines of a job together, which every checkpoint's metadata carries on."""

from collections.abc import Mapping
from typing import Any

from dxnn_agent.machine import boot_clock
from dxnn_agent.settings import Settings
from dxnn_agent.state.run_state import Run

METADATA_KEY = "job_seconds"
_SECONDS = 3600.0


def spent_seconds(run: Run) -> float:
    """Seconds that the job's machines have spent on it up to now, this run's included."""
    return run.job_seconds_before + boot_clock.since(run.boot_id, run.began_at)


def carried(described: Mapping[str, Any]) -> float:
    """The seconds that a dump's metadata carries; none in one that an older agent wrote."""
    seconds = described.get(METADATA_KEY)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds > 0:
        return 0.0
    return float(seconds)


def left_seconds(settings: Settings, run: Run) -> float | None:
    """Seconds until the job's hours are spent; None where there is no limit."""
    if not settings.max_job_hours:
        return None
    return settings.max_job_hours * _SECONDS - spent_seconds(run)


def why_given_up(settings: Settings, run: Run) -> str | None:
    """Why the job is given up, where its hours are spent."""
    left = left_seconds(settings, run)
    if left is None or left > 0:
        return None
    spent = spent_seconds(run) / _SECONDS
    return f"hours of all its machines: {spent:.4g}, max_job_hours is {settings.max_job_hours:g}"
