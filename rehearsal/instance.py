"""An instance on this machine: a directory tree, a metadata service, and the agent's processes.

The processes are ordered as systemd orders them: `restore`, then `run` and `watch` together, and a
timer that calls `checkpoint`. They see nothing of the caller's environment, find their credentials
in their own metadata service, and carry a mark by which `poweroff` finds them and nothing else.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rehearsal import power
from rehearsal.cloud import BUCKET, REGION, Cloud
from rehearsal.errors import RehearsalError
from rehearsal.metadata_service import MetadataService
from rehearsal.metadata_state import NOTICE_SECONDS, Metadata

_AFTER_RUN_SECONDS = 15  # in which an instance goes down once its run is over


@dataclass(frozen=True)
class Tree:
    """The paths of one instance, laid out below `root` as on a real one below `/`."""

    root: Path

    @property
    def state_dir(self) -> Path:
        """Where the agent keeps how far the run has come."""
        return self.root / "var/lib/dxnn"

    @property
    def log_file(self) -> Path:
        """The run's log."""
        return self.root / "var/log/dxnn-run.log"

    @property
    def trainer_directory(self) -> Path:
        """The trainer's working directory."""
        return self.root / "opt/dxnn"

    @property
    def config(self) -> Path:
        """The agent's settings."""
        return self.root / "etc/dxnn/agent.toml"

    @property
    def poweroff_file(self) -> Path:
        """Where `poweroff` notes each time it was called."""
        return self.root / "run/poweroff"

    def journal(self, unit: str) -> Path:
        """Name the file of what a unit wrote to stdout and stderr."""
        return self.root / f"var/log/journal/{unit}.log"

    def settings(self, mark: str) -> dict[str, object]:
        """List the settings that follow from where the tree lies."""
        return {
            "trainer_directory": str(self.trainer_directory),
            "checkpoint_dir": str(self.state_dir / "checkpoints"),
            "state_dir": str(self.state_dir),
            "log_file": str(self.log_file),
            "lock_file": str(self.root / "var/lock/dxnn.finalize.lock"),
            "erlang_cookie_file": str(self.state_dir / ".erlang.cookie"),
            "poweroff_command": [*power.command("off"), mark, str(self.poweroff_file)],
        }

    def make(self) -> None:
        """Make the directories that an image has."""
        for path in (
            self.state_dir,
            self.root / "var/lock",
            self.root / "home",
            self.config.parent,
            self.poweroff_file.parent,
            self.journal("run").parent,
        ):
            path.mkdir(parents=True, exist_ok=True)


