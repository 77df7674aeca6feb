"""The whole path of a job in processes on this machine, which stand for two instances."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from rehearsal import evidence, plot, trainers
from rehearsal.cloud import BUCKET, Cloud, cloud
from rehearsal.evidence import Evidence
from rehearsal.instance import Instance, launched
from rehearsal.observer import Observer, Tail
from rehearsal.plot import Played
from rehearsal.trainers import Trainer

SETTINGS: Mapping[str, object] = {
    "job_id": plot.JOB_ID,
    "container_name": plot.CONTAINER_NAME,
    "checkpoint_interval_seconds": plot.CHECKPOINT_INTERVAL_SECONDS,
    "stalled_after_seconds": plot.STALLED_AFTER_SECONDS,
}

_IMAGE = "image"


def play(trainer: Trainer, directory: Path, observer: Observer) -> Played:
    """Play the plot below an empty directory. Raises RehearsalError where it can't be played."""
    for line in trainers.build(trainer, directory / _IMAGE):
        observer.note("", "image", line)
    observer.note("", "image", "the trainer is built")
    with cloud(directory / "cloud") as here:
        observer.note("", "cloud", f"S3 and EC2 at {here.endpoint}")
        with _running(here, trainer, directory, observer, plot.FIRST) as first:
            _interrupt(trainer, first, observer)
            one = evidence.of_instance(here, plot.FIRST, first)
        with _running(here, trainer, directory, observer, plot.SECOND) as second:
            observer.until(
                lambda: second.is_down, plot.COMPLETED_WITHIN_SECONDS, "the end of training"
            )
            _note_down(second, plot.SECOND, observer)
            two = evidence.of_instance(here, plot.SECOND, second)
            dump = next((second.tree.state_dir / "restore").glob("*.dmp"), None)
        found = Evidence(
            objects=evidence.of_bucket(here.s3, BUCKET),
            writes=evidence.writes(here.access_log, BUCKET),
            instances=(one, two),
        )
        return Played(found, tuple(plot.judge(trainer, found, dump)))


@contextlib.contextmanager
def _running(
    here: Cloud, trainer: Trainer, directory: Path, observer: Observer, name: str
) -> Iterator[Instance]:
    settings = {**SETTINGS, **trainer.settings_with(trainers.LAUNCHER)}
    with launched(here, directory / name, name, directory / _IMAGE, settings) as instance:
        tree = instance.tree
        observer.follow(name, Tail(lambda: tree.log_file), Tail(lambda: tree.journal("run")))
        observer.note(name, "launched", instance.machine.instance_id)
        instance.boot(trainer.environment, plot.CHECKPOINT_INTERVAL_SECONDS)
        yield instance


def _interrupt(trainer: Trainer, instance: Instance, observer: Observer) -> None:
    """Wait for the middle of the training, give the notice, and see the instance go."""
    plot.await_middle(trainer, observer, lambda: instance.is_down)
    observer.note_notice(plot.FIRST, instance.notice())
    observer.until(
        lambda: instance.is_down, plot.DOWN_WITHIN_SECONDS, "the interrupted instance's end"
    )
    _note_down(instance, plot.FIRST, observer)


def _note_down(instance: Instance, name: str, observer: Observer) -> None:
    observer.note(name, "reclaimed" if instance.reclaimed else "down", "no process is left")
