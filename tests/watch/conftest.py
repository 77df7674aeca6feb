"""A trainer in training, with the watcher beside it."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.machine import Machine, NewMachine, Started
from tests.programs import trains_until_told
from tests.waiting import wait_until

POLLED = "/latest/meta-data/events/recommendations/rebalance"  # which `run` does not ask for


@dataclass(frozen=True)
class Training:
    """A machine on which `run` and `watch` are at work."""

    machine: Machine
    running: Started
    watching: Started
    trainer: int

    def ends(self) -> None:
        """Wait for both commands to end well."""
        assert self.watching.result().code == 0
        assert self.running.result().code == 0

    def goes_on(self) -> bool:
        """Whether run, watch and the trainer are all still there."""
        both = (self.running.process, self.watching.process)
        return all(process.poll() is None for process in both)


StartTraining = Callable[..., Training]


@pytest.fixture
def training(machine_with: NewMachine) -> StartTraining:
    """Return a function that starts to train and to watch, with the given settings."""

    def start(**settings: object) -> Training:
        machine = machine_with(**({"trainer_command": trains_until_told()} | settings))
        running = machine.start("run")
        trainer = machine.trainer_pid()
        watching = machine.start("watch")
        wait_until(
            lambda: POLLED in [request.path for request in machine.metadata.requests],
            "the watcher's first poll",
        )
        return Training(machine, running, watching, trainer)

    return start
