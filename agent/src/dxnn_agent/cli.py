"""The commands: settings in, one call, an exit code out."""

import functools
import inspect
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from typer.core import TyperCommand

from dxnn_agent import __version__, settings_sources
from dxnn_agent.errors import ExitCode, UsageError
from dxnn_agent.fleet.command import app as fleet
from dxnn_agent.log import Log
from dxnn_agent.report import report
from dxnn_agent.settings import Settings

if TYPE_CHECKING:
    from dxnn_agent.store.context import Context

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,  # its tables cut long option names short
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Runs a training job on an EC2 Spot instance and loses nothing it had finished.",
    epilog="Exit codes: 0 done or nothing to do, 2 settings or usage, 3 upload failed, "
    "4 the lock is held, 5 restore refused, 6 the checkpoint failed.",
)

_SETTINGS_TITLE = "Settings (also DXNN_<NAME> in the environment, and <name> in dxnn.toml)"

Command = Callable[..., ExitCode]


class CommandWithSettings(TyperCommand):
    """A command whose help shows the settings below its own options."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write both lists of options."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], _SETTINGS_TITLE: []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record:
                is_setting = parameter.name in Settings.model_fields
                sections[_SETTINGS_TITLE if is_setting else "Options"].append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def with_settings(command: Command) -> Callable[..., None]:
    """Give a command an option for every setting, `--config` and `--debug`.

    The command gets the checked Settings as its first argument and returns an exit code.
    """
    own = list(inspect.signature(command).parameters.values())[1:]
    added = [_option(key, field) for key, field in Settings.model_fields.items()]
    parameters = [*own, *_COMMON, *added]

    @functools.wraps(command)
    def wrapper(**given: Any) -> None:
        debug = given.pop("debug")
        config = given.pop("config")
        options = {parameter.name: given.pop(parameter.name) for parameter in added}
        chosen = {key: value for key, value in options.items() if value is not None}
        try:
            code = command(settings_sources.load(chosen, os.environ, config), **given)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - no traceback escapes
            code = report(error, debug=debug)
        raise typer.Exit(int(code))

    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper


def with_context(command: Command) -> Callable[..., None]:
    """Give a command what `with_settings` does, and as its first argument their Context."""

    @functools.wraps(command)
    def in_context(settings: Settings, **given: Any) -> ExitCode:
        return command(_context(settings), **given)

    return with_settings(in_context)


def _context(settings: Settings) -> "Context":
    from dxnn_agent.state import standing_notice
    from dxnn_agent.store.context import Context
    from dxnn_agent.store.s3 import S3

    store = S3(settings.s3_bucket) if settings.s3_bucket else None
    notice_time = standing_notice.time_of(settings.state_dir)
    return Context(settings, Log(settings.log_file), store, notice_time)


def _impatient(context: "Context") -> "Context":
    """For a person who waits, and who may have no network."""
    from dxnn_agent.store.s3 import S3

    bucket = context.settings.s3_bucket
    store = S3(bucket, connect_seconds=1, read_seconds=3) if bucket else None
    return replace(context, store=store)


def _option(key: str, field: FieldInfo) -> inspect.Parameter:
    kind: Any = bool if field.annotation is bool else str
    name = settings_sources.option_name(key)
    names = (f"{name}/--no-{name[2:]}",) if kind is bool else (name,)
    option = typer.Option(
        *names,
        help=f"{_plain(field)} [default: {_default(field)}]",
        show_default=False,
        metavar=None if kind is bool else _metavar(field),
    )
    return _parameter(key, Annotated[kind | None, option])


def _parameter(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _metavar(field: FieldInfo) -> str:
    if settings_sources.is_list(field):
        return "WORDS"
    if field.annotation in {int, float}:
        return "NUMBER"
    if field.annotation is Path:
        return "PATH"
    if get_origin(field.annotation) is Literal:
        return "|".join(get_args(field.annotation))
    return "TEXT"


def _plain(field: FieldInfo) -> str:
    return (field.description or "").replace("`", "")


def _default(field: FieldInfo) -> str:
    value = field.get_default()
    if value is None:
        return "none"
    if isinstance(value, list):
        return " ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


_COMMON = [
    _parameter(
        "config",
        Annotated[
            Path | None,
            typer.Option(
                "--config",
                help="Settings file [default: ./dxnn.toml, else /etc/dxnn/agent.toml]",
                metavar="FILE",
                show_default=False,
            ),
        ],
    ),
    _parameter(
        "debug",
        Annotated[bool, typer.Option("--debug", help="Show a traceback for every error.")],
        default=False,
    ),
]

AllowFresh = Annotated[
    bool,
    typer.Option(
        "--allow-fresh", help="Train from zero where none of the job's checkpoints verifies."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command(
    cls=CommandWithSettings, epilog="Example: dxnn-agent run --config /etc/dxnn/agent.toml"
)
@with_context
def run(context: "Context", *, allow_fresh: AllowFresh = False) -> ExitCode:
    """Restore if needed, train, wait for the trainer, and finalize."""
    from dxnn_agent.commands import run as command

    context.log.open()
    return command.run(context, allow_fresh=allow_fresh)


@app.command(cls=CommandWithSettings, epilog="Example: dxnn-agent watch --poll-interval-seconds 5")
@with_context
def watch(context: "Context") -> ExitCode:
    """Wait for EC2's notice, then save the run and finalize it."""
    from dxnn_agent.commands import watch as command

    if not context.settings.spot_enabled:
        print("spot_enabled is false: there is nothing to watch for", file=sys.stderr)
        return ExitCode.DONE
    context.log.open()
    return command.watch(context)


