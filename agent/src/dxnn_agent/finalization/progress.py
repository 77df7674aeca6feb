"""Shows uploads on a terminal; elsewhere the log's lines are all there is."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from dxnn_agent.finalization.plan import Fate, FinalizePlan
from dxnn_agent.store.context import Context


@contextmanager
def shown(plan: FinalizePlan, context: Context) -> Iterator[Context]:
    """Give a context that also moves a progress bar where a person looks on."""
    if not sys.stderr.isatty():
        yield context
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    to_send = [planned for planned in plan.objects if planned.fate is not Fate.THERE]
    total = sum(planned.size or 0 for planned in to_send)
    columns = (TextColumn("uploading"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("uploading", total=total)
        before = context.log.show
        context.log.show = lambda text: console.print(
            text, markup=False, highlight=False, soft_wrap=True
        )
        try:
            yield replace(context, progress=lambda sent: bar.advance(task, sent))
        finally:
            context.log.show = before
