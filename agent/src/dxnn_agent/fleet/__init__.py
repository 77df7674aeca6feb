"""Many jobs in one deployment: the Terraform module as a cdktf construct, and sweeps.

`App`, `TerraformStack` and `SpotJobs` need the extra `dxnn-agent[fleet]` and are imported when
they are first asked for, so that the agent's other commands stay quick and work without it.
"""

import importlib
from typing import TYPE_CHECKING

from dxnn_agent.fleet.attributes import Job, Variables

if TYPE_CHECKING:
    from dxnn_agent.fleet.spot_jobs import SpotJobs
    from dxnn_agent.fleet.terraform_cdk import App, TerraformStack

__all__ = ["App", "Job", "SpotJobs", "TerraformStack", "Variables"]

_HOMES = {
    "SpotJobs": "dxnn_agent.fleet.spot_jobs",
    "App": "dxnn_agent.fleet.terraform_cdk",
    "TerraformStack": "dxnn_agent.fleet.terraform_cdk",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
