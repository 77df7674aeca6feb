"""Every setting of the contract, where its value came from, and what is wrong with it."""

import difflib
import json
import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic.fields import FieldInfo

from dxnn_agent.errors import UsageError

ENV_PREFIX = "DXNN_"
CONFIG_FILES = (Path("dxnn.toml"), Path("/etc/dxnn/agent.toml"))

# What the agent itself tells trainers and checkpoint commands, beside settings.
_TOLD_TO_CHILDREN = {
    "DXNN_RUN_ID",
    "DXNN_CHECKPOINT_PATH",
    "DXNN_RESTORE_PATH",
    "DXNN_BEGIN_RUN_ANEW",
}


def _matching(pattern: str, right: str) -> AfterValidator:
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"should be {right}")
        return text

    return AfterValidator(check)


_Name = Annotated[
    str,
    _matching(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}",
        "letters, digits, dots, dashes and underscores, at most 128, beginning with a letter "
        "or digit",
    ),
]
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_Bucket = Annotated[
    str,
    _matching(
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "a bucket's name: 3 to 63 lower-case letters, digits, dots and dashes",
    ),
]
_Prefix = Annotated[
    str,
    _matching(
        r"([A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*)?",
        "a key prefix without a slash at either end, such as dxnn or team/dxnn",
    ),
]
_Node = Annotated[
    str, _matching(r"[A-Za-z0-9_-]+@[A-Za-z0-9._-]+", "a node's name, such as dxnn@127.0.0.1")
]
_Words = Annotated[list[Annotated[str, StringConstraints(min_length=1)]], Field(min_length=1)]


def _relative_glob(pattern: str) -> str:
    path = Path(pattern)
    if not pattern or path.is_absolute() or ".." in path.parts:
        raise ValueError("should be a glob below trainer_directory, such as benchmarks/**")
    return pattern


_Glob = Annotated[str, AfterValidator(_relative_glob)]
_File = Annotated[Path, AfterValidator(Path.absolute)]


