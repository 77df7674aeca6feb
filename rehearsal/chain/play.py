"""The plot on machines: the real Packer, the unchanged Terraform modules, instances that boot."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from rehearsal import evidence, plot, terraform_module
from rehearsal.chain import leftovers, machines, rules
from rehearsal.chain.stage import Stage
from rehearsal.cloud import BUCKET
from rehearsal.ec2 import api, bake, base_image, cleanup
from rehearsal.ec2.region import region
from rehearsal.errors import RehearsalError
from rehearsal.evidence import Evidence
from rehearsal.observer import Observer
from rehearsal.plot import Played
from rehearsal.terraform_module import CHECKOUT, Module
from rehearsal.trainers import Trainer
from rehearsal.verdict import Verdict, verdict

PACKER, TERRAFORM = "packer", "terraform"

_LAUNCHER = "/opt/dxnn-agent/erlang/bin/dxnn-train"
_PROGRAMS = ("packer", "debootstrap", "systemd-nspawn", "journalctl", "ip")
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
        stage = Stage(here, directory, observer)
        try:
            found, verdicts = _play(trainer, stage)
        finally:
            stage.collect()
        mark = here.directory.name
    left = leftovers.on_this_machine(mark)
    verdicts.append(verdict("nothing is left on this machine", rules.nothing(left)))
    return Played(found, tuple(verdicts))


def _play(trainer: Trainer, stage: Stage) -> tuple[Evidence, list[Verdict]]:
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
        stalled_after_seconds=plot.STALLED_AFTER_SECONDS,
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


def _bake(trainer: Trainer, stage: Stage) -> str:
    variables = {}
    if trainer.copy:
        trainer.copy(stage.here.directory / "trainer")
        variables["dxnn"] = str(stage.here.directory / "trainer")
    stage.observer.note(PACKER, "runs", "packer build packer/")
    with _log(stage, PACKER) as show:
        image = bake.bake(stage.here, variables, show)
    stage.observer.note(PACKER, "done", image)
    return image


def _module(stage: Stage, source: Path, **variables: object) -> Module:
    directory = stage.here.directory / "terraform" / source.name
    added = dict([cleanup.mark(stage.here.directory).split("=", 1)])
    module = terraform_module.copy(source, directory, api.ENDPOINT, added)
    module.configure(**variables)
    return module


def _apply(stage: Stage, module: Module) -> None:
    _terraform(stage, module, "init")
    _terraform(stage, module, "apply", "-auto-approve")


def _terraform(stage: Stage, module: Module, verb: str, *arguments: str) -> None:
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
def _log(stage: Stage, name: str) -> Iterator[Callable[[str], None]]:
    """Give a function that shows a line as what a program does, and keeps it in its log."""
    with (stage.directory / f"{name}.log").open("a", encoding="utf-8") as log:

        def show(line: str) -> None:
            log.write(f"{line}\n")
            log.flush()
            if line.strip():
                stage.observer.doing[name] = line.strip()

        yield show
    stage.observer.doing.pop(name, None)
