"""Shows a FinalizePlan to a person, as a table."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from dxnn_agent.commands.doctor import Finding
from dxnn_agent.finalization.plan import Fate, FinalizePlan, PlannedObject
from dxnn_agent.settings import Settings

_FATES = {
    Fate.SEND: "yes",
    Fate.THERE: "no, it is there",
    Fate.LEFT: "no, the run has its sentinel",
    Fate.UNKNOWN: "unknown: S3 did not say",
}


def plan(settings: Settings, made: FinalizePlan, console: Console) -> None:
    """Print what would go where, the sentinel's text, and whether the machine would go down."""
    console.print(f"run {made.run_id} of job {made.sentinel.job_id}", highlight=False)
    console.print(Text(f"to s3://{made.bucket}/{made.prefix}"))
    if made.finalized_already:
        console.print("finalized already: nothing would be sent")
    table = Table(box=None, pad_edge=False)
    table.add_column("object", overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("would be sent")
    job = made.prefix.removesuffix(f"run-{made.run_id}/")
    for planned in made.objects:
        # A dump of an earlier run, whose prefix lies beside this one's, is shown with it.
        name = planned.key.removeprefix(made.prefix).removeprefix(job)
        table.add_row(Text(name), _size(planned), _FATES[planned.fate])
    last = "no, it is there" if made.finalized_already else "last, unless it is there by then"
    table.add_row(Text("_SUCCESS"), "", last)
    console.print(table)
    console.print("\n_SUCCESS would say (null where only the upload itself can tell):")
    console.print(Text(json.dumps(made.sentinel.content(), indent=4)), soft_wrap=True)
    console.print()
    if made.warning:
        console.print(Text(f"FINALIZE_SUCCESS would warn: {made.warning}."), soft_wrap=True)
    if made.gives_up:
        console.print("The job would be given up.")
    console.print(Text(_group(made)), soft_wrap=True)
    console.print(Text(_power(made)), soft_wrap=True)
    for path in (settings.log_file, settings.lock_file, settings.state_dir):
        console.print(Text(f"would write {path}{_writable(path)}"), soft_wrap=True)


def findings(found: Iterable[Finding], console: Console) -> None:
    """Print what a doctor found, a line each."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in found:
        style = "green" if one.ok else "bold red"
        table.add_row(Text("ok" if one.ok else "no", style=style), one.check, Text(one.found))
    console.print(table)


def _size(planned: PlannedObject) -> str:
    return decimal(planned.size) if planned.size is not None else "not known yet"


def _group(made: FinalizePlan) -> str:
    if made.last_because:
        why = made.last_because
        return f"Its Auto Scaling group, if any, would be told to launch no other machine: {why}."
    return "Its Auto Scaling group, if any, would be left to launch the next machine."


def _power(made: FinalizePlan) -> str:
    command = " ".join(made.poweroff_command)
    if made.poweroff:
        return f"The machine would go down, by: {command}"
    if made.finalized_already:
        return "The machine would stay up: this run has been finalized before."
    return "The machine would stay up: auto_terminate is false."


def _writable(path: Path) -> str:
    nearest = next(place for place in (path, *path.parents) if place.exists())
    return "" if os.access(nearest, os.W_OK) else " (this user may not)"
