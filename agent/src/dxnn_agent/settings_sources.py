"""Where each setting's value comes from, and what is wrong with it.

pydantic-settings would read the same sources, but its errors don't name the one that a value came
from, which every refusal here does.
"""

import difflib
import json
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from dxnn_agent.errors import UsageError
from dxnn_agent.settings import Settings

ENV_PREFIX = "DXNN_"
CONFIG_FILES = (Path("dxnn.toml"), Path("/etc/dxnn/agent.toml"))

# What the agent itself tells trainers and checkpoint commands, beside settings.
_TOLD_TO_CHILDREN = {
    "DXNN_RUN_ID",
    "DXNN_CHECKPOINT_PATH",
    "DXNN_RESTORE_PATH",
    "DXNN_BEGIN_RUN_ANEW",
}


@dataclass(frozen=True)
class _RawValue:
    """A value as it was given, and where it came from, in words."""

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
    raws: dict[str, _RawValue] = {}
    problems: list[str] = []
    for key, value, source in _file_values(config):
        _take(raws, problems, key, _RawValue(value, source, typed=True))
    for variable, text in sorted(environ.items()):
        if variable.startswith(ENV_PREFIX) and variable not in _TOLD_TO_CHILDREN:
            key = variable.removeprefix(ENV_PREFIX)
            source = f"environment variable {variable}"
            if key != key.upper():
                problems.append(f"{source} is no setting: write {variable.upper()}")
                continue
            _take(raws, problems, key.lower(), _RawValue(text, source, typed=False))
    for key, value in options.items():
        raws[key] = _RawValue(value, f"option {option_name(key)}", typed=False)

    values: dict[str, Any] = {}
    for key, raw in raws.items():
        try:
            values[key] = _checked(Settings.model_fields[key], raw)
        except ValidationError as error:
            reasons = sorted({_reason(part["msg"], part["type"]) for part in error.errors()})
            problems.append(f"{key} = {raw.value!r} ({raw.source}): {'; '.join(reasons)}")
    if not problems:
        problems += _missing(values)
    if problems:
        raise UsageError("\n".join(problems))
    return Settings.model_construct(**_with_defaults(values))


def _take(raws: dict[str, _RawValue], problems: list[str], key: str, raw: _RawValue) -> None:
    if key in Settings.model_fields:
        raws[key] = raw
        return
    near = difflib.get_close_matches(key, Settings.model_fields, n=1)
    hint = f"did you mean {near[0]}?" if near else "the README lists the settings"
    problems.append(f"{key} = {raw.value!r} ({raw.source}): no such setting; {hint}")


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


def _checked(field: FieldInfo, raw: _RawValue) -> object:
    whole: Any = (
        Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    )
    adapter: TypeAdapter[object] = TypeAdapter(whole)
    if raw.typed:
        # JSON's rules, strictly: a TOML string is no number, but it may well be a path.
        # A TOML date has no counterpart there and no setting takes one.
        return adapter.validate_json(json.dumps(raw.value, default=lambda _: {}), strict=True)
    if isinstance(raw.value, str):
        if is_list(field):
            return adapter.validate_python(_words(raw.value))
        return adapter.validate_strings(raw.value)
    return adapter.validate_python(raw.value)


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
