"""The whole path of a job on this machine: one instance is interrupted, a second one completes."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rehearsal import evidence, timeline, verdict
from rehearsal.cloud import Cloud, cloud
from rehearsal.errors import RehearsalError
from rehearsal.evidence import Evidence, InstanceEvidence
from rehearsal.instance import Instance, launched
from rehearsal.observer import Observer
from rehearsal.trainers import Trainer
from rehearsal.verdict import Verdict

CHECKPOINT_INTERVAL_SECONDS = 4
CHECKPOINTS_BEFORE_NOTICE = 2
AT_RISK_AT_NOTICE_SECONDS = 2.5  # the notice comes between two checkpoints, as notices do
SETTINGS: Mapping[str, object] = {
    "job_id": "rehearsal",
    "container_name": "dxnn-app",
    "checkpoint_interval_seconds": CHECKPOINT_INTERVAL_SECONDS,
}
JOB_PREFIX = "dxnn/rehearsal/"
CONTINUED_RULE = "the second trainer went on where the dump was taken, not from zero"

_IMAGE = "image"
_CHECKPOINTS_WITHIN_SECONDS = 180
_DOWN_WITHIN_SECONDS = 150
_COMPLETED_WITHIN_SECONDS = 900


@dataclass(frozen=True)
class Played:
    """A rehearsal that came to its end: what happened, what is left, and what was judged."""

    evidence: Evidence
    verdicts: tuple[Verdict, ...]

    @property
    def held(self) -> bool:
        """Whether nothing that was checked failed."""
        return all(one.held is not False for one in self.verdicts)


def play(trainer: Trainer, directory: Path, observer: Observer) -> Played:
    """Play the story below an empty directory. Raises RehearsalError where it can't be played."""
    trainer.build(directory / _IMAGE)
    observer.note("", "image", "the trainer is built")
    with cloud(directory / "cloud") as here:
        observer.note("", "cloud", f"S3 and EC2 at {here.endpoint}")
        with _running(here, trainer, directory, observer, "one") as first:
            _interrupt(first, observer, "training" if trainer.continued else "RUN_START")
            one = evidence.of_instance(here, "one", first)
        with _running(here, trainer, directory, observer, "two") as second:
            observer.until(lambda: second.is_down, _COMPLETED_WITHIN_SECONDS, "the end of training")
            _note_down(second, "two", observer)
            two = evidence.of_instance(here, "two", second)
            dump = next((second.tree.state_dir / "restore").glob("*.dmp"), None)
        found = Evidence(
            objects=evidence.of_bucket(here),
            writes=evidence.writes(here.access_log.read_text(encoding="utf-8").splitlines()),
            instances=(one, two),
        )
        verdicts = verdict.judge(found, JOB_PREFIX, completion_dump=trainer.patched)
        return Played(found, (*verdicts, _continued(trainer, one, two, dump)))


@contextlib.contextmanager
def _running(
    here: Cloud, trainer: Trainer, directory: Path, observer: Observer, name: str
) -> Iterator[Instance]:
    settings = {**SETTINGS, **trainer.settings}
    with launched(here, directory / name, name, directory / _IMAGE, settings) as instance:
        observer.follow(name, instance)
        observer.note(name, "launched", instance.machine.instance_id)
        instance.boot(trainer.environment, CHECKPOINT_INTERVAL_SECONDS)
        yield instance


def _interrupt(instance: Instance, observer: Observer, trains: str) -> None:
    """Wait for the middle of the training, give the notice, and see the instance go.

    `trains` is the state from which on a checkpoint holds something that was trained.
    """

    def ripe() -> bool:
        if instance.is_down:
            raise RehearsalError(
                f"training ended before {CHECKPOINTS_BEFORE_NOTICE} checkpoints were in S3: "
                f"to be interrupted it must take longer than "
                f"{(CHECKPOINTS_BEFORE_NOTICE + 2) * CHECKPOINT_INTERVAL_SECONDS} s"
            )
        risk = timeline.at_risk(observer.happenings, "one", observer.now) or 0.0
        enough = timeline.shipped(observer.happenings, "one", trains) >= CHECKPOINTS_BEFORE_NOTICE
        return enough and risk >= AT_RISK_AT_NOTICE_SECONDS

    observer.until(ripe, _CHECKPOINTS_WITHIN_SECONDS, "the second checkpoint in S3")
    moment = instance.notice()
    where = observer.told("one")
    observer.note(
        "one",
        "notice",
        f"EC2 takes the instance at {moment:%H:%M:%S} UTC"
        + (f"; trainer at {where}" * bool(where)),
    )
    observer.until(lambda: instance.is_down, _DOWN_WITHIN_SECONDS, "the interrupted instance's end")
    _note_down(instance, "one", observer)


def _note_down(instance: Instance, name: str, observer: Observer) -> None:
    observer.note(name, "reclaimed" if instance.reclaimed else "down", "no process is left")


def _continued(
    trainer: Trainer, one: InstanceEvidence, two: InstanceEvidence, dump: Path | None
) -> Verdict:
    if trainer.continued is None:
        return Verdict(CONTINUED_RULE, held=None, detail="this trainer's progress is its own")
    problems = trainer.continued(one.output, two.output, dump)
    return Verdict(CONTINUED_RULE, held=not problems, detail="; ".join(problems))
