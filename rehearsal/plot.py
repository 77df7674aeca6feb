"""The plot of every rehearsal: one instance is interrupted in the middle, another one completes."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rehearsal import experiment, runs, timeline, verdict
from rehearsal.errors import RehearsalError
from rehearsal.evidence import Evidence
from rehearsal.observer import Observer
from rehearsal.trainers import Trainer
from rehearsal.verdict import Verdict

JOB_ID = "rehearsal"
CONTAINER_NAME = "dxnn-app"
JOB_PREFIX = f"dxnn/{JOB_ID}/"
FIRST, SECOND = "one", "two"

CHECKPOINT_INTERVAL_SECONDS = 4
CHECKPOINTS_BEFORE_NOTICE = 2
AT_RISK_AT_NOTICE_SECONDS = 2.5  # the notice comes between two checkpoints, as notices do
DOWN_WITHIN_SECONDS = 150
COMPLETED_WITHIN_SECONDS = 900
# Soon enough that whoever rehearses is told that the trainer hangs, and why.
STALLED_AFTER_SECONDS = 15
CONTINUED_RULE = "the second trainer went on with the population that the dump holds"

_CHECKPOINTS_WITHIN_SECONDS = 180
_LINES_SHOWN = 20


@dataclass(frozen=True)
class Played:
    """A rehearsal that came to its end: what happened, what is left, and what was judged."""

    evidence: Evidence
    verdicts: tuple[Verdict, ...]

    @property
    def held(self) -> bool:
        """Whether nothing that was checked failed."""
        return all(one.held is not False for one in self.verdicts)


def await_middle(trainer: Trainer, observer: Observer, is_down: Callable[[], bool]) -> None:
    """Wait until the first instance is where a notice shall meet it.

    Raises RehearsalError where its training ends before.
    """
    trains = "training" if trainer.patched else "RUN_START"

    def ripe() -> bool:
        failed = timeline.last(observer.happenings, FIRST, "RUN_EXIT")
        if failed and "reason=trainer_" in failed.text:
            printed = "".join(f"\n  {line}" for line in observer.said(FIRST)[-_LINES_SHOWN:])
            raise RehearsalError(
                f"the trainer failed: {failed.text}\nwhat it printed last:{printed}"
            )
        if is_down():
            raise RehearsalError(
                f"training ended before {CHECKPOINTS_BEFORE_NOTICE} checkpoints were in S3: "
                f"to be interrupted it must take longer than "
                f"{(CHECKPOINTS_BEFORE_NOTICE + 2) * CHECKPOINT_INTERVAL_SECONDS} s"
            )
        risk = timeline.at_risk(observer.happenings, FIRST, observer.now) or 0.0
        enough = timeline.shipped(observer.happenings, FIRST, trains) >= CHECKPOINTS_BEFORE_NOTICE
        return enough and risk >= AT_RISK_AT_NOTICE_SECONDS

    observer.until(ripe, _CHECKPOINTS_WITHIN_SECONDS, "the second checkpoint in S3")


def judge(trainer: Trainer, found: Evidence, restored: Path | None) -> list[Verdict]:
    """Judge by the contract's rules, and by whether training went on from the restored dump."""
    verdicts = verdict.judge(found, JOB_PREFIX, completion_dump=trainer.patched)
    if not trainer.patched:
        detail = "only this trainer can read its dumps"
        return [*verdicts, Verdict(CONTINUED_RULE, held=None, detail=detail)]
    try:
        return [*verdicts, _continued(found, restored)]
    except RehearsalError as error:
        return [*verdicts, verdict.verdict(CONTINUED_RULE, [str(error)])]


def _continued(found: Evidence, restored: Path | None) -> Verdict:
    """Compare the restored dump with the last that the second instance left."""
    last = runs.story(found, JOB_PREFIX).runs[-1].newest_dump
    if restored is None or last is None:
        return verdict.verdict(CONTINUED_RULE, ["there is no dump to compare"])
    before = experiment.read(restored)
    with tempfile.NamedTemporaryFile(suffix=".dmp") as file:
        file.write(last.body)
        file.flush()
        after = experiment.read(Path(file.name))
    judged = verdict.verdict(CONTINUED_RULE, experiment.continued(before, after))
    shown = f"restored at {before.where}; {experiment.then(before, after)}"
    return replace(judged, detail=f"{judged.detail}; {shown}" if judged.detail else shown)