class Settings(BaseModel):
    """The agent's settings, checked; every path is absolute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spot_enabled: bool = Field(True, description="Handle spot interruptions at all.")
    s3_bucket: _Bucket | None = Field(
        None, description="Bucket for checkpoints and results; required when spot_enabled."
    )
    s3_prefix: _Prefix = Field("dxnn", description="Key prefix above all jobs.")
    job_id: _Name = Field(
        "adhoc", description="What is trained; required when restore_from_s3_on_boot."
    )
    container_name: _Name | None = Field(
        None,
        description="The trainer's name in the journal, the log and the sentinel; "
        "required when spot_enabled.",
    )
    restore_from_s3_on_boot: bool = Field(
        True, description="Go on from the newest checkpoint of the job that verifies."
    )
    poll_interval_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        2, description="How often the metadata service is asked."
    )
    checkpoint_deadline_seconds: Annotated[int, Field(gt=0)] = Field(
        60, description="Time a checkpoint may take; at a notice, counted from its detection."
    )
    checkpoint_interval_seconds: Annotated[int, Field(ge=0)] = Field(
        300, description="Time between periodic checkpoints; 0 turns them off."
    )
    checkpoint_keep: Annotated[int, Field(ge=1)] = Field(
        3, description="Checkpoints kept on the instance's disk; S3 keeps all."
    )
    use_rebalance_recommendation: bool = Field(
        True, description="On a rebalance recommendation, checkpoint and ship, and train on."
    )
    instance_initiated_shutdown_behavior: Literal["terminate"] = Field(
        "terminate", description="What EC2 does when the machine powers itself off."
    )
    auto_terminate: bool = Field(True, description="Power off after a finalization that succeeded.")
    on_upload_failure: Literal["keep", "terminate"] = Field(
        "keep", description="What becomes of the machine when a finalization failed."
    )
    relaunch_on_interruption: bool = Field(
        True, description="Auto Scaling starts a new instance, which resumes."
    )
    max_fruitless_runs: Annotated[int, Field(ge=1)] = Field(
        3, description="Runs in a row without a new checkpoint after which a job is given up."
    )
    restore_give_up_seconds: Annotated[int, Field(ge=0)] = Field(
        3600,
        description="Time a history that can't be read or verified is tried; then the job is given "
        "up; 0: for ever.",
    )
    max_job_hours: Annotated[float, Field(ge=0)] = Field(
        0, description="Hours of all machines of a job after which it is given up; 0: no limit."
    )
    max_failed_runs: Annotated[int, Field(ge=1)] = Field(
        3, description="Runs in a row that the trainer itself ended after which a job is given up."
    )
    stalled_after_seconds: Annotated[int, Field(ge=0)] = Field(
        1800, description="A trainer without progress for so long is ended, and failed; 0: never."
    )
    trainer_command: _Words = Field(
        ["/opt/dxnn-agent/erlang/bin/dxnn-train"], description="The trainer, as a list of words."
    )
    trainer_directory: _File = Field(
        Path("/opt/dxnn"), description="The trainer's working directory."
    )
    checkpoint_command: _Words | None = Field(
        None,
        description="Writes the file named by DXNN_CHECKPOINT_PATH; "
        "left out, the Erlang node is asked.",
    )
    artifacts: list[_Glob] = Field(
        ["benchmarks/**"],
        description="Globs below trainer_directory of what finalize uploads where the run "
        "changed it.",
    )
    checkpoint_dir: _File = Field(
        Path("/var/lib/dxnn/checkpoints"), description="Where dumps lie on the instance."
    )
    state_dir: _File = Field(
        Path("/var/lib/dxnn"), description="Where the run keeps how far it has come."
    )
    log_file: _File = Field(Path("/var/log/dxnn-run.log"), description="The run's log.")
    lock_file: _File = Field(
        Path("/var/lock/dxnn.finalize.lock"), description="Lets one finalization run at a time."
    )
    erlang_node: _Node = Field("dxnn@127.0.0.1", description="Name of the trainer's Erlang node.")
    erlang_cookie_file: _File = Field(
        Path("/var/lib/dxnn/.erlang.cookie"), description="Erlang's secret, made when missing."
    )
    poweroff_command: _Words = Field(
        ["poweroff"], description="What powers the machine off, as a list of words."
    )


@dataclass(frozen=True)
class _Given:
    """A raw value and where it came from, in words."""

    value: object
    source: str
    typed: bool


def option_name(key: str) -> str:
    """The command line option of a setting, `--s3-bucket` for `s3_bucket`."""
    return f"--{key.replace('_', '-')}"


def is_list(field: FieldInfo) -> bool:
    """Whether a setting is a list, which options and the environment give as words or JSON."""
    annotation = field.annotation
    members = getattr(annotation, "__args__", ())
    return any(get_origin(_bare(member)) is list for member in (annotation, *members))


def load(
    options: Mapping[str, object], environ: Mapping[str, str], config: Path | None = None
) -> Settings:
    """Settle every setting: option beats environment beats file beats default.

    `options` holds what was given on the command line, by setting name. Raises UsageError that
    names key, value and source of everything that is wrong.
    """
    given: dict[str, _Given] = {}
    problems: list[str] = []
    for key, value, source in _file_values(config):
        _take(given, problems, key, _Given(value, source, typed=True))
    for variable, text in sorted(environ.items()):
        if variable.startswith(ENV_PREFIX) and variable not in _TOLD_TO_CHILDREN:
            key = variable.removeprefix(ENV_PREFIX)
            source = f"environment variable {variable}"
            if key != key.upper():
                problems.append(f"{source} is no setting: write {variable.upper()}")
                continue
            _take(given, problems, key.lower(), _Given(text, source, typed=False))
    for key, value in options.items():
        given[key] = _Given(value, f"option {option_name(key)}", typed=False)

    values: dict[str, Any] = {}
    for key, found in given.items():
        try:
            values[key] = _checked(Settings.model_fields[key], found)
        except ValidationError as error:
            reasons = sorted({_reason(part["msg"], part["type"]) for part in error.errors()})
            problems.append(f"{key} = {found.value!r} ({found.source}): {'; '.join(reasons)}")
    if not problems:
        problems += _missing(values)
    if problems:
        raise UsageError("\n".join(problems))
    return Settings.model_construct(**_with_defaults(values))


def _take(given: dict[str, _Given], problems: list[str], key: str, found: _Given) -> None:
    if key in Settings.model_fields:
        given[key] = found
        return
    near = difflib.get_close_matches(key, Settings.model_fields, n=1)
    hint = f"did you mean {near[0]}?" if near else "the README lists the settings"
    problems.append(f"{key} = {found.value!r} ({found.source}): no such setting; {hint}")


def _file_values(config: Path | None) -> list[tuple[str, object, str]]:
    path = config or next((path for path in CONFIG_FILES if path.is_file()), None)
    if path is None:
        return []
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"settings file {path} can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"settings file {path} is not TOML: {error}") from error
    return [(key, value, f"file {path}") for key, value in content.items()]


def _checked(field: FieldInfo, given: _Given) -> object:
    whole: Any = (
        Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    )
    adapter: TypeAdapter[object] = TypeAdapter(whole)
    if given.typed:
        # JSON's rules, strictly: a TOML string is no number, but it may well be a path.
        # A TOML date has no counterpart there and no setting takes one.
        return adapter.validate_json(json.dumps(given.value, default=lambda _: {}), strict=True)
    if isinstance(given.value, str):
        if is_list(field):
            return adapter.validate_python(_words(given.value))
        return adapter.validate_strings(given.value)
    return adapter.validate_python(given.value)


def _words(text: str) -> object:
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
    try:
        return shlex.split(text)
    except ValueError:
        return text


def _reason(message: str, kind: str) -> str:
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _missing(values: Mapping[str, Any]) -> list[str]:
    """Say what is required of these values and not there."""
    needs: list[tuple[str, str]] = []
    if values.get("spot_enabled", True):
        needs += [("s3_bucket", "spot_enabled"), ("container_name", "spot_enabled")]
    if values.get("restore_from_s3_on_boot", True):
        needs += [("job_id", "restore_from_s3_on_boot")]
    return [
        f"{key} is missing: it is required when {switch} is true; give it as "
        f"{option_name(key)}, {ENV_PREFIX}{key.upper()} or {key} in {CONFIG_FILES[0]}"
        for key, switch in needs
        if key not in values
    ]


def _with_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {key: field.get_default() for key, field in Settings.model_fields.items()}
    return {**defaults, **values}


def _bare(annotation: object) -> object:
    return annotation.__origin__ if get_origin(annotation) is Annotated else annotation  # type: ignore[attr-defined]
