"""Shows a sweep's jobs to a person, as a table."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dxnn_agent.fleet.sweep import Sweep, Value, text


def jobs(sweep: Sweep, console: Console) -> None:
    """Print the jobs, one a line, with a column for each attribute that any of them has."""
    count = len(sweep.jobs)
    console.print(f"{count} job{'' if count == 1 else 's'} in stack {sweep.name}", highlight=False)
    keys = list(dict.fromkeys(key for job in sweep.jobs for key in job.attributes))
    table = Table(box=None, pad_edge=False)
    table.add_column("job", overflow="fold")
    for key in keys:
        table.add_column(key, overflow="fold")
    for job in sweep.jobs:
        shown = [_shown(job.attributes[key]) if key in job.attributes else "" for key in keys]
        table.add_row(*(Text(cell) for cell in (job.job_id, *shown)))
    console.print(table)


def _shown(value: Value) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={entry}" for name, entry in value.items())
    return " ".join(value) if isinstance(value, list) else text(value)
