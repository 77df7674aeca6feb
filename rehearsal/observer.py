"""Follows instances while they live: what their logs and their trainers say, as it is said."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from rehearsal import evidence, timeline
from rehearsal.errors import RehearsalError
from rehearsal.timeline import Happening

_LOOK_AGAIN_SECONDS = 0.1


class Lines(Protocol):
    """Something that prints lines."""

    def lines(self) -> list[str]:
        """Give the lines that it has printed since it was last asked."""


class Tail:
    """The lines that a growing file has gained since it was last asked."""

    def __init__(self, path: Callable[[], Path]) -> None:
        """Follow a file; `path` says where it is by now."""
        self._path = path
        self._offset = 0

    def lines(self) -> list[str]:
        """Read the whole lines that are new; none while there is no such file."""
        try:
            with self._path().open("rb") as file:
                file.seek(self._offset)
                whole = file.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return []
        if not whole:
            return []
        self._offset += len(whole) + 1
        return whole.decode(errors="replace").split("\n")


class Observer:
    """Collects happenings, in the order in which they were seen, and shows each as it comes."""

    def __init__(self, told: Callable[[Iterable[str]], str | None]) -> None:
        """Begin the rehearsal's clock; `told` reads a trainer's progress from its lines."""
        self.happenings: list[Happening] = []
        self.show: Callable[[Happening], None] = lambda _happening: None
        self._told = told
        self._began = time.monotonic()
        self.doing: dict[str, str] = {}  # what each that is not training does right now
        self.also: list[Callable[[], object]] = []  # called at every look
        self._followed: dict[str, tuple[Lines, Lines]] = {}
        self._output: dict[str, list[str]] = {}
        self._trains: set[str] = set()

    @property
    def now(self) -> float:
        """Seconds since the rehearsal began."""
        return time.monotonic() - self._began

    def follow(self, name: str, log: Lines, output: Lines) -> None:
        """Follow an instance from now on: its run's log, and what `run` and the trainer print."""
        self._followed[name] = (log, output)
        self._output[name] = []

    def note(self, name: str, state: str, text: str = "") -> None:
        """Add something that the rehearsal itself did."""
        happening = Happening(self.now, name, state, text)
        self.happenings.append(happening)
        self.show(happening)

    def note_notice(self, name: str, moment: datetime) -> None:
        """Add EC2's notice to an instance, and where its trainer is."""
        where = self.told(name)
        text = f"EC2 takes the instance at {moment:%H:%M:%S} UTC"
        self.note(name, "notice", text + (f"; trainer at {where}" if where else ""))

    def told(self, name: str) -> str | None:
        """Say how far an instance's trainer is, in its own words; None before it said anything."""
        return self._told(list(self._output.get(name, [])))

    def said(self, name: str) -> list[str]:
        """Give what an instance's trainer has printed so far."""
        return self._output.get(name, [])

    def look(self) -> None:
        """Take up everything that was said since the last look."""
        for look in self.also:
            look()
        for name, (log, output) in self._followed.items():
            for line in log.lines():
                if happening := timeline.of_log_line(self.now, name, line):
                    self.happenings.append(happening)
                    self.show(happening)
            self._output[name] += evidence.output_lines(output.lines())
            if name not in self._trains and (told := self.told(name)):
                self._trains.add(name)
                self.note(name, "training", told)

    def until(self, reached: Callable[[], bool], seconds: float, what: str) -> None:
        """Look on until something is reached. Raises RehearsalError after so many seconds."""
        deadline = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > deadline:
                raise RehearsalError(
                    f"{what} did not come within {seconds:.0f} s; "
                    "--keep DIR keeps what everybody printed"
                )
            time.sleep(_LOOK_AGAIN_SECONDS)
            self.look()
        self.look()
