"""What is seen of an instance's machine: its run's log, what its trainer prints, what it leaves."""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from rehearsal import evidence
from rehearsal.ec2.machine import Machine
from rehearsal.ec2.region import Region
from rehearsal.evidence import InstanceEvidence

# What outlives a machine's disk.
JOURNAL = "var/log/journal"
LOG = "var/log/dxnn-run.log"
RESTORED = "var/lib/dxnn/restore"
KEPT = (JOURNAL, LOG, RESTORED)

RECLAIMED = "Server.SpotInstanceTermination"

_POWEROFF = "The agent asked for poweroff"  # what dxnn-poweroff.service says
_LOOK_AGAIN_SECONDS = 1.0


class Journal:
    """The lines that a machine's journal has gained under one identifier."""

    def __init__(self, machine: Machine, identifier: str) -> None:
        """Follow what has this identifier, which is the job's container_name."""
        self._machine = machine
        self._identifier = identifier
        self._seen = 0
        self._looked = 0.0

    def lines(self) -> list[str]:
        """Give the new lines; none where a second has not passed since it was looked."""
        if time.monotonic() - self._looked < _LOOK_AGAIN_SECONDS:
            return []
        self._looked = time.monotonic()
        found = output(self._machine, self._identifier)
        new, self._seen = found[self._seen :], len(found)
        return new


def output(machine: Machine, identifier: str) -> list[str]:
    """Read the lines of an identifier in a machine's journal, all of them."""
    directory = machine.written(JOURNAL)
    told = subprocess.run(
        [
            *("journalctl", f"--directory={directory}", f"--identifier={identifier}"),
            *("--output=cat", "--quiet", "--no-pager"),
        ],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    return told.stdout.splitlines()


def restored(machine: Machine) -> Path | None:
    """Find the dump that a machine restored."""
    return next(machine.written(RESTORED).glob("*.dmp"), None)


def of_instance(region: Region, name: str, instance_id: str, identifier: str) -> InstanceEvidence:
    """Gather what an instance left behind that has been terminated."""
    machine, metadata = region.machine(instance_id), region.metadata(instance_id)
    told = region.client("ec2").describe_instances(InstanceIds=[instance_id])
    described = told["Reservations"][0]["Instances"][0]
    return InstanceEvidence(
        name=name,
        instance_id=instance_id,
        ec2_state=described["State"]["Name"],
        reclaimed=described["StateReason"]["Code"] == RECLAIMED,
        poweroffs=_count(machine.lines(), _POWEROFF),
        processes=(machine.leader,) if machine.leader else (),
        credentials_fetched=evidence.credentials_fetched(metadata),
        log=evidence.text_of(machine.written(LOG)),
        output=tuple(evidence.output_lines(output(machine, identifier))),
        restored=evidence.dumps_in(machine.written(RESTORED)),
    )


def _count(lines: Sequence[str], what: str) -> int:
    return sum(line.endswith(what) for line in lines)
