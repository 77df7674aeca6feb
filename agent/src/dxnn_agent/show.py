"""Shows a FinalizePlan to a person, as a table."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from dxnn_agent.commands.doctor import Finding
from dxnn_agent.finalization.plan import Action, Departure, Fate, FinalizePlan, PlannedObject, Stage
from dxnn_agent.settings import Settings

_FATES = {
    Fate.SEND: "yes",
    Fate.THERE: "no, it is there",
    Fate.SKIP: "no: {problem}",
    Fate.LEFT: "no, the run has its sentinel",
    Fate.UNKNOWN: "unknown: S3 did not say",
}


def plan(settings: Settings, plan: FinalizePlan, console: Console) -> None:
    """Print what would go where and in which order, the sentinel's text, and each branch."""
    if not plan.objects:
        console.print(Text(f"{plan.because}: finalize would change nothing"), soft_wrap=True)
        return
    console.print(f"run {plan.run_id} of job {plan.job_id}", highlight=False)
    console.print(Text(f"to s3://{plan.bucket}/{plan.prefix}"))
    if plan.because:
        console.print(f"{plan.because}: nothing would be sent")
    table = Table(box=None, pad_edge=False)
    table.add_column("object", overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("would be sent")
    job = plan.prefix.removesuffix(f"run-{plan.run_id}/")
    for planned in plan.objects:
        # A dump of an earlier run, whose prefix lies beside this one's, is shown with it.
        name = planned.key.removeprefix(plan.prefix).removeprefix(job)
        table.add_row(Text(name), _size(planned), Text(_fate(planned)))
    console.print(table)
    says = "says" if plan.standing_sentinel else "would say"
    console.print(f"\n_SUCCESS {says} (null where only the upload itself can tell):")
    console.print(Text(json.dumps(plan.sentinel_content(), indent=4)), soft_wrap=True)
    console.print()
    for sentence in _sentences(plan):
        console.print(Text(sentence), soft_wrap=True)
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


def _fate(planned: PlannedObject) -> str:
    if planned.stage is Stage.SENTINEL and planned.fate is Fate.SEND:
        return "last of all"
    return _FATES[planned.fate].format(problem=planned.problem)


def _sentences(plan: FinalizePlan) -> Iterator[str]:
    if plan.warning:
        yield f"FINALIZE_SUCCESS would warn: {plan.warning}."
    if plan.gives_up:
        yield "The job would be given up."
    if plan.action is Action.NOTHING:
        yield "The machine would stay up: this run has been finalized before."
        return
    group = plan.on_success.last_because
    yield (
        f"Its Auto Scaling group, if any, would be told to launch no other machine: {group}."
        if group
        else "Its Auto Scaling group, if any, would be left to launch the next machine."
    )
    yield _power("The machine", plan, plan.on_success, "auto_terminate is false")
    yield (
        "Where an object does not arrive: _FAILED_UPLOAD where that can be written, exit 3, and "
        + _power("the machine", plan, plan.on_failure, f"on_upload_failure is {plan.policy}")
    )
    if group:
        yield "Where the group can't be told: exit 3, and the same of the machine."


def _power(machine: str, plan: FinalizePlan, departure: Departure, otherwise: str) -> str:
    if departure.poweroff:
        return f"{machine} would go down, by: {' '.join(plan.poweroff_command)}"
    return f"{machine} would stay up: {otherwise}."


def _writable(path: Path) -> str:
    nearest = next(place for place in (path, *path.parents) if place.exists())
    return "" if os.access(nearest, os.W_OK) else " (this user may not)"
