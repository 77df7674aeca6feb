"""Makes what runs on this machine what EC2 says should run, again and again."""

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rehearsal.ec2 import api, cleanup, decisions, seed
from rehearsal.ec2.decisions import Action, Actual, Wanted
from rehearsal.ec2.layers import Layers
from rehearsal.ec2.machine import Hardware, Machine
from rehearsal.errors import RehearsalError
from rehearsal.metadata_documents import Credentials
from rehearsal.metadata_documents import Machine as Described
from rehearsal.metadata_state import NOTICE_SECONDS, Metadata

_PAUSE_SECONDS = 0.1
_PRESS_AGAIN_SECONDS = 5.0  # a machine that is only just booting does not hear the first
_NAME_CHARACTERS = 12


@dataclass(frozen=True)
class Surroundings:
    """What every machine of a rehearsal is given; see `machine.Hardware`."""

    directory: Path
    environment: Mapping[str, str]
    binds: Mapping[str, Path]
    power_off_seconds: float = decisions.POWER_OFF_SECONDS
    kept: Sequence[str] = ()


@dataclass(frozen=True)
class Change:
    """An instance that entered a state of EC2's, as of a moment of `time.time()`."""

    at: float
    instance_id: str
    state: str


@dataclass
class Seat:
    """An instance's machine and metadata, and what is known of the machine beside."""

    machine: Machine
    metadata: Metadata
    address: str
    power: decisions.Power = "off"
    booted_at: float = 0.0
    pressed_at: float | None = None
    heard_at: float = 0.0
    reclaim_at: float | None = None
    removed: bool = False


@dataclass
class Reconciler:
    """Every instance's machine. Public methods may be called from any thread."""

    surroundings: Surroundings
    images: dict[str, Layers] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    _seats: dict[str, Seat] = field(default_factory=dict)
    _states: dict[str, str] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def seat(self, instance_id: str) -> Seat:
        """Find an instance's seat, also after it was removed. Raises KeyError."""
        return self._seats[instance_id]

    def whose(self, address: str) -> Metadata | None:
        """Find the metadata of the machine that has an address."""
        for seat in list(self._seats.values()):
            if seat.address == address and not seat.removed:
                return seat.metadata
        return None

    def cut(self, instance_id: str) -> None:
        """Take the instance as EC2 may: the power is gone, and nobody was told."""
        with self._lock:
            seat = self._seats[instance_id]
            seat.machine.cut()
            seat.power = "ended"
            api.ask("happened", {"what": "reclaimed", "id": instance_id})

    def interrupt(self, instance_id: str, in_seconds: float = NOTICE_SECONDS) -> datetime:
        """Give a Spot notice, and take the instance at its time if it still runs then."""
        with self._lock:
            seat = self._seats[instance_id]
            seat.reclaim_at = time.monotonic() + in_seconds
            return seat.metadata.notice(in_seconds)

    def unplug_all(self) -> None:
        """Cut the power of every machine and unmount its disk."""
        with self._lock:
            for seat in self._seats.values():
                if not seat.removed:
                    seat.machine.unplug()

    def step(self) -> None:
        """Look once at what EC2 says and at every machine, and do what is due next."""
        with self._lock:
            wanted = api.ask("wanted")
            self._copy_images(wanted["images"])
            due = {one["instance"]: one["id"] for one in wanted["images"] if one["instance"]}
            for told in wanted["instances"]:
                self._note(told["id"], told["state"])
                self._settle(told, due.get(told["id"]))

    def _note(self, instance_id: str, state: str) -> None:
        if self._states.get(instance_id) != state:
            self._states[instance_id] = state
            self.changes.append(Change(time.time(), instance_id, state))

    def _settle(self, told: Mapping[str, Any], image_due: str | None) -> None:
        instance_id = told["id"]
        seat = self._seats.get(instance_id)
        if seat and seat.removed:
            return
        if seat and seat.reclaim_at is not None and time.monotonic() >= seat.reclaim_at:
            seat.reclaim_at = None
            if seat.machine.on:
                self.cut(instance_id)
                return
        if seat and told.get("let_go") and seat.metadata.events.target_lifecycle_state:
            seat.metadata.set_target_lifecycle_state("Terminated")
        wanted = Wanted(told["state"], image_due is not None, told.get("reboot", False))
        actual = _actual(seat, wanted) if seat else None
        action = decisions.decide(wanted, actual, self.surroundings.power_off_seconds)
        if action is None:
            return
        if seat is None:
            if action == "boot":
                self._take_seat(told)
            elif action in {"say_off", "remove"}:
                what = {"say_off": "off", "remove": "removed"}[action]
                api.ask("happened", {"what": what, "id": instance_id})
            return
        self._do(action, instance_id, seat, image_due)

    def _do(self, action: Action, instance_id: str, seat: Seat, image_due: str | None) -> None:
        match action:
            case "say_up":
                self._say("up", instance_id)
                self._note(instance_id, "running")
            case "say_off":
                self._say("off", instance_id)
                seat.power = "off"
            case "reboot":
                seat.machine.reboot()
                self._say("rebooted", instance_id)
            case "freeze" if image_due is not None:
                layer = self.surroundings.directory / "images" / image_due
                self.images[image_due] = seat.machine.freeze(layer)
                seat.power = "off"
                self._say("frozen", image_due)
            case "remove" | "forget":
                self._remove(seat)
                if action == "remove":
                    self._say("removed", instance_id)
            case _:
                _switch(action, seat)

    def _say(self, what: str, identity: str) -> None:
        api.ask("happened", {"what": what, "id": identity})

    def _take_seat(self, told: Mapping[str, Any]) -> None:
        if told["image"] not in self.images:
            raise RehearsalError(f"{told['id']} can't boot: {told['image']} has no disk here")
        name = told["id"][:_NAME_CHARACTERS]
        directory = self.surroundings.directory / "machines" / name
        described = Described(
            instance_id=told["id"],
            instance_type=told["type"],
            image_id=told["image"],
            region=told["region"],
            availability_zone=told["zone"],
            account_id=told["account"],
            local_ipv4=told["address"],
            role=told["role"],
            tags=told["tags"],
            user_data=told["user_data"],
        )
        metadata = Metadata(described, credentials=_credentials(told))
        if "aws:autoscaling:groupName" in told["tags"]:
            metadata.set_target_lifecycle_state("InService")
        hardware = Hardware(
            name=name,
            directory=directory,
            address=told["address"],
            seed=seed.write(directory / "seed", described, told["key"]),
            environment={**self.surroundings.environment, "AWS_REGION": told["region"]},
            binds=self.surroundings.binds,
            mark=cleanup.mark(self.surroundings.directory),
        )
        machine = Machine(hardware, self.images[told["image"]])
        self._seats[told["id"]] = Seat(machine, metadata, told["address"])

    def _remove(self, seat: Seat) -> None:
        seat.machine.unplug()
        seat.machine.keep(self.surroundings.kept)
        cleanup.forget(seat.machine.hardware.name)
        for name in ("upper", "work", "root", "seed", "given"):  # what it printed stays
            shutil.rmtree(seat.machine.hardware.directory / name, ignore_errors=True)
        seat.removed, seat.power = True, "off"

    def _copy_images(self, images: Sequence[Mapping[str, Any]]) -> None:
        for one in images:
            if one["source"] in self.images:
                self.images[one["id"]] = self.images[one["source"]]
                self._say("frozen", one["id"])


