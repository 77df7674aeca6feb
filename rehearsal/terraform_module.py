"""A Terraform module as whoever applies it has it: a copy, with a provider for a cloud here."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from rehearsal.cloud import REGION, ROOT_KEY

CHECKOUT = Path(__file__).resolve().parent.parent

_SERVICES = ("autoscaling", "cloudwatch", "ec2", "iam", "s3", "sts")


@dataclass(frozen=True)
class Module:
    """A working directory with a module in it; Terraform sees the environment `added`, too."""

    directory: Path
    added: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def environment(self) -> dict[str, str]:
        """What Terraform sees: nothing of whoever calls, no profile, no key, no TF_ variable."""
        return {
            "PATH": os.defpath,
            "HOME": str(self.directory),
            "TF_IN_AUTOMATION": "1",
            **self.added,
        }

    def configure(self, **variables: object) -> None:
        """Give the module's variables their values, instead of those they had."""
        (self.directory / "terraform.tfvars.json").write_text(
            json.dumps(variables), encoding="utf-8"
        )

    def command(self, verb: str, *arguments: str) -> list[str]:
        """Write a command of Terraform's."""
        return [
            *(sys.executable, "-m", "rehearsal.terraform", f"-chdir={self.directory}"),
            *(verb, "-no-color", *arguments),
        ]

    def run(self, verb: str, *arguments: str, show: Callable[[str], object]) -> int:
        """Run a command to its end, call `show` with each line it prints, and give its exit code.

        Whatever ends this function ends the command, and the provider with it.
        """
        with subprocess.Popen(
            self.command(verb, *arguments),
            cwd=CHECKOUT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                for line in process.stdout or ():
                    show(line.rstrip())
                return process.wait()
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)


def copy(
    module: Path,
    directory: Path,
    endpoint: str,
    added: Mapping[str, str] = MappingProxyType({}),
) -> Module:
    """Copy a module to a new directory, with a provider that knows no cloud but `endpoint`."""
    directory.mkdir(parents=True)
    for file in module.glob("*.tf"):
        shutil.copy(file, directory)
    write_provider(directory, endpoint)
    return Module(directory, added)


def write_provider(directory: Path, endpoint: str) -> None:
    """Let the module in a directory use the cloud at `endpoint`, as its root user."""
    provider = {
        "region": REGION,
        "access_key": ROOT_KEY,
        "secret_key": ROOT_KEY,
        "skip_credentials_validation": True,
        "skip_metadata_api_check": True,
        "s3_force_path_style": True,
        "endpoints": [dict.fromkeys(_SERVICES, endpoint)],
    }
    text = json.dumps({"provider": {"aws": provider}})
    (directory / "provider.tf.json").write_text(text, encoding="utf-8")
