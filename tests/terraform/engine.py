"""Terraform as a test runs it: one working directory, one command after the other."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ACCESS_KEY = "rehearsal"
REGION = "us-east-1"

_SERVICES = ("autoscaling", "ec2", "iam", "s3", "sts")
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
        (self.directory / "terraform.tfvars.json").write_text(json.dumps(variables))

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever it ends with."""
        words = [
            *(sys.executable, "-m", "rehearsal.terraform", f"-chdir={self.directory}"),
            *(command, "-no-color", *arguments),
        ]
        with subprocess.Popen(
            words,
            cwd=ROOT,
            # Nothing of whoever runs the tests: no profile, no credentials, no TF_ variable.
            env={"PATH": os.defpath, "HOME": str(self.directory), "TF_IN_AUTOMATION": "1"},
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

    def _succeed(self, command: str, *arguments: str) -> str:
        ended = self.run(command, *arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


def working_copy(directory: Path, module: Path, endpoint: str) -> Terraform:
    """Copy a module and add a provider that knows no other cloud than the one at `endpoint`."""
    directory.mkdir(parents=True)
    for file in module.glob("*.tf"):
        shutil.copy(file, directory)
    write_provider(directory, endpoint)
    terraform = Terraform(directory)
    terraform.init()
    return terraform


def write_provider(directory: Path, endpoint: str) -> None:
    provider = {
        "region": REGION,
        "access_key": ACCESS_KEY,
        "secret_key": ACCESS_KEY,
        "skip_credentials_validation": True,
        "skip_metadata_api_check": True,
        "s3_force_path_style": True,
        "endpoints": [dict.fromkeys(_SERVICES, endpoint)],
    }
    text = json.dumps({"provider": {"aws": provider}})
    (directory / "provider.tf.json").write_text(text)