@app.command(
    cls=CommandWithSettings,
    epilog="Examples: dxnn-agent finalize --dry-run; "
    "COMPLETION_STATUS=interrupted EXIT_CODE=143 dxnn-agent finalize",
)
@with_context
def finalize(
    context: "Context",
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --dry-run: the plan as JSON.")
    ] = False,
    completion_status: Annotated[
        str | None,
        typer.Option(
            help="How the run ended.", envvar="COMPLETION_STATUS", metavar="normal|interrupted"
        ),
    ] = None,
    exit_code: Annotated[
        str | None,
        typer.Option(help="The trainer's exit code.", envvar="EXIT_CODE", metavar="NUMBER"),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(help="How long to wait for another finalization.", min=0, metavar="SECONDS"),
    ] = 900,
    pending: Annotated[
        bool,
        typer.Option(
            "--pending",
            help="Finalize only a run whose finalization failed or was cut off; for a timer.",
        ),
    ] = False,
) -> ExitCode:
    """Upload what is missing, write _SUCCESS, and power off; once."""
    from dxnn_agent.commands import finalize as command
    from dxnn_agent.state import outcome

    if pending:
        if dry_run or completion_status or exit_code:
            raise UsageError("--pending stands alone: the run itself knows how it ended")
        return command.pending(context)
    given = outcome.of_words(completion_status, exit_code)
    if not dry_run:
        if as_json:
            raise UsageError(
                "--json goes with --dry-run: a finalization tells its story in the log"
            )
        context.log.open()
        return command.finalize(context, given, wait)
    plan = command.dry_run(_impatient(context), given)
    if as_json:
        print(json.dumps(plan.as_json(), indent=4))
    else:
        from rich.console import Console

        from dxnn_agent import show

        show.plan(context.settings, plan, Console())
    return ExitCode.DONE


@app.command(
    cls=CommandWithSettings, epilog="Example: dxnn-agent checkpoint --reason before-an-experiment"
)
@with_context
def checkpoint(
    context: "Context",
    *,
    reason: Annotated[
        str, typer.Option(help="Why, for the checkpoint's metadata.", metavar="TEXT")
    ] = "manual",
    as_json: AsJson = False,
) -> ExitCode:
    """Take a consistent checkpoint now and ship it to S3."""
    from dxnn_agent.commands import checkpoint as command

    context.log.open()
    dump = command.checkpoint(context, reason)
    print(json.dumps(dump.described, indent=4) if as_json else dump.path)
    return ExitCode.DONE


@app.command(cls=CommandWithSettings, epilog="Example: dxnn-agent restore --job-id xor")
@with_context
def restore(
    context: "Context", *, allow_fresh: AllowFresh = False, as_json: AsJson = False
) -> ExitCode:
    """Fetch the newest verified checkpoint of the job."""
    from dxnn_agent.commands import restore as command

    context.log.open()
    run = command.restore(context, allow_fresh=allow_fresh)
    if as_json:
        shown = {key: getattr(run, key) for key in ("run_id", "parent_run_id", "restore_path")}
        print(json.dumps(shown, indent=4))
    elif run.restore_path:
        print(run.restore_path)
    return ExitCode.DONE


@app.command(cls=CommandWithSettings, epilog="Example: dxnn-agent stop")
@with_context
def stop(context: "Context") -> ExitCode:
    """Save the run and finalize it now, as watch does at a notice."""
    from dxnn_agent.commands import stop as command

    context.log.open()
    return command.stop(context)


@app.command(cls=CommandWithSettings, epilog="Example: dxnn-agent doctor --json")
@with_settings
def doctor(settings: Settings, *, as_json: AsJson = False) -> ExitCode:
    """Check that this machine can train; exit 2 if it can't."""
    from dxnn_agent.commands import doctor as command

    findings = command.examine(settings)
    if as_json:
        print(json.dumps([finding.content() for finding in findings], indent=4))
    else:
        from rich.console import Console

        from dxnn_agent import show

        show.findings(findings, Console())
    return ExitCode.DONE if all(finding.ok for finding in findings) else ExitCode.USAGE


@app.command(cls=CommandWithSettings, epilog="Example: sudo dxnn-agent prepare")
@with_settings
def prepare(settings: Settings) -> ExitCode:
    """Make folders, files and units ready for the job, as root."""
    from dxnn_agent.commands import prepare as command

    return command.prepare(settings)


app.add_typer(fleet, name="fleet")


def _version(asked: bool) -> None:
    if asked:
        print(f"dxnn-agent {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """The console script."""
    app()
