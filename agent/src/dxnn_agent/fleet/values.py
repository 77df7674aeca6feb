"""What one value of a sweep should be, by the rules of the agent's settings and the module."""

import difflib
import functools
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from dxnn_agent.fleet.attributes import Job, Variables
from dxnn_agent.settings import Settings

JOB_TYPES = get_type_hints(Job)
VARIABLE_TYPES = get_type_hints(Variables)

# The default of the module's variable `name`.
DEFAULT_NAME = "dxnn"
# Of a role's name: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
LONGEST_NAME = 64

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
ID_RULE = "should be letters and digits, and after the first also dots, dashes and underscores"
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def unknown(key: str, known: Mapping[str, Any], kind: str) -> str | None:
    """Say that there is no such key, and which one may have been meant."""
    if key in known:
        return None
    near = difflib.get_close_matches(key, known, n=1)
    return f"no such {kind}; {f'did you mean {near[0]}?' if near else f'there are {_list(known)}'}"


def wrong(key: str, value: object) -> str | None:
    """Say what is wrong with the value of a job's attribute or of a variable, if anything is."""
    try:
        # As JSON, strictly, as the agent reads its TOML: "1" is no number, a date is nothing.
        _adapter(key).validate_json(json.dumps(value, default=lambda _: {}), strict=True)
    except ValidationError as error:
        return "; ".join(sorted({_reason(part["msg"]) for part in error.errors()}))
    return None


@functools.cache
def _adapter(key: str) -> TypeAdapter[object]:
    field = Settings.model_fields.get(key)
    if field is None:
        return TypeAdapter(JOB_TYPES.get(key) or VARIABLE_TYPES[key])
    # A setting of the agent: by its own rules.
    kind: Any = field.annotation
    return TypeAdapter(Annotated[kind, *field.metadata] if field.metadata else kind)


def wrong_name(name: str) -> str | None:
    """Say what is wrong with the name of a variable in the trainer's environment."""
    if not _ENVIRONMENT_NAME.fullmatch(name):
        return "should be letters, digits and underscores, and not begin with a digit"
    if name.startswith("DXNN_"):
        return "names that begin with DXNN_ are the agent's own"
    return None


def wrong_text(value: object) -> str | None:
    """Say what is wrong with a value in the trainer's environment."""
    if not isinstance(value, str | int | float):
        return "should be text, a number, true or false"
    if isinstance(value, str) and re.search(r"[\0\r\n]", value):
        return "should be one line"
    return None


def wrong_id(job_id: str, name: str) -> str | None:
    """Say what is wrong with a job's id, given what the names of all resources begin with."""
    if not ID.fullmatch(job_id):
        return ID_RULE
    full = f"{name}-{job_id}"
    if len(full) > LONGEST_NAME:
        return (
            f"{full!r}, which would name its resources, has {len(full)} characters and should "
            f"have at most {LONGEST_NAME}"
        )
    return None


def _reason(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _list(known: Mapping[str, Any]) -> str:
    return ", ".join(sorted(known))
