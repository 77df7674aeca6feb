"""The rules by which a job is launched no more: complete, given up, or not to be relaunched."""

import json
from pathlib import Path

from dxnn_agent.machine import boot_clock
from dxnn_agent.settings import Settings
from dxnn_agent.state import durable, job_history, job_hours
from dxnn_agent.state.job_history import Streak
from dxnn_agent.state.run_state import Run
from dxnn_agent.store.context import Context
from dxnn_agent.store.store import StoreError

_NO_HISTORY_FILE = "no-history.json"


def why_last(settings: Settings, *, complete: bool, streak: Streak) -> str | None:
    """Why no machine after this one should train the job; None where one should."""
    if complete:
        return "the job is complete"
    if not settings.relaunch_on_interruption:
        return "relaunch_on_interruption is false"
    return in_vain(settings, streak)


def in_vain(settings: Settings, streak: Streak) -> str | None:
    """Why a job is given up that is not complete, after a run of it; None where it is not."""
    if streak.spent:
        return streak.spent
    if streak.failed is not None and streak.failed >= settings.max_failed_runs:
        return f"runs in a row that the trainer itself ended: {streak.failed}"
    if streak.fruitless is not None and streak.fruitless >= settings.max_fruitless_runs:
        return f"runs in a row without a checkpoint: {streak.fruitless}"
    return None


def before_training(context: Context, run: Run) -> str | None:
    """Why a job is given up before its trainer starts; None where it is not.

    Its hours are spent, or it keeps losing its machines before the next checkpoint. Where a run was
    finalized, that finalization decided; whoever starts the job again after it was given up wants
    it to run.
    """
    settings, store = context.settings, context.store
    spent = job_hours.why_given_up(settings, run)
    if spent or store is None:
        return spent
    try:
        past = job_history.read(settings, run.job_id, store)
    except StoreError:
        return None
    fruitless = job_history.fruitless_before(past, run.run_id)
    cut_off = job_history.cut_off_before(past, run.run_id)
    return in_vain(settings, Streak(fruitless)) if cut_off else None


def without_history(settings: Settings) -> bool:
    """Whether the job's history could not be had for `restore_give_up_seconds` of this boot.

    To be asked each time that it can't; the first time is noted.
    """
    patience = settings.restore_give_up_seconds
    return bool(patience) and _seconds_without_history(settings.state_dir) >= patience


def history_was_had(state_dir: Path) -> None:
    """Forget that the history could not be had."""
    (state_dir / _NO_HISTORY_FILE).unlink(missing_ok=True)


def _seconds_without_history(state_dir: Path) -> float:
    file = state_dir / _NO_HISTORY_FILE
    try:
        first = json.loads(file.read_text(encoding="utf-8"))
        if first["boot_id"] == boot_clock.boot_id():
            return boot_clock.since(first["boot_id"], float(first["at"]))
    except (OSError, ValueError, KeyError, TypeError):
        first = None
    durable.write_json(file, {"boot_id": boot_clock.boot_id(), "at": boot_clock.now()})
    return 0.0
