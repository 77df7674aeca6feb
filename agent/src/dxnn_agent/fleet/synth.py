"""Writes a sweep as a Terraform stack."""

from pathlib import Path
from typing import Any

from dxnn_agent.errors import UsageError
from dxnn_agent.fleet.sweep import Sweep


def synth(sweep: Sweep, output: Path) -> Path:
    """Write the stack below `output` and return its directory, where `terraform` is to run.

    Raises UsageError where cdktf is missing or `output` can't be written.
    """
    from dxnn_agent.fleet.spot_jobs import SpotJobs
    from dxnn_agent.fleet.terraform_cdk import App, TerraformOutput, TerraformStack

    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output {output} can't be written: {error.strerror}") from error
    app = App(outdir=str(output))
    stack = TerraformStack(app, sweep.name)
    jobs = SpotJobs(stack, "fleet", **literal({**sweep.variables, "jobs": sweep.by_id}))
    TerraformOutput(stack, "jobs", value=jobs.get("jobs"))
    # cdktf would write down the absolute path of a state file. Without it, Terraform keeps the
    # state in the stack's directory, and a backend.tf beside cdk.tf.json puts it elsewhere.
    stack.add_override("terraform.backend", None)
    app.synth()
    return output / "stacks" / sweep.name


def literal(value: Any) -> Any:
    """Quote what Terraform would take for a template: a sweep's texts are data."""
    if isinstance(value, str):
        return value.replace("${", "$${").replace("%{", "%%{")
    if isinstance(value, list):
        return [literal(entry) for entry in value]
    if isinstance(value, dict):
        return {literal(key): literal(entry) for key, entry in value.items()}
    return value
