"""One machine: systemd-nspawn boots a disk, and what it prints on its console lies in a file.

Needs root and a network made by `network.own_network`.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from rehearsal.ec2 import base_image, cgroups, layers, network

_REBOOT = 133  # how systemd-nspawn ends with --keep-unit when the machine wants to boot again
_POWER_OFF = signal.SIGRTMIN + 4  # what systemd as the first process takes for `poweroff`
_LOOK_SECONDS = 0.5
_KEPT = "kept"
_REBOOT_SIGNAL = signal.SIGRTMIN + 5  # and for `reboot`
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]|[\r\0]")


@dataclass(frozen=True)
class Hardware:
    """What a machine is given by whoever boots it, as on EC2 by EC2.

    `seed` is the directory with `user-data` and `meta-data` for cloud-init, `environment` what
    every service in the machine sees, `binds` maps paths in the machine to directories of the host
    that it may read.
    """

    name: str  # at most 12 characters: the kernel wants interface names short
    directory: Path
    address: str
    seed: Path
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    binds: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    mark: str | None = None  # NAME=VALUE in the environment of the processes on the host


class Machine:
    """A machine that is on or off; its disk keeps what was written until it is removed."""

    def __init__(self, hardware: Hardware, disk: layers.Layers) -> None:
        """Describe a machine that is off, with a disk that starts as these layers."""
        self.hardware = hardware
        self.disk = disk
        self.console = hardware.directory / "console.log"
        self._group = (
            cgroups.own() / f"dxnn-{hardware.directory.parent.parent.name}-{hardware.name}"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Switch the machine on. Raises RehearsalError where its disk can't be mounted."""
        root = layers.mount(self.disk, self.hardware.directory)
        self._group.mkdir(exist_ok=True)
        with self.console.open("ab") as console:
            self._process = subprocess.Popen(
                [
                    *[sys.executable, "-I", cgroups.__file__, str(self._group)],
                    *_nspawn(self.hardware, root),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=_environment(self.hardware.mark),
                start_new_session=True,  # Ctrl-C in a terminal is not the machine's
            )

    @property
    def on(self) -> bool:
        """Whether the machine runs; one that wants to reboot is booted again here."""
        if self._process is None:
            return False
        code = self._process.poll()
        if code is None:
            return True
        self._process = None
        cgroups.kill(self._group)
        cgroups.remove(self._group)
        if code == _REBOOT:
            self.boot()
            return True
        return False

    @property
    def listens(self) -> bool:
        """Whether something answers on the port of SSH."""
        try:
            socket.create_connection((self.hardware.address, 22), timeout=0.2).close()
        except OSError:
            return False
        return True

    def power_off(self) -> None:
        """Press the power button: the machine shuts itself down, and may take its time."""
        if (leader := self.leader) is not None:
            os.kill(leader, _POWER_OFF)

    def reboot(self) -> None:
        """Have the machine shut down and boot again, as `reboot` in it does."""
        if (leader := self.leader) is not None:
            os.kill(leader, _REBOOT_SIGNAL)

    def cut(self) -> None:
        """Cut the power: nothing in the machine runs any more when this returns."""
        if self._process is not None:
            cgroups.kill(self._group)
            self._process.kill()
            self._process.wait()
            self._process = None
            cgroups.remove(self._group)

    def freeze(self, layer: Path) -> layers.Layers:
        """Make an image of the disk of a machine that is off; the disk goes on above it."""
        self.disk = (layers.freeze(self.hardware.directory, layer), *self.disk)
        return self.disk

    def unplug(self) -> None:
        """Cut the power and unmount the disk."""
        self.cut()
        layers.unmount(self.hardware.directory)

    def keep(self, paths: Sequence[str]) -> None:
        """Copy what the machine wrote to these paths to where it stays when the disk is removed."""
        making, kept = (self.hardware.directory / name for name in ("keeping", _KEPT))
        if kept.exists():
            return
        for path in paths:
            source, target = self.hardware.directory / "upper" / path, making / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True)
            elif source.exists():
                shutil.copy2(source, target)
        if making.exists():
            making.rename(kept)

    def written(self, path: str) -> Path:
        """Say where on the host lies what the machine wrote to a path, such as var/log/syslog.

        There may be nothing. Once the machine is removed, only what was kept is found.
        """
        kept = self.hardware.directory / _KEPT
        return (kept if kept.exists() else self.hardware.directory / "upper") / path

    @property
    def leader(self) -> int | None:
        """The number, on the host, of the machine's first process."""
        if self._process is None:
            return None
        number = self._process.pid
        try:
            children = Path(f"/proc/{number}/task/{number}/children").read_text(encoding="ascii")
        except OSError:
            return None
        return int(children.split()[0]) if children.split() else None

    def run(self, command: Sequence[str], seconds: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine as root, outside of its services, and give what it printed.

        Ends with -9 where the machine goes off meanwhile. Raises subprocess.TimeoutExpired, and
        RuntimeError where the machine is off.
        """
        leader = self.leader
        if leader is None:
            raise RuntimeError(f"{self.hardware.name} is off")
        deadline = time.monotonic() + seconds
        with subprocess.Popen(
            ["nsenter", f"--target={leader}", "--all", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        ) as inside:
            while True:
                try:
                    told, complaint = inside.communicate(timeout=_LOOK_SECONDS)
                except subprocess.TimeoutExpired:
                    late = time.monotonic() >= deadline
                    if late or _stopped(inside.pid):
                        inside.kill()
                    if late:
                        raise
                else:
                    return subprocess.CompletedProcess(command, inside.returncode, told, complaint)

    def lines(self) -> list[str]:
        """Give what the machine has printed on its console, line by line, without colours."""
        try:
            text = self.console.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        return [line.rstrip() for line in _ESCAPES.sub("", text).split("\n") if line.strip()]


def wait_off(machine: Machine, seconds: float) -> bool:
    """Wait until a machine is off, at most so long; tell whether it is."""
    deadline = time.monotonic() + seconds
    while machine.on:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True


def _stopped(process: int) -> bool:
    """Whether a process is stopped.

    systemd stops whatever is left in a machine that goes off before it kills it. nsenter stops
    itself along with its command, stays so, and keeps the machine from going.
    """
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "T"


def _nspawn(hardware: Hardware, root: Path) -> list[str]:
    """Write the command that boots a disk, and the files that it mounts into the machine."""
    given = hardware.directory / "given"
    given.mkdir(exist_ok=True)
    (given / "network").write_text(network.machine_network(hardware.address), encoding="utf-8")
    words = " ".join(f'"{name}={value}"' for name, value in sorted(hardware.environment.items()))
    (given / "manager").write_text(f"[Manager]\nDefaultEnvironment={words}\n", encoding="utf-8")
    for one in given.iterdir():
        one.chmod(0o644)
    binds = {
        "/run/systemd/network/10-host0.network": given / "network",
        "/run/systemd/system.conf.d/rehearsal.conf": given / "manager",
        "/var/lib/cloud/seed/nocloud": hardware.seed,
        **hardware.binds,
    }
    return [
        *["systemd-nspawn", "--quiet", "--boot", "--directory", str(root)],
        *["--machine", hardware.name, "--register=no", "--keep-unit", "--link-journal=no"],
        *["--network-veth", f"--network-bridge={network.BRIDGE}"],
        *["--resolv-conf=off", "--timezone=off", "--console=read-only"],
        *[f"--bind-ro={source}:{target}" for target, source in binds.items()],
    ]


def _environment(mark: str | None) -> dict[str, str]:
    own = {"PATH": os.environ.get("PATH", os.defpath)}
    return own | base_image.NSPAWN | (dict([mark.split("=", 1)]) if mark else {})
