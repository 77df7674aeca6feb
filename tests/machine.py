"""A machine for the agent: a directory with all its paths, and its commands as subprocesses."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal.metadata_service import MetadataService
from rehearsal.metadata_state import Metadata
from tests.agent_log import Event, read_log
from tests.processes import kill, processes_with
from tests.programs import dumps, exits, python
from tests.s3_servers import S3Server
from tests.waiting import wait_until

AGENT = str(Path(sys.executable).with_name("dxnn-agent"))


NewMachine = Callable[..., "Machine"]


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Started:
    """A command that runs in the background."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def result(self, seconds: float = 90) -> Result:
        """Wait for the end of the command; no command may ever show a traceback."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            said = self.err.read_text()[-3000:]
            raise AssertionError(f"still running after {seconds:g} s; stderr:\n{said}") from None
        result = Result(code, self.out.read_text(), self.err.read_text())
        assert "Traceback" not in result.out + result.err, result.out + result.err
        return result

    def kill(self) -> None:
        """Kill the command's own process with SIGKILL, and nothing else."""
        self.process.kill()
        self.process.wait()


@dataclass
class Machine:
    """One machine; `settings` is what its dxnn.toml says, `environment` what its commands see."""

    root: Path
    metadata: Metadata
    settings: dict[str, object]
    environment: dict[str, str]
    _commands: int = field(default=0)

    @property
    def trainer_directory(self) -> Path:
        return self.root / "trainer"

    @property
    def checkpoint_dir(self) -> Path:
        return self.root / "checkpoints"

    @property
    def state_dir(self) -> Path:
        return self.root / "state"

    @property
    def log_file(self) -> Path:
        return self.root / "dxnn-run.log"

    @property
    def lock_file(self) -> Path:
        return self.root / "finalize.lock"

    def configure(self, **changes: object) -> None:
        """Change settings; None takes one out of the file."""
        self.settings |= changes
        # Strings, numbers, booleans and lists of strings are written alike in JSON and in TOML.
        lines = [f"{k} = {json.dumps(v)}\n" for k, v in self.settings.items() if v is not None]
        (self.root / "dxnn.toml").write_text("".join(lines))

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> Started:
        """Start `dxnn-agent ARGUMENTS` in a session of its own."""
        self._commands += 1
        output = self.root / "output"
        output.mkdir(exist_ok=True)
        out, err = (output / f"{self._commands}-{arguments[0]}.{name}" for name in ("out", "err"))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                [AGENT, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=self.root,
                env=self.environment | dict(env or {}),
                start_new_session=True,
            )
        return Started(process, out, err)

    def agent(
        self, *arguments: str, env: Mapping[str, str] | None = None, seconds: float = 90
    ) -> Result:
        """Run `dxnn-agent ARGUMENTS` to its end."""
        return self.start(*arguments, env=env).result(seconds)

    def events(self, state: str | None = None) -> list[Event]:
        """Return the events in the log, all of them or those of one state."""
        return [e for e in read_log(self.log_file) if state is None or e.state == state]

    def states(self) -> list[str]:
        return [event.state for event in self.events()]

    def wait_for(self, state: str, seconds: float = 30) -> Event:
        """Wait until the log says `state` and return its first event."""
        return wait_until(lambda: self.events(state), f"{state} in the log", seconds)[0]

    def poweroffs(self) -> int:
        """How often the machine was powered off."""
        marks = self.root / "poweroffs"
        return len(marks.read_text().splitlines()) if marks.exists() else 0

    def trainer_pid(self, seconds: float = 30) -> int:
        """Wait until the trainer is ready and the log says so; return its process id."""
        ready = self.trainer_directory / "trainer.pid"

        def told() -> list[str]:
            pid = ready.read_text() if ready.exists() else ""
            started = [event.values.get("pid") for event in self.events("RUN_START")]
            return [pid] if pid in started else []

        return int(wait_until(told, "the trainer to be ready", seconds)[0])

    def write_artifact(self, name: str, content: bytes) -> None:
        path = self.trainer_directory / "benchmarks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def files(self) -> dict[str, bytes]:
        """Return every file of the machine but what its commands printed."""
        found = (path for path in self.root.rglob("*") if path.is_file())
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in found
            if path.parent.name != "output"
        }

    def snapshot(self) -> Path:
        """Keep the machine's disk as it is now."""
        copy = self.root.with_name(f"{self.root.name}-snapshot")
        shutil.copytree(self.root, copy, symlinks=True)
        return copy

    def rewind(self, snapshot: Path) -> None:
        """Put the machine's disk back to what it was."""
        shutil.rmtree(self.root)
        shutil.copytree(snapshot, self.root, symlinks=True)

    def end(self) -> None:
        """Kill what still runs."""
        while left := processes_with(f"TEST_MACHINE={self.root}"):
            for pid in left:
                kill(pid, signal.SIGKILL)


def new_machine(
    root: Path,
    server: S3Server,
    s3_endpoint: str,
    bucket: str,
    metadata: tuple[MetadataService, Metadata],
) -> Machine:
    """Make a machine below `root` that reaches S3 and its metadata service at the given places."""
    service, described = metadata
    root.mkdir(parents=True)
    home = root / "home"
    home.mkdir()
    mark = """
        import sys, time
        with open(sys.argv[1], "a") as marks:
            marks.write(f"{time.time()}\\n")
        """
    machine = Machine(
        root,
        described,
        settings={
            "s3_bucket": bucket,
            "job_id": "xor",
            "container_name": "dxnn-app",
            "poll_interval_seconds": 0.2,
            "trainer_command": exits(0),
            "trainer_directory": str(root / "trainer"),
            "checkpoint_command": dumps(),
            "checkpoint_dir": str(root / "checkpoints"),
            "state_dir": str(root / "state"),
            "log_file": str(root / "dxnn-run.log"),
            "lock_file": str(root / "finalize.lock"),
            "erlang_cookie_file": str(root / "erlang.cookie"),
            "poweroff_command": python(mark, str(root / "poweroffs")),
        },
        environment={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "TMPDIR": str(home),
            "LANG": "C.UTF-8",
            "TEST_MACHINE": str(root),
            "AWS_ENDPOINT_URL_S3": s3_endpoint,
            "AWS_ENDPOINT_URL_AUTO_SCALING": s3_endpoint,
            "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": service.endpoint,
        },
    )
    machine.trainer_directory.mkdir()
    machine.configure()
    return machine


def copy_disk(machine: Machine, other: Machine) -> None:
    """Let another machine believe to be in the middle of the same run."""
    for directory in (machine.state_dir, machine.checkpoint_dir, machine.trainer_directory):
        copy = other.root / directory.relative_to(machine.root)
        shutil.copytree(directory, copy, symlinks=True, dirs_exist_ok=True)
    shutil.copy2(machine.log_file, other.log_file)
