"""`dxnn-agent fleet`: sweeps, for those who don't write them in Python."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from dxnn_agent.fleet import sweep_file
from dxnn_agent.fleet.sweep import Sweep
from dxnn_agent.report import report

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Many jobs in one deployment: sweeps written as Terraform.",
)


@app.callback()
def _fleet() -> None:
    """Keep `synth` a command of its own, though it is the only one."""


@app.command(epilog="Example: dxnn-agent fleet synth sweep.toml --output build")
def synth(
    sweep: Annotated[Path, typer.Argument(metavar="SWEEP", help="The sweep, such as sweep.toml.")],
    *,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Directory to write the stack in.")
    ] = Path("cdktf.out"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the jobs, and write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback for errors.")] = False,
) -> None:
    """Write the Terraform stack of a sweep: a grid or a list of jobs."""
    try:
        jobs = sweep_file.read(sweep)
        _print(jobs, None if dry_run else _written(jobs, output), as_json=as_json)
    except (Exception, KeyboardInterrupt) as error:
        raise typer.Exit(int(report(error, debug=debug))) from error


def _written(jobs: Sweep, output: Path) -> Path:
    from dxnn_agent.fleet import synth

    return synth.synth(jobs, output)


def _print(jobs: Sweep, directory: Path | None, *, as_json: bool) -> None:
    commands = [
        ["terraform", f"-chdir={directory}", verb] for verb in ("init", "apply") if directory
    ]
    if as_json:
        summary = {
            "stack": jobs.name,
            "directory": directory and str(directory),
            "variables": jobs.variables,
            "jobs": jobs.by_id,
            "commands": commands,
        }
        print(json.dumps(summary, indent=4))
        return
    from rich.console import Console

    from dxnn_agent.fleet import show

    show.jobs(jobs, Console())
    if directory:
        print(f"\nThe stack is in {directory}. Next:")
    for command in commands:
        print(f"    {shlex.join(command)}")