class Instance:
    """One instance from launch to power-off. Every method may be called from any thread."""

    def __init__(
        self, cloud: Cloud, tree: Tree, metadata: Metadata, service: MetadataService
    ) -> None:
        """Stand for a machine that has not booted yet; `launched` makes one."""
        self.machine = metadata.machine
        self.tree = tree
        self.mark = f"REHEARSAL_INSTANCE={self.machine.instance_id}"
        self.metadata = metadata
        self.reclaimed = False
        self.failure: str | None = None
        self._cloud = cloud
        self._service = service
        self._down = threading.Event()
        self._run_ended_at: float | None = None
        self._threads: list[threading.Thread] = []

    def boot(self, environment: Mapping[str, str], checkpoint_interval_seconds: float) -> None:
        """Start the instance's processes, with some variables added to their environment."""
        whole = self._environment() | dict(environment)
        self._begin(self._units, whole, checkpoint_interval_seconds)
        self._begin(self._wait_for_power_off)

    def notice(self, in_seconds: float = NOTICE_SECONDS) -> datetime:
        """Give a Spot notice, and take the instance when its time has come; say when that is."""
        moment = self.metadata.notice(in_seconds)
        self._service.after(in_seconds, self._reclaim)
        return moment

    @property
    def is_down(self) -> bool:
        """Whether the instance has powered itself off, or was taken, and EC2 shows it.

        Raises RehearsalError where it has failed instead, or stays up after its run.
        """
        if self._down.is_set():
            return True
        if self.failure:
            raise RehearsalError(self.failure)
        ended = self._run_ended_at
        if ended and time.monotonic() > ended + _AFTER_RUN_SECONDS and not self._told_off():
            raise RehearsalError(
                f"{self.machine.instance_id} is still up {_AFTER_RUN_SECONDS} s after its run"
            )
        return False

    @property
    def poweroffs(self) -> int:
        """How often the instance was told to power off."""
        with contextlib.suppress(FileNotFoundError):
            return len(self.tree.poweroff_file.read_text(encoding="utf-8").splitlines())
        return 0

    def processes(self) -> list[int]:
        """List the ids of the processes the instance still has."""
        return power.carriers(self.mark)

    def close(self) -> None:
        """End what the instance still runs."""
        self._down.set()
        while any(thread.is_alive() for thread in self._threads):
            power.end(self.mark)
            for thread in self._threads:
                thread.join(0.1)

    def _begin(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _units(self, environment: Mapping[str, str], interval: float) -> None:
        restored = self._start("restore", environment).wait()
        if self._down.is_set():
            return
        if restored != 0:
            self.failure = (
                f"{self._command('restore')} ended with {restored}: {self._last('restore')}"
            )
            return
        run = self._start("run", environment)
        watch = self._start("watch", environment)
        timer = threading.Thread(target=self._timer, args=(environment, interval), daemon=True)
        timer.start()
        run.wait()
        self._run_ended_at = time.monotonic()
        watch.wait()
        timer.join()

    def _timer(self, environment: Mapping[str, str], interval: float) -> None:
        due = time.monotonic() + interval
        while interval > 0 and not self._down.wait(max(0.0, due - time.monotonic())):
            if self._run_ended_at:
                return
            due += interval
            self._start("checkpoint", environment, "--reason", "periodic").wait()

    def _start(
        self, unit: str, environment: Mapping[str, str], *options: str
    ) -> subprocess.Popen[bytes]:
        with self.tree.journal(unit).open("ab") as journal:
            return subprocess.Popen(
                [*agent(), unit, "--config", str(self.tree.config), *options],
                cwd=self.tree.root,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=journal,
                stderr=journal,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self.tree.root / "home"),
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self._cloud.endpoint,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self._service.endpoint,
            "AWS_EC2_METADATA_V1_DISABLED": "true",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(_free_port()),
            **dict([self.mark.split("=", 1)]),
        }

    def _wait_for_power_off(self) -> None:
        while not self._down.wait(0.1):
            if self._told_off() and not self.processes():
                self._cloud.powered_off(self.machine.instance_id)
                self._down.set()

    def _told_off(self) -> bool:
        return self.tree.poweroff_file.exists()

    def _reclaim(self) -> None:
        if not self._down.is_set():
            self.reclaimed = True
            power.end(self.mark, grace_seconds=0)
            self._cloud.reclaim(self.machine.instance_id)
            self._down.set()

    def _command(self, unit: str) -> str:
        return f"dxnn-agent {unit} on {self.machine.instance_id}"

    def _last(self, unit: str) -> str:
        lines = self.tree.journal(unit).read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"


@contextlib.contextmanager
def launched(
    cloud: Cloud, root: Path, name: str, image: Path, settings: Mapping[str, object]
) -> Iterator[Instance]:
    """Launch an instance that has not booted yet, and end its processes when the block is left.

    `image` is the trainer's directory as the image would hold it; `settings` are the agent's,
    beside those that follow from the instance's tree.
    """
    tree = Tree(root)
    tree.make()
    shutil.copytree(image, tree.trainer_directory, symlinks=True)
    metadata = Metadata(cloud.launch(name))
    with MetadataService(lambda _address: metadata) as service:
        instance = Instance(cloud, tree, metadata, service)
        whole = {"s3_bucket": BUCKET, **settings, **tree.settings(instance.mark)}
        tree.config.write_text(_toml(whole), encoding="utf-8")
        with power.guarded(instance.mark), contextlib.closing(instance):
            yield instance


def agent() -> list[str]:
    """Find the agent's command: beside this Python, else on the path. Raises RehearsalError."""
    beside = Path(sys.executable).with_name("dxnn-agent")
    found = str(beside) if beside.exists() else shutil.which("dxnn-agent")
    if not found:
        raise RehearsalError(
            f"dxnn-agent is not installed beside {sys.executable}: pip install --editable agent"
        )
    return [found]


def _toml(settings: Mapping[str, object]) -> str:
    # JSON's strings, numbers, booleans and lists are TOML's too.
    return "".join(
        f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in settings.items()
    )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
