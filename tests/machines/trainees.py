"""One instance of a job: its machine, and what agent and trainer say there."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from rehearsal.ec2.machine import Machine
from rehearsal.ec2.region import Region
from rehearsal.metadata_state import Metadata
from tests.agent_log import Event, read_log
from tests.machines.positions import Position, positions
from tests.waiting import wait_until

LOG = "var/log/dxnn-run.log"
JOURNAL = "var/log/journal"
KEPT = (LOG, JOURNAL)

_EVENT_SECONDS = 120
_LOOK_SECONDS = 0.1
_LOOK_INTO_JOURNAL_SECONDS = 0.5


@dataclass(frozen=True)
class Said:
    """A line of the journal, as of a moment of `time.time()`."""

    at: float
    text: str


@dataclass(frozen=True)
class Trainee:
    """An instance that was launched for a job."""

    id: str
    region: Region

    @property
    def machine(self) -> Machine:
        return self.region.machine(self.id)

    @property
    def metadata(self) -> Metadata:
        return self.region.metadata(self.id)

    @property
    def group(self) -> str | None:
        """The Auto Scaling group that launched it; None also before its machine is there."""
        try:
            return self.metadata.machine.tags.get("aws:autoscaling:groupName")
        except KeyError:
            return None

    @property
    def states(self) -> list[str]:
        """The states that it has gone through."""
        return [one.state for one in self.region.changes if one.instance_id == self.id]

    @property
    def gone(self) -> bool:
        return self.states[-1] == "terminated"

    @property
    def events(self) -> list[Event]:
        """What the agent's log says so far."""
        return read_log(self.machine.written(LOG))

    def said(self, state: str, **values: str) -> list[Event]:
        """The events with this state and these values."""
        return [
            one
            for one in self.events
            if one.state == state and values.items() <= one.values.items()
        ]

    @property
    def output(self) -> list[Said]:
        """What the trainer has printed so far."""
        told = self._journal("_SYSTEMD_UNIT=dxnn-run.service")
        return [one for one in told if not one.text.startswith("[UTC ")]

    @property
    def journal(self) -> list[str]:
        """What systemd itself has said so far."""
        return [one.text for one in self._journal("_PID=1")]

    @property
    def everything(self) -> list[str]:
        """What the whole machine has said so far."""
        return [one.text for one in self._journal()]

    def _journal(self, *matches: str) -> list[Said]:
        told = subprocess.run(
            [
                *("journalctl", f"--directory={self.machine.written(JOURNAL)}", "--quiet"),
                *("--output=json", "--output-fields=MESSAGE", *matches),
            ],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        found = [json.loads(line) for line in told.stdout.splitlines()]
        return [
            Said(int(one["__REALTIME_TIMESTAMP"]) / 1e6, one["MESSAGE"])
            for one in found
            if isinstance(one["MESSAGE"], str)  # a list of bytes where it is no text
        ]

    @property
    def positions(self) -> list[Position]:
        """The runs and generations that its trainer went through, or resumed at."""
        return positions(one.text for one in self.output)

    def await_event(self, state: str, seconds: float = _EVENT_SECONDS, **values: str) -> Event:
        """Wait until the log has an event."""
        self._wait(lambda: self.said(state, **values), f"{state} of {self.id}", seconds)
        return self.said(state, **values)[0]

    def await_position(self, position: Position, seconds: float = _EVENT_SECONDS) -> None:
        """Wait until the trainer has come as far as this run and generation."""
        self.await_event("RUN_START", seconds)
        wait_until(
            lambda: any(one >= position for one in self.positions),
            f"{self.id} to come to {position}",
            seconds,
            _LOOK_INTO_JOURNAL_SECONDS,
        )

    def await_state(self, state: str, seconds: float = _EVENT_SECONDS) -> None:
        """Wait until EC2 has seen the instance in a state."""
        self._wait(lambda: state in self.states, f"{self.id} to be {state}", seconds)

    def _wait(self, condition: Callable[[], object], what: str, seconds: float) -> None:
        wait_until(condition, what, seconds, _LOOK_SECONDS)
