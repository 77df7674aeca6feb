"""The plot on machines: the real Packer, the unchanged Terraform modules, instances that boot."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal import evidence, plot, terraform_module
from rehearsal.chain import leftovers, machines, rules
from rehearsal.chain.machines import Journal
from rehearsal.cloud import BUCKET
from rehearsal.ec2 import api, bake, base_image, cleanup
from rehearsal.ec2.region import Region, region
from rehearsal.errors import RehearsalError
from rehearsal.evidence import Evidence
from rehearsal.observer import Observer, Tail
from rehearsal.plot import Played
from rehearsal.terraform_module import CHECKOUT, Module
from rehearsal.trainers import Trainer
from rehearsal.verdict import Verdict, verdict

PACKER, TERRAFORM = "packer", "terraform"

_LAUNCHER = "/opt/dxnn-agent/erlang/bin/dxnn-train"
_GROUP = f"dxnn-{plot.JOB_ID}"
_PROGRAMS = ("packer", "debootstrap", "systemd-nspawn", "journalctl", "ip")
_LAUNCHED_WITHIN_SECONDS = 60
_SET_TO_ZERO_WITHIN_SECONDS = 10


def check_host() -> None:
    """Raise RehearsalError unless machines can be baked and booted here."""
    if os.geteuid() != 0:
        raise RehearsalError("booting machines needs root: sudo make rehearse")
    missing = [name for name in _PROGRAMS if not shutil.which(name)]
    if missing:
        raise RehearsalError(
            f"{', '.join(missing)} not found: Packer and booting machines need what "
            "`rehearsal/install-packages tests` installs on Debian 12"
        )


def play(trainer: Trainer, directory: Path, observer: Observer) -> Played:
    """Play the plot; the logs go to an empty directory. Raises RehearsalError where it can't be."""
    observer.doing[PACKER] = "what the image installs is fetched"
    binds = {base_image.PACKAGES: bake.host_packages()}
    del observer.doing[PACKER]
    with region(binds=binds, kept=machines.KEPT) as here:
        observer.note("", "region", f"EC2, Auto Scaling, IAM and S3 at {api.ENDPOINT}")
        stage = _Stage(here, directory, observer)
        try:
            found, verdicts = _play(trainer, stage)
        finally:
            stage.collect()
        mark = here.directory.name
    left = leftovers.on_this_machine(mark)
    verdicts.append(verdict("nothing is left on this machine", rules.nothing(left)))
    return Played(found, tuple(verdicts))


@dataclass
class _Stage:
    """Where the plot is played: the region, and what is seen of its instances by name."""

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
        self.observer.until(lambda: self._seated(instance_id), 30, f"{instance_id}'s machine")
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


def _play(trainer: Trainer, stage: _Stage) -> tuple[Evidence, list[Verdict]]:
    here, observer = stage.here, stage.observer
    bucket = _module(stage, CHECKOUT / "bootstrap", s3_bucket=BUCKET)
    _apply(stage, bucket)
    _bake(trainer, stage)
    deployment = _module(
        stage,
        CHECKOUT,
        s3_bucket=BUCKET,
        jobs={plot.JOB_ID: {}},
        container_name=plot.CONTAINER_NAME,
        checkpoint_interval_seconds=plot.CHECKPOINT_INTERVAL_SECONDS,
        environment=dict(trainer.environment),
        **trainer.settings_with(_LAUNCHER),
    )
    _apply(stage, deployment)
    first = stage.enter(plot.FIRST)
    plot.await_middle(trainer, observer, lambda: stage.is_down(plot.FIRST))
    observer.note_notice(plot.FIRST, here.interrupt(first))
    observer.until(
        lambda: stage.is_down(plot.FIRST),
        plot.DOWN_WITHIN_SECONDS,
        "the interrupted instance's end",
    )
    second = stage.enter(plot.SECOND)
    observer.until(
        lambda: stage.is_down(plot.SECOND), plot.COMPLETED_WITHIN_SECONDS, "the end of training"
    )
    with contextlib.suppress(RehearsalError):
        observer.until(
            lambda: not stage.members(), _SET_TO_ZERO_WITHIN_SECONDS, "the group without instance"
        )
    found = Evidence(
        objects=evidence.of_bucket(here.client("s3"), BUCKET),
        writes=evidence.writes(here.directory / "api.log", BUCKET),
        instances=tuple(
            machines.of_instance(here, name, instance_id, plot.CONTAINER_NAME)
            for name, instance_id in ((plot.FIRST, first), (plot.SECOND, second))
        ),
    )
    verdicts = plot.judge(trainer, found, machines.restored(here.machine(second)))
    verdicts += [
        verdict(
            "the second instance came when the first was gone",
            rules.succession(stage.states(plot.FIRST), stage.states(plot.SECOND)),
        ),
        verdict(
            "the completed job's group is at 0, and launches nothing", rules.at_zero(stage.group())
        ),
    ]
    _terraform(stage, deployment, "destroy", "-auto-approve")
    left = leftovers.in_cloud(here)
    verdicts.append(verdict("terraform destroy leaves bucket and image alone", rules.nothing(left)))
    return found, verdicts


def _bake(trainer: Trainer, stage: _Stage) -> str:
    variables = {}
    if trainer.copy:
        trainer.copy(stage.here.directory / "trainer")
        variables["dxnn"] = str(stage.here.directory / "trainer")
    stage.observer.note(PACKER, "runs", "packer build packer/")
    with _log(stage, PACKER) as show:
        image = bake.bake(stage.here, variables, show)
    stage.observer.note(PACKER, "done", image)
    return image


def _module(stage: _Stage, source: Path, **variables: object) -> Module:
    directory = stage.here.directory / "terraform" / source.name
    added = dict([cleanup.mark(stage.here.directory).split("=", 1)])
    module = terraform_module.copy(source, directory, api.ENDPOINT, added)
    module.configure(**variables)
    return module


def _apply(stage: _Stage, module: Module) -> None:
    _terraform(stage, module, "init")
    _terraform(stage, module, "apply", "-auto-approve")


def _terraform(stage: _Stage, module: Module, verb: str, *arguments: str) -> None:
    where = "" if module.directory.name == CHECKOUT.name else f"-chdir={module.directory.name} "
    stage.observer.note(TERRAFORM, "runs", f"terraform {where}{verb}")
    said: list[str] = []
    with _log(stage, TERRAFORM) as show:

        def hear(line: str) -> None:
            said.append(line)
            show(line)

        code = module.run(verb, *arguments, show=hear)
    if code != 0:
        errors = [line.strip("│ ") for line in said if "Error" in line] or [f"exit {code}"]
        raise RehearsalError(f"terraform {where}{verb} failed: {errors[0]}")
    done = next((line for line in said if "complete!" in line), "")
    if done:
        stage.observer.note(TERRAFORM, "done", done)


@contextlib.contextmanager
def _log(stage: _Stage, name: str) -> Iterator[Callable[[str], None]]:
    """Give a function that shows a line as what a program does, and keeps it in its log."""
    with (stage.directory / f"{name}.log").open("a", encoding="utf-8") as log:

        def show(line: str) -> None:
            log.write(f"{line}\n")
            log.flush()
            if line.strip():
                stage.observer.doing[name] = line.strip()

        yield show
    stage.observer.doing.pop(name, None)
