"""Where the Terraform module's files are: in the installed package, or at a checkout's root."""

import functools
import shutil
import tempfile
from pathlib import Path

from dxnn_agent.errors import UsageError

_INSTALLED = Path(__file__).parent / "module"
_CHECKOUT = Path(__file__).parents[4]


@functools.cache
def directory() -> Path:
    """Return a directory that holds the module's *.tf files and nothing else.

    Raises UsageError where the module is neither installed nor in a checkout.
    """
    if (_INSTALLED / "main.tf").is_file():
        return _INSTALLED
    return Path(_copied_from(_CHECKOUT).name)


@functools.cache  # which also keeps the directory until the process ends
def _copied_from(root: Path) -> "tempfile.TemporaryDirectory[str]":
    files = sorted(root.glob("*.tf"))
    if not files:
        raise UsageError(
            f"the Terraform module is neither in {_INSTALLED} nor in {root}: "
            "install dxnn-agent again, from its wheel or its checkout"
        )
    copies = tempfile.TemporaryDirectory(prefix="dxnn-module-")
    for file in files:
        shutil.copy(file, copies.name)
    return copies
