"""What Python knows of the module's variables is what variables.tf says."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from docs import module_page
from dxnn_agent.fleet import values
from dxnn_agent.fleet.attributes import Job, Variables

ROOT = Path(__file__).parents[2]
TYPES = {str: "string", int: "number", float: "number", bool: "bool", list[str]: "list(string)"}
DECLARED = {each.name: each for each in module_page.variables(ROOT / "variables.tf")}


def terraform_type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        annotation = type(get_args(annotation)[0])
    if get_origin(annotation) is list and is_typeddict(get_args(annotation)[0]):
        return f"list({object_type(get_args(annotation)[0])})"
    return "map(string)" if annotation == Mapping[str, str] else TYPES[annotation]


def object_type(attributes: Any) -> str:
    """Write an object's type without what an attribute is where it is left out."""
    kinds = {
        key: kind if key in attributes.__required_keys__ else f"optional({kind})"
        for key, kind in described(attributes).items()
    }
    return f"object({{{', '.join(f'{key} = {kind}' for key, kind in kinds.items())}}})"


def described(attributes: type) -> dict[str, str]:
    return {key: terraform_type(kind) for key, kind in get_type_hints(attributes).items()}


def test_the_variables() -> None:
    said = {name: each.type for name, each in DECLARED.items() if name != "jobs"}
    assert described(Variables) == said


def test_what_has_no_default_is_required() -> None:
    required = {name for name, each in DECLARED.items() if each.default is None}
    assert Variables.__required_keys__ == required - {"jobs"}


def test_the_attributes_of_a_job() -> None:
    assert described(Job) == module_page.attributes(DECLARED["jobs"].type)


@pytest.mark.parametrize(
    ("key", "kind"), [*get_type_hints(Variables).items(), *get_type_hints(Job).items()]
)
def test_choices_are_those_of_the_validation(key: str, kind: Any) -> None:
    if get_origin(kind) is Literal:
        text = (ROOT / "variables.tf").read_text(encoding="utf-8")
        _, rule = text.split(f'variable "{key}" {{')[1].split("condition", 1)
        assert set(get_args(kind)) == set(re.findall(r'"(\w+)"', rule.split("error_message")[0]))


def test_the_name_that_ids_are_measured_with() -> None:
    assert DECLARED["name"].default == f'"{values.DEFAULT_NAME}"'
