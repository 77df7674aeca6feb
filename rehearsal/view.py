"""What people see of a rehearsal: progress while it plays, and what came of it at the end."""

import contextlib
import functools
from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.filesize import decimal
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from rehearsal import timeline
from rehearsal.evidence import StoredObject
from rehearsal.observer import Observer
from rehearsal.plot import FIRST, JOB_PREFIX, SECOND, Played
from rehearsal.timeline import Happening
from rehearsal.verdict import Verdict

_LAST_LINES = 12
_INSTANCES = {FIRST: "cyan", SECOND: "magenta"}
_NAME_WIDTH = max(map(len, ("packer", "terraform", *_INSTANCES)))
_STATES = {
    "DETECTED": "yellow",
    "notice": "bold yellow",
    "FINALIZE_SUCCESS": "green",
    "FINALIZE_FAILED": "red",
    "CHECKPOINT_ERROR": "red",
    "CHECKPOINT_TIMEOUT": "red",
    "UPLOAD_FAIL": "red",
    "reclaimed": "red",
}


@contextlib.contextmanager
def shown(console: Console, observer: Observer) -> Iterator[None]:
    """Show what an observer sees: a picture that moves on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        observer.show = functools.partial(_print, console)
        yield
        return
    spinner = Spinner("dots")
    with Live(
        get_renderable=lambda: _picture(observer, spinner),
        console=console,
        refresh_per_second=8,
        transient=True,
    ):
        yield


def report(console: Console, played: Played, observer: Observer, notes: Sequence[str]) -> None:
    """Print the timeline, what was at risk, the objects in S3 and the verdicts."""
    console.print(_timeline(observer.happenings))
    for sentence in summary(played, observer.happenings):
        console.print(sentence, soft_wrap=True)
    console.print()
    console.print(_objects(played.evidence.objects))
    console.print()
    console.print(_verdicts(played.verdicts))
    for note in notes:
        console.print(f"Note: {note}.", soft_wrap=True)


def summary(played: Played, happenings: Sequence[Happening]) -> list[str]:
    """Say in sentences what was at risk, what was lost and how much time was left."""
    ends = [one for one in happenings if one.instance == FIRST]
    lost = timeline.at_risk(happenings, FIRST, ends[-1].at) if ends else None
    found = [f"At most {timeline.most_at_risk(happenings):.1f} s of training were at risk."]
    if lost is not None:
        found.append(
            f"The interruption cost {lost:.1f} s of training, and what the trainer had not put "
            "into its dump."
        )
    sentinel = next(
        (one.json for one in played.evidence.objects if one.key.endswith("/_SUCCESS")), None
    )
    if isinstance(sentinel, dict) and sentinel.get("margin_seconds") is not None:
        found.append(
            f"When _SUCCESS was written, {sentinel['margin_seconds']} s were left until "
            f"{sentinel.get('notice_time')}, when EC2 would have taken the machine."
        )
    return found


def _print(console: Console, one: Happening) -> None:
    if timeline.shows(one):
        console.print(_line(one), soft_wrap=True)


def _line(one: Happening) -> Text:
    text = Text(f"{one.at:6.1f} s  ")
    text.append(f"{one.instance:<{_NAME_WIDTH + 1}}", style=_INSTANCES.get(one.instance, ""))
    text.append(timeline.words(one), style=_STATES.get(one.state, ""))
    return text


def _picture(observer: Observer, spinner: Spinner) -> RenderableType:
    happenings = list(observer.happenings)
    table = Table(box=None, pad_edge=False, expand=True)
    table.add_column("", no_wrap=True, min_width=_NAME_WIDTH)
    table.add_column("does", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("in S3", no_wrap=True, min_width=len("99 checkpoints"))
    table.add_column("at risk", no_wrap=True, min_width=len("at risk"), justify="right")
    noted = (one.instance for one in happenings if one.instance in _INSTANCES)
    for name in dict.fromkeys([*noted, *observer.doing]):
        seen = [one for one in happenings if one.instance == name]
        down = bool(seen) and seen[-1].state in {"down", "reclaimed"}
        does = "is down" if down else observer.told(name) or observer.doing.get(name, "")
        risk = timeline.at_risk(happenings, name, seen[-1].at if down else observer.now)
        table.add_row(
            Text(name, style=_INSTANCES.get(name, "")),
            Text(does),
            f"{timeline.shipped(happenings, name)} checkpoints" if name in _INSTANCES else "",
            "" if risk is None else f"{risk:.1f} s",
        )
    spinner.update(text=f"{observer.now:.0f} s")
    last = [one for one in happenings if timeline.shows(one)][-_LAST_LINES:]
    lines = [_line(one) for one in last]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(spinner, table, Text(), *lines)


def _timeline(happenings: Sequence[Happening]) -> Table:
    table = Table(title="What happened when", title_justify="left", box=None, pad_edge=False)
    table.add_column("seconds", justify="right")
    table.add_column("where")
    table.add_column("what", overflow="fold", ratio=1)
    table.add_column("at risk", justify="right", no_wrap=True)
    for row in timeline.rows(happenings):
        table.add_row(
            f"{row.at:.1f}",
            Text(row.instance, style=_INSTANCES.get(row.instance, "")),
            Text(row.what, style=_STATES.get(row.what.partition(" ")[0], "")),
            "" if row.at_risk is None else f"{row.at_risk:.1f} s",
        )
    return table


def _objects(objects: Sequence[StoredObject]) -> Tree:
    root = Tree(f"S3: {JOB_PREFIX}")
    branches = {"": root}
    for one in objects:
        *directories, name = one.key.removeprefix(JOB_PREFIX).split("/")
        path = ""
        for directory in directories:
            above, path = path, f"{path}{directory}/"
            if path not in branches:
                branches[path] = branches[above].add(f"{directory}/")
        branches[path].add(Text.assemble(name, (f"  {decimal(one.size)}", "dim")))
    return root


def _verdicts(verdicts: Sequence[Verdict]) -> Table:
    table = Table(
        title="What the contract says",
        title_justify="left",
        box=None,
        pad_edge=False,
        show_header=False,
    )
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for one in verdicts:
        word, style = {True: ("ok", "green"), False: ("FAILED", "bold red"), None: ("-", "dim")}[
            one.held
        ]
        detail = f"\n{one.detail}" if one.detail else ""
        table.add_row(Text(word, style=style), Text.assemble(one.rule, (detail, style)))
    return table
