"""Where the plot is played on machines: the region, and what is seen of its instances by name."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal import plot
from rehearsal.chain import machines
from rehearsal.chain.machines import Journal
from rehearsal.ec2.region import Region
from rehearsal.observer import Observer, Tail

_GROUP = f"dxnn-{plot.JOB_ID}"
_LAUNCHED_WITHIN_SECONDS = 60
_SEATED_WITHIN_SECONDS = 30


@dataclass
class Stage:
    """A region and whoever observes it; logs go to `directory`."""

    here: Region
    directory: Path
    observer: Observer

    def __post_init__(self) -> None:
        self.instances: dict[str, str] = {}
        self._told: dict[str, int] = {}
        self.observer.also.append(self._look)

    def enter(self, name: str) -> str:
        """Wait for the group's next instance, follow it under a name, and give its id."""
        known = self.instances.values()
        self.observer.until(
            lambda: any(one not in known for one in self.members()),
            _LAUNCHED_WITHIN_SECONDS,
            f"instance {name}",
        )
        instance_id = next(one for one in self.members() if one not in known)
        self.instances[name] = instance_id
        self.observer.note(name, "launched", instance_id)
        self.observer.until(
            lambda: self._seated(instance_id), _SEATED_WITHIN_SECONDS, f"{instance_id}'s machine"
        )
        machine = self.here.machine(instance_id)
        journal = Journal(machine, plot.CONTAINER_NAME)
        self.observer.follow(name, Tail(lambda: machine.written(machines.LOG)), journal)
        return instance_id

    def group(self) -> dict[str, Any]:
        """Describe the job's Auto Scaling group."""
        told = self.here.client("autoscaling").describe_auto_scaling_groups(
            AutoScalingGroupNames=[_GROUP]
        )
        found: dict[str, Any] = told["AutoScalingGroups"][0]
        return found

    def members(self) -> list[str]:
        """List the ids of the instances in the job's group."""
        return [one["InstanceId"] for one in self.group()["Instances"]]

    def states(self, name: str) -> list[tuple[float, str]]:
        """List the states that an instance entered, with their times."""
        return [
            (one.at, one.state)
            for one in self.here.changes
            if one.instance_id == self.instances.get(name)
        ]

    def is_down(self, name: str) -> bool:
        """Whether an instance has been terminated."""
        return any(state == "terminated" for _, state in self.states(name))

    def collect(self) -> None:
        """Copy what the machines printed and wrote to the directory, also after a failure."""
        for name, instance_id in self.instances.items():
            if not self._seated(instance_id):
                continue
            machine = self.here.machine(instance_id)
            target = self.directory / name
            target.mkdir()
            shutil.copy2(machine.console, target)
            machine.keep(machines.KEPT)
            for path in machines.KEPT:
                source = machine.written(path)
                if source.exists():
                    (target / path).parent.mkdir(parents=True, exist_ok=True)
                    (shutil.copytree if source.is_dir() else shutil.copy2)(source, target / path)

    def _seated(self, instance_id: str) -> bool:
        try:
            self.here.machine(instance_id)
        except KeyError:
            return False
        return True

    def _look(self) -> None:
        for name, instance_id in list(self.instances.items()):
            states = self.states(name)
            for _, state in states[self._told.get(name, 0) :]:
                self._tell(name, state)
            self._told[name] = len(states)
            if self._seated(instance_id):
                lines = self.here.machine(instance_id).lines()
                self.observer.doing[name] = lines[-1] if lines else "boots"

    def _tell(self, name: str, state: str) -> None:
        if state == "terminated":
            described = self.here.client("ec2").describe_instances(
                InstanceIds=[self.instances[name]]
            )["Reservations"][0]["Instances"][0]
            code = described["StateReason"]["Code"]
            word = "reclaimed" if code == machines.RECLAIMED else "down"
            self.observer.note(name, word, f"terminated: {code}")
        elif state != "pending":
            self.observer.note(name, state)
