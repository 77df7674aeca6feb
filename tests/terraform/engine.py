"""Terraform as a test runs it: one working directory, one command after the other."""

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.terraform_module import CHECKOUT, Module, copy

ROOT = CHECKOUT

_SECONDS = 240
# Most of an apply is waiting: for moto, and between the provider's looks at what it made.
_PLANNING = ("-input=false", "-parallelism=40")
_CHANGES = 2
"""The exit code by which `plan -detailed-exitcode` says that there is something to do."""


@dataclass(frozen=True)
class Terraform:
    """A working directory with a module in it."""

    directory: Path

    def configure(self, **variables: object) -> None:
        """Give the module's variables their values, instead of those they had."""
        Module(self.directory).configure(**variables)

    def configure_provider(self, **arguments: object) -> None:
        """Give the provider more arguments, or others."""
        file = self.directory / "provider.tf.json"
        written = json.loads(file.read_text(encoding="utf-8"))
        written["provider"]["aws"] |= arguments
        file.write_text(json.dumps(written), encoding="utf-8")

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever it ends with."""
        module = Module(self.directory)
        words = module.command(command, *arguments)
        with subprocess.Popen(
            words,
            cwd=ROOT,
            env=module.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                out, err = process.communicate(timeout=_SECONDS)
            finally:
                # With the provider, which is a process of its own.
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def init(self) -> None:
        self._succeed("init")

    def validate(self) -> None:
        self._succeed("validate")

    def apply(self) -> None:
        self._succeed("apply", "-auto-approve", *_PLANNING)

    def destroy(self) -> None:
        self._succeed("destroy", "-auto-approve", "-refresh=false", *_PLANNING)

    def differs(self) -> bool:
        """Whether the next apply would change anything."""
        ended = self.run("plan", "-detailed-exitcode", *_PLANNING)
        assert ended.returncode in {0, _CHANGES}, ended.stdout + ended.stderr
        return ended.returncode == _CHANGES

    def changes(self) -> dict[str, list[str]]:
        """Return what the next apply would do, address -> actions, leaving out what stays."""
        self._succeed("plan", "-out=plan", *_PLANNING)
        planned = json.loads(self._succeed("show", "-json", "plan"))
        changes = {
            each["address"]: each["change"]["actions"] for each in planned["resource_changes"]
        }
        return {address: actions for address, actions in changes.items() if actions != ["no-op"]}

    def refusal(self, command: str) -> str:
        """Return what a command says that should fail, in one line."""
        ended = self.run(command, *_PLANNING)
        assert ended.returncode == 1, ended.stdout
        return " ".join(ended.stderr.replace("│", " ").split())

    def outputs(self) -> dict[str, Any]:
        """Return the values of the outputs."""
        told = json.loads(self._succeed("output", "-json"))
        return {name: output["value"] for name, output in told.items()}

    def resources(self) -> list[str]:
        """Return the addresses of what the state holds, but for what was only looked up."""
        held = json.loads(self._succeed("show", "-json")).get("values", {}).get("root_module", {})
        return [one["address"] for one in held.get("resources", []) if one["mode"] == "managed"]

    def _succeed(self, command: str, *arguments: str) -> str:
        ended = self.run(command, *arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


def working_copy(directory: Path, module: Path, endpoint: str) -> Terraform:
    """Copy a module and add a provider that knows no other cloud than the one at `endpoint`."""
    terraform = Terraform(copy(module, directory, endpoint).directory)
    terraform.init()
    return terraform
