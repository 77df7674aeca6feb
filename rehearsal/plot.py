"""The plot of every rehearsal: one instance is interrupted in the middle, another one completes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rehearsal import timeline, verdict
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
CONTINUED_RULE = "the second trainer went on where the dump was taken, not from zero"

_CHECKPOINTS_WITHIN_SECONDS = 180


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
    trains = "training" if trainer.continued else "RUN_START"

    def ripe() -> bool:
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
    """Judge by the contract's rules, and by how the trainer itself says it went on."""
    verdicts = verdict.judge(found, JOB_PREFIX, completion_dump=trainer.patched)
    if trainer.continued is None:
        detail = "this trainer's progress is its own"
        return [*verdicts, Verdict(CONTINUED_RULE, held=None, detail=detail)]
    one, two = found.instances
    problems = trainer.continued(one.output, two.output, restored)
    return [*verdicts, verdict.verdict(CONTINUED_RULE, problems)]
