"""The rehearsal's commands: play a job's whole path here, or serve an instance's metadata."""

import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from rehearsal.errors import RehearsalError

if TYPE_CHECKING:
    from rehearsal.observer import Observer
    from rehearsal.plot import Played
    from rehearsal.trainers import Trainer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="EC2 on this machine, to rehearse with: nothing here talks to AWS.",
)

_PLAIN_COLUMNS = 100
_BROKEN, _UNUSABLE, _INTERRUPTED = 1, 2, 130

_DEMO_EXAMPLES = """Examples:

\b
  python -m rehearsal demo
  python -m rehearsal demo --trainer ~/DXNN-Trader-v2
  python -m rehearsal demo --trainer-command "python3 train.py"
      --checkpoint-command "python3 save.py" --trainer ~/mine --artifacts "results/**"

Ends with 0 when everything held, 1 when something did not, 2 when it could not be played."""

_REHEARSE_EXAMPLES = """Examples:

\b
  sudo .venv/bin/python -m rehearsal rehearse
  sudo .venv/bin/python -m rehearsal rehearse --trainer ~/DXNN-Trader-v2 --keep /tmp/rehearsal

Ends with 0 when everything held, 1 when something did not, 2 when it could not be played."""

_METADATA_EXAMPLES = """Examples:

\b
  python -m rehearsal metadata --notice-after 30
  python -m rehearsal metadata --rebalance-after 10 --port 8169"""


_TrainerOption = Annotated[
    Path | None,
    typer.Option(
        "--trainer",
        help="A checkout of DXNN to train instead of our own trainer; with --trainer-command, "
        "the directory to run it in a copy of.",
        exists=True,
        file_okay=False,
        resolve_path=True,
    ),
]
_RunsOption = Annotated[
    int | None,
    typer.Option(
        "--runs",
        help="Runs of DXNN's experiment [default: 40 short or 2 long ones].",
        show_default=False,
        min=2,
    ),
]
_TrainerCommandOption = Annotated[
    str | None,
    typer.Option("--trainer-command", help="Any program that trains, as words; no shell runs it."),
]
_CheckpointCommandOption = Annotated[
    str | None,
    typer.Option(
        "--checkpoint-command", help="Its checkpoint command; writes $DXNN_CHECKPOINT_PATH."
    ),
]
_ArtifactsOption = Annotated[
    list[str] | None,
    typer.Option("--artifacts", help="A glob of its results; may be given several times."),
]
_KeepOption = Annotated[
    Path | None,
    typer.Option("--keep", help="Keep what the instances wrote in this new directory."),
]
_JsonOption = Annotated[
    bool, typer.Option("--json", help="Print timeline, objects and verdicts as JSON.")
]


@app.command(epilog=_DEMO_EXAMPLES)
def demo(
    trainer: _TrainerOption = None,
    runs: _RunsOption = None,
    trainer_command: _TrainerCommandOption = None,
    checkpoint_command: _CheckpointCommandOption = None,
    artifacts: _ArtifactsOption = None,
    keep: _KeepOption = None,
    as_json: _JsonOption = False,
) -> None:
    """Play a job's whole path: trained, interrupted, restored on a second instance, completed."""
    from rehearsal import demo as in_processes

    chosen = _chosen(trainer, runs, trainer_command, checkpoint_command, artifacts)
    _rehearse(in_processes.play, chosen, keep, as_json=as_json)


@app.command(epilog=_REHEARSE_EXAMPLES)
def rehearse(
    trainer: _TrainerOption = None,
    runs: _RunsOption = None,
    trainer_command: _TrainerCommandOption = None,
    checkpoint_command: _CheckpointCommandOption = None,
    artifacts: _ArtifactsOption = None,
    keep: _KeepOption = None,
    as_json: _JsonOption = False,
) -> None:
    """Play the same on machines that boot here, baked by Packer and launched by Terraform.

    Both are the real ones, with this project's own files; EC2, Auto Scaling, IAM, S3 and the
    metadata service are played, in a network of their own. Needs root, and Debian 12.
    """
    from rehearsal.chain import play as on_machines

    on_machines.check_host()
    chosen = _chosen(trainer, runs, trainer_command, checkpoint_command, artifacts)
    _rehearse(on_machines.play, chosen, keep, as_json=as_json)


