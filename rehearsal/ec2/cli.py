"""The command that boots one machine, to try an image's scripts and units."""

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rehearsal.errors import RehearsalError

if TYPE_CHECKING:
    from rehearsal.ec2.machine import Machine
    from rehearsal.ec2.region import Region

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_UNUSABLE, _INTERRUPTED = 2, 130
_BASE = "debian-13"

_EXAMPLES = """Examples:

\b
  python -m rehearsal.ec2 --user-data settings.yaml
  python -m rehearsal.ec2 --bind $PWD:/src --package erlang-base --user-data bake.yaml --save baked
  python -m rehearsal.ec2 --layer baked --user-data settings.yaml"""


@app.command(epilog=_EXAMPLES)
def boot(
    user_data: Annotated[
        Path | None, typer.Option(help="User data for cloud-init.", exists=True)
    ] = None,
    layer: Annotated[
        list[Path] | None,
        typer.Option(help="A layer saved before, newest first, above the base tree.", exists=True),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Save what the machine wrote as a layer, once it is off.")
    ] = None,
    bind: Annotated[
        list[str] | None, typer.Option(help="HOST:MACHINE, a path that the machine may read.")
    ] = None,
    package: Annotated[
        list[str] | None, typer.Option(help="A Debian package that apt can install in it.")
    ] = None,
    requirements: Annotated[
        list[Path] | None, typer.Option(help="What pip can install in it.", exists=True)
    ] = None,
    environment: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE for every service in the machine.")
    ] = None,
) -> None:
    """Boot a Debian 13 machine and show its console until it powers itself off, or Ctrl-C.

    It reaches the metadata service and the APIs of AWS, served here, and nothing else. Needs root.
    """
    from rehearsal.ec2 import base_image, packages
    from rehearsal.ec2.region import region

    if save and save.exists():
        raise RehearsalError(f"{save} is there already: --save takes a new path")
    base = base_image.ensure()
    binds = {target: Path(source) for source, target in map(_pair, bind or ())}
    if package or requirements:
        found = packages.ensure(base, package or (), requirements or ())
        binds[base_image.PACKAGES] = found
    given = dict(one.split("=", 1) for one in environment or ())
    disk = (*(one.resolve() for one in layer or ()), base)
    with region(binds=binds, environment=given) as here:
        image = here.register(_BASE, disk)
        told = {"UserData": user_data.read_text(encoding="utf-8")} if user_data else {}
        ec2 = here.client("ec2")
        (launched,) = ec2.run_instances(
            ImageId=image, InstanceType="c7i.large", MinCount=1, MaxCount=1, **told
        )["Instances"]
        instance_id = launched["InstanceId"]
        with contextlib.suppress(KeyboardInterrupt):
            _follow(here, instance_id)
        ec2.stop_instances(InstanceIds=[instance_id])
        while _state(here, instance_id) != "stopped":
            time.sleep(0.1)
        if save:
            made = ec2.create_image(InstanceId=instance_id, Name="saved")["ImageId"]
            ec2.get_waiter("image_available").wait(ImageIds=[made], WaiterConfig={"Delay": 1})
            here.machine(instance_id).unplug()
            shutil.move(here.disk_of(made)[0], save)


def main() -> None:
    """Run the command; an error is one sentence on stderr."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except RehearsalError as error:
        print(f"rehearsal: {error}", file=sys.stderr)
        sys.exit(_UNUSABLE)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _pair(bind: str) -> tuple[str, str]:
    source, _, target = bind.partition(":")
    if not target.startswith("/"):
        raise RehearsalError(f"--bind {bind!r} should be HOST:MACHINE, with an absolute MACHINE")
    return source, target


def _state(here: "Region", instance_id: str) -> str:
    return [one.state for one in here.changes if one.instance_id == instance_id][-1]


def _follow(here: "Region", instance_id: str) -> None:
    """Show a machine's console until EC2 says that it does not run any more."""
    from rehearsal.metadata_control import MetadataControl

    while not any(one.instance_id == instance_id for one in here.changes):
        time.sleep(0.05)
    while (machine := _machine(here, instance_id)) is None or machine.leader is None:
        time.sleep(0.05)
    with MetadataControl(here.metadata(instance_id)) as control:
        _explain(machine, control.endpoint)
        seen = 0
        running = True
        while running:
            running = _state(here, instance_id) in {"pending", "running"}
            lines = machine.lines()
            for line in lines[seen:]:
                print(line, flush=True)
            seen = len(lines)
            time.sleep(0.1)


def _machine(here: "Region", instance_id: str) -> "Machine | None":
    try:
        return here.machine(instance_id)
    except KeyError:
        return None


def _explain(machine: "Machine", control: str) -> None:
    from rehearsal.ec2 import api

    network = f"nsenter --target={os.getpid()} --net"
    for what, command in (
        ("a shell in it", f"nsenter --target={machine.leader} --all -- /bin/bash -l"),
        ("a Spot notice", f"{network} curl -X POST {control}/notice"),
        ("AWS", f"{network} env AWS_ENDPOINT_URL={api.ENDPOINT} ..."),
        ("its disk", str(machine.hardware.directory / "root")),
    ):
        print(f"# {what}: {command}", file=sys.stderr, flush=True)
