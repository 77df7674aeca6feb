"""One instance's side of the metadata service: its events, its session tokens, its failures."""

import base64
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Literal, get_args

from rehearsal import metadata_documents
from rehearsal.metadata_documents import (
    Credentials,
    Events,
    Interruption,
    Machine,
    ScheduledEvent,
)

NOTICE_SECONDS = 120  # "Spot Instance interruption notices": two minutes before
LIFECYCLE_STATES = ("Detached", "InService", "Standby", "Terminated")
MAX_TOKEN_SECONDS = 21600

FaultKind = Literal["status", "garbage", "half", "silence", "drop"]


@dataclass(frozen=True)
class Fault:
    """A way to misbehave.

    `status` answers with that code, `garbage` with 200 and `body`, `half` with the beginning of a
    longer answer, `silence` never, `drop` with a closed connection. Meets requests whose path
    matches the glob `path`, `count` of them, or all until told otherwise.
    """

    kind: FaultKind
    status: int = 500
    body: bytes = b"\x00\xff<<< {not json"
    path: str = "*"
    count: int | None = None

    def __post_init__(self) -> None:
        """Refuse what the service could not do."""
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"kind {self.kind!r}: should be one of {get_args(FaultKind)}")
        if not 200 <= self.status <= 599:
            raise ValueError(f"status {self.status}: should be 200 to 599")
        if self.count is not None and self.count < 1:
            raise ValueError(f"count {self.count}: should be 1 or more")


@dataclass(frozen=True)
class Request:
    """A request as the service saw it, and the status it answered (0 where it answered nothing)."""

    method: str
    path: str
    status: int
    at: float


class Metadata:
    """The metadata of one instance. Every method may be called from any thread."""

    def __init__(
        self,
        machine: Machine,
        clock: Callable[[], float] = time.monotonic,
        credentials: Credentials | None = None,
    ) -> None:
        """Describe a machine to which nothing has been announced yet.

        Without credentials of a role it gets some that nobody knows.
        """
        self.machine = machine
        self._clock = clock
        self._lock = threading.Lock()
        self._events = Events()
        self._tokens: dict[str, float] = {}
        self._faults: list[Fault] = []
        self._requests: list[Request] = []
        self._credentials = credentials or Credentials(
            access_key_id=f"ASIA{secrets.token_hex(8).upper()}",
            secret_access_key=secrets.token_urlsafe(30),
            token=secrets.token_urlsafe(90),
            issued_at=datetime.now(UTC),
        )

    # What EC2 announces.

    def notice(self, in_seconds: float = NOTICE_SECONDS, action: str = "terminate") -> datetime:
        """Announce that EC2 takes the instance so many seconds from now; say when that is."""
        moment = _from_now(in_seconds)
        interruption = Interruption(time=moment, action=action)
        self._change(lambda events: replace(events, interruption=interruption))
        return moment

    def recommend_rebalance(self) -> None:
        """Announce an elevated risk of interruption."""
        self._change(lambda events: replace(events, rebalance=datetime.now(UTC)))

    def schedule_event(
        self, code: str = "instance-retirement", in_seconds: float = 86400, state: str = "active"
    ) -> None:
        """Announce maintenance so many seconds from now."""
        event = ScheduledEvent(code=code, not_before=_from_now(in_seconds), state=state)
        self._change(lambda events: replace(events, scheduled=(*events.scheduled, event)))

    def set_target_lifecycle_state(self, state: str) -> None:
        """Say where Auto Scaling wants the instance: `Terminated` means it is to go."""
        if state.removeprefix("Warmed:") not in (*LIFECYCLE_STATES, "Running", "Stopped"):
            raise ValueError(f"state {state!r}: should be one of {LIFECYCLE_STATES}")
        self._change(lambda events: replace(events, target_lifecycle_state=state))

    def withdraw(self) -> None:
        """Take back everything that was announced."""
        self._change(lambda _events: Events())

    @property
    def events(self) -> Events:
        """What has been announced so far."""
        with self._lock:
            return self._events

    def answer(self, path: str) -> str | None:
        """Give the text at a path as of now; None where there is nothing."""
        found = metadata_documents.documents(self.machine, self.events, self._credentials)
        return metadata_documents.lookup(found, path)

    # Session tokens.

    def issue_token(self, ttl_seconds: int) -> str:
        """Make a token that is valid for so many seconds from now."""
        token = base64.urlsafe_b64encode(secrets.token_bytes(40)).decode()
        with self._lock:
            self._tokens[token] = self._clock() + ttl_seconds
        return token

    def token_seconds(self, token: str | None) -> int | None:
        """Count the seconds a token has left; None where it is unknown or has expired."""
        with self._lock:
            left = self._tokens.get(token or "", 0.0) - self._clock()
        return int(left) if left > 0 else None

    def forget_tokens(self) -> None:
        """Make every token that was issued invalid, as when the service restarts."""
        with self._lock:
            self._tokens.clear()

    # Misbehaviour.

    def fail(self, fault: Fault) -> None:
        """Misbehave from now on; of several faults that meet a request the oldest comes first."""
        with self._lock:
            self._faults.append(fault)

    def behave(self) -> None:
        """Stop misbehaving."""
        with self._lock:
            self._faults.clear()

    def next_fault(self, path: str) -> Fault | None:
        """Take the fault that meets this request; None for a proper answer."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if not fnmatchcase(path, fault.path):
                    continue
                if fault.count == 1:
                    del self._faults[index]
                elif fault.count is not None:
                    self._faults[index] = replace(fault, count=fault.count - 1)
                return fault
        return None

    # What was asked.

    def record(self, method: str, path: str, status: int) -> None:
        """Keep a request for `requests`."""
        with self._lock:
            self._requests.append(Request(method, path, status, self._clock()))

    @property
    def requests(self) -> tuple[Request, ...]:
        """Every request so far, oldest first."""
        with self._lock:
            return tuple(self._requests)

    def _change(self, change: Callable[[Events], Events]) -> None:
        with self._lock:
            self._events = change(self._events)


def _from_now(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