class Loop:
    """Steps of a reconciler in a thread of its own, until it is closed or one of them fails."""

    def __init__(self, reconciler: Reconciler) -> None:
        """Begin at once."""
        self.failure: Exception | None = None
        self._reconciler = reconciler
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop stepping."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._closing.wait(_PAUSE_SECONDS):
                self._reconciler.step()
        except Exception as error:  # noqa: BLE001 - whoever owns the loop raises it
            self.failure = error


@contextlib.contextmanager
def reconciling(reconciler: Reconciler) -> Iterator[Loop]:
    """Reconcile while the block lasts, then cut off every machine. Raises what went wrong."""
    loop = Loop(reconciler)
    try:
        yield loop
    finally:
        loop.close()
        reconciler.unplug_all()
    if loop.failure is not None:
        raise loop.failure


def _switch(action: Action, seat: Seat) -> None:
    """Boot a machine, press its power button or cut its power."""
    now = time.monotonic()
    if action == "boot":
        seat.machine.boot()
        seat.power, seat.booted_at, seat.pressed_at = "on", now, None
    elif action == "cut":
        seat.machine.cut()
        seat.power = "ended"
    elif action == "power_off":
        if seat.pressed_at is None or now - seat.heard_at >= _PRESS_AGAIN_SECONDS:
            seat.machine.power_off()
            seat.heard_at = now
        seat.pressed_at = seat.pressed_at or now


def _actual(seat: Seat, wanted: Wanted) -> Actual:
    if seat.power == "on" and not seat.machine.on:
        seat.power = "ended"
    now = time.monotonic()
    return Actual(
        power=seat.power,
        listens=wanted.state == "pending" and seat.power == "on" and seat.machine.listens,
        booted_seconds=now - seat.booted_at,
        pressed_seconds=None if seat.pressed_at is None else now - seat.pressed_at,
    )


def _credentials(told: Mapping[str, Any]) -> Credentials | None:
    if told["role"] is None:
        return None
    issued = api.ask("credentials", {"id": told["id"]})
    return Credentials(**issued, issued_at=datetime.now(UTC))
