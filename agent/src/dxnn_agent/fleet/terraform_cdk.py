"""All that the fleet takes from cdktf.

cdktf's last release is 0.21; the community continues it as cdktn, with the same API. To change
over, change the import here and the extra in pyproject.toml.
"""

import os

from dxnn_agent.fleet import node

# The library reports nothing; programs that it may start ask HashiCorp for newer versions.
os.environ.setdefault("CHECKPOINT_DISABLE", "1")
node.choose()

try:
    from cdktf import (
        App,
        AssetType,
        TerraformAsset,
        TerraformHclModule,
        TerraformOutput,
        TerraformStack,
    )
    from constructs import Construct
except ModuleNotFoundError as error:
    raise node.MissingExtraError(f"{error.name} is not installed") from error

__all__ = [
    "App",
    "AssetType",
    "Construct",
    "TerraformAsset",
    "TerraformHclModule",
    "TerraformOutput",
    "TerraformStack",
]
