"""Packs the Terraform module into the package, from the checkout or from an sdist of it."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface[Any]):
    """Adds the module's files, which lie beside `agent/`; an sdist has them in `module/`."""

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        """Name the files to include."""
        root = Path(self.root)
        packed = root / "module"
        target = "module" if self.target_name == "sdist" else "dxnn_agent/fleet/module"
        for path in sorted((packed if packed.is_dir() else root.parent).glob("*.tf")):
            build_data["force_include"][str(path)] = f"{target}/{path.name}"
