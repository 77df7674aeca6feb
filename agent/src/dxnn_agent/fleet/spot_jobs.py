"""The Terraform module as a construct, for those who define their jobs in Python."""

from collections.abc import Mapping
from typing import Unpack

from dxnn_agent.fleet import module_files
from dxnn_agent.fleet.attributes import Job, Variables
from dxnn_agent.fleet.terraform_cdk import (
    AssetType,
    Construct,
    TerraformAsset,
    TerraformHclModule,
)


class SpotJobs(TerraformHclModule):
    """Jobs on EC2 Spot: takes what the module takes, under the same names.

    The stack gets a copy of the module's files beside it, so that what is synthesised can be
    moved and applied. `get("jobs")` and the like are the module's outputs.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - what every construct calls it
        *,
        jobs: Mapping[str, Job],
        **variables: Unpack[Variables],
    ) -> None:
        """Add the module `id` to `scope`, with `jobs` by job_id."""
        files = TerraformAsset(
            scope, f"{id}-module", path=str(module_files.directory()), type=AssetType.DIRECTORY
        )
        super().__init__(
            scope,
            id,
            source=f"./{files.path}",
            variables={**variables, "jobs": jobs},
            # The files are an asset already, and this path is relative to the stack.
            skip_asset_creation_from_local_modules=True,
        )