@app.command(epilog=_METADATA_EXAMPLES)
def metadata(
    port: Annotated[int, typer.Option(help="Loopback port; 0 takes a free one.")] = 0,
    notice_after: Annotated[
        float | None, typer.Option(help="Give a Spot notice after so many seconds.")
    ] = None,
    notice_seconds: Annotated[
        float, typer.Option(help="Time between the notice and the interruption.")
    ] = 120,
    rebalance_after: Annotated[
        float | None, typer.Option(help="Recommend a rebalance after so many seconds.")
    ] = None,
) -> None:
    """Serve an instance's metadata (IMDSv2) until Ctrl-C, to try `dxnn-agent watch` on a laptop."""
    from rehearsal.metadata_control import MetadataControl
    from rehearsal.metadata_documents import Machine
    from rehearsal.metadata_service import MetadataService
    from rehearsal.metadata_state import Metadata

    announced = Metadata(Machine())
    try:
        service = MetadataService(lambda _address: announced, port=port)
    except OSError as error:
        raise RehearsalError(f"port {port} can't be had: {error.strerror}") from error
    with service, MetadataControl(announced) as control:
        if notice_after is not None:
            service.after(notice_after, lambda: announced.notice(notice_seconds))
        if rebalance_after is not None:
            service.after(rebalance_after, announced.recommend_rebalance)
        print(f"export AWS_EC2_METADATA_SERVICE_ENDPOINT={service.endpoint}")
        print(f"# a notice, now: curl -X POST {control.endpoint}/notice", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


def main() -> None:
    """Run the command line; an error is one sentence on stderr."""
    # TERM ends a rehearsal as Ctrl-C does, with everything it started and its directory.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except RehearsalError as error:
        print(f"rehearsal: {error}", file=sys.stderr)
        sys.exit(_UNUSABLE)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _chosen(
    directory: Path | None,
    runs: int | None,
    trainer_command: str | None,
    checkpoint_command: str | None,
    artifacts: Sequence[str] | None,
) -> "Trainer":
    from rehearsal import dxnn, trainers

    if trainer_command and checkpoint_command:
        return trainers.program(directory, trainer_command, checkpoint_command, artifacts or [])
    if trainer_command or checkpoint_command or artifacts:
        raise RehearsalError("another program needs --trainer-command and --checkpoint-command")
    return dxnn.trainer(directory, runs) if directory else trainers.xor()


def _rehearse(
    play: "Callable[[Trainer, Path, Observer], Played]",
    trainer: "Trainer",
    keep: Path | None,
    *,
    as_json: bool,
) -> NoReturn:
    from rich.console import Console

    from rehearsal import view
    from rehearsal.observer import Observer

    console = Console(stderr=as_json, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PLAIN_COLUMNS
    observer = Observer(trainer.told)
    console.print(f"Rehearsing with {trainer.name}.", soft_wrap=True)
    with _directory(keep) as directory:
        with view.shown(console, observer):
            played = play(trainer, directory, observer)
        view.report(console, played, observer, trainer.notes)
    if as_json:
        print(json.dumps(_as_data(played, observer, trainer.notes), indent=2))
    raise typer.Exit(0 if played.held else _BROKEN)


@contextlib.contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="rehearsal-") as directory:
            yield Path(directory)
        return
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise RehearsalError(f"{keep} is there already: --keep takes a new or an empty directory")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.resolve()


def _as_data(played: "Played", observer: "Observer", notes: Sequence[str]) -> dict[str, object]:
    from rehearsal import timeline, view

    return {
        "held": played.held,
        "summary": view.summary(played, observer.happenings),
        "timeline": [asdict(row) for row in timeline.rows(observer.happenings)],
        "objects": [
            {"key": one.key, "size": one.size, "sha256": one.sha256}
            for one in played.evidence.objects
        ],
        "verdicts": [asdict(one) for one in played.verdicts],
        "notes": list(notes),
    }
