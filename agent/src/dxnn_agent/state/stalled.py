"""A trainer that stands still: the launcher says so of itself, any other is watched from here."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from subprocess import Popen

from dxnn_agent import timestamps
from dxnn_agent.machine import trainer, trainer_process
from dxnn_agent.machine.trainer_output import TrainerOutput
from dxnn_agent.settings import Settings
from dxnn_agent.state import dumps
from dxnn_agent.state.run_state import Run

_LOOKS = 10  # at its checkpoints, within the time that a trainer may stand still
_LONGEST_SECONDS = 3600.0


def wait(
    settings: Settings,
    run: Run,
    process: Popen[bytes],
    output: TrainerOutput,
    leaving: Callable[[], bool],
) -> str | None:
    """Wait until the trainer exits; where it stands still instead, say what was seen of it.

    Progress is output, and a checkpoint that differs from the one before. Nobody is found to stand
    still that is `leaving`, which it has been told. An Erlang trainer is watched by its launcher.
    """
    after = settings.stalled_after_seconds
    if trainer.of(settings).has_launcher or not after:
        trainer_process.exits_within(process, None)
        return None
    content = _newest(settings, run)
    progress_at = time.monotonic()
    while True:
        progress_at = max(progress_at, output.last_at)
        left = progress_at + after - time.monotonic()
        if left <= 0 and leaving():
            trainer_process.exits_within(process, None)
            return None
        if left <= 0:
            return _sentence(time.monotonic() - output.last_at, content)
        if trainer_process.exits_within(process, min(left, after / _LOOKS, _LONGEST_SECONDS)):
            return None
        newest = _newest(settings, run)
        if newest and (content is None or newest.sha256 != content.sha256):
            content, progress_at = newest, time.monotonic()


@dataclass(frozen=True)
class _Content:
    """What a checkpoint holds, and when it was first taken."""

    sha256: str
    taken_at: datetime


def _newest(settings: Settings, run: Run) -> _Content | None:
    """The newest checkpoint of this run; None where none can be read just now."""
    with suppress(OSError):  # one that is pruned meanwhile
        for dump in dumps.lying_in(settings.checkpoint_dir):
            if dump.name.kind == dumps.CHECKPOINT and dump.run_id == run.run_id and dump.sha256:
                return _Content(dump.sha256, dump.taken_at)
    return None


def _sentence(silent_seconds: float, content: _Content | None) -> str:
    silence = f"no output for {silent_seconds:.0f} s"
    if content is None:
        return f"{silence}, and no checkpoint in this run"
    since = timestamps.timestamp(content.taken_at)
    return f"{silence}, and its checkpoints all the same since {since}"
