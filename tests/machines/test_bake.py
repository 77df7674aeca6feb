"""The real Packer bakes an image here from the files of `packer/`, and the image boots."""

import json

from rehearsal.ec2.region import Region
from tests.machines.instances import answers, launch, output
from tests.waiting import wait_until


def test_the_baked_image_boots_with_the_agent(region: Region, image: str) -> None:
    machine = region.machine(launch(region, image=image))
    wait_until(lambda: answers(machine), "systemd")
    assert output(machine, "dxnn-agent", "--version").startswith("dxnn-agent ")
    assert output(machine, "systemctl", "is-enabled", "dxnn-run.service") == "enabled"
    environment = "/etc/dxnn/trainer.env"
    assert output(machine, "stat", "-c", "%U:%G %a %s", environment) == "root:dxnn-agent 640 0"
    trainer = json.loads(output(machine, "cat", "/opt/dxnn-agent/trainer.json"))
    assert trainer == {"trainer": "xor", "ref": None, "commit": None}


def test_nothing_but_the_agent_works_at_moments_of_its_own(region: Region, image: str) -> None:
    """Debian's own upgrades would take what a training needs, and install what was not tried."""
    machine = region.machine(launch(region, image=image))
    reached = ["systemctl", "is-active", "--quiet", "timers.target"]
    wait_until(lambda: answers(machine) and machine.run(reached).returncode == 0, "its timers")
    timers = output(machine, "systemctl", "list-timers", "--plain", "--no-legend")
    names = {word for word in timers.split() if word.endswith(".timer")}
    assert names == {"dxnn-finalize.timer", "systemd-tmpfiles-clean.timer"}
    for name in ("apt-daily.service", "unattended-upgrades.service"):
        assert output(machine, "systemctl", "show", "--property=LoadState", name) == (
            "LoadState=masked"
        )


def test_the_image_holds_no_identity(region: Region, image: str) -> None:
    machines = [region.machine(launch(region, image=image)) for _ in range(2)]
    for machine in machines:
        wait_until(lambda: answers(machine), "systemd")  # noqa: B023 - called at once
    for path in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub"):
        assert len({output(machine, "cat", path) for machine in machines}) == 2, path
