"""What Python knows of the module's variables is what variables.tf says."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import hcl2
import pytest

from dxnn_agent.fleet import values
from dxnn_agent.fleet.attributes import Job, Variables

ROOT = Path(__file__).parents[2]
TYPES = {str: "string", int: "number", float: "number", bool: "bool", list[str]: "list(string)"}


def declared() -> dict[str, dict[str, Any]]:
    with (ROOT / "variables.tf").open(encoding="utf-8") as file:
        blocks = hcl2.load(file)["variable"]
    return {name.strip('"'): block for entry in blocks for name, block in entry.items()}


def terraform_type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        annotation = type(get_args(annotation)[0])
    return "map(string)" if annotation == Mapping[str, str] else TYPES[annotation]


def described(attributes: type) -> dict[str, str]:
    return {key: terraform_type(kind) for key, kind in get_type_hints(attributes).items()}


def bare(text: str) -> str:
    return text.removeprefix("${").removesuffix("}")


def test_the_variables() -> None:
    said = {name: bare(block["type"]) for name, block in declared().items()}
    del said["jobs"]
    assert described(Variables) == said


def test_what_has_no_default_is_required() -> None:
    required = {name for name, block in declared().items() if "default" not in block}
    assert Variables.__required_keys__ == required - {"jobs"}


def test_the_attributes_of_a_job() -> None:
    pattern = r"(\w+) = optional\(([a-z]+(?:\([a-z]+\))?)\)"
    assert described(Job) == dict(re.findall(pattern, declared()["jobs"]["type"]))


@pytest.mark.parametrize(
    ("key", "kind"), [*get_type_hints(Variables).items(), *get_type_hints(Job).items()]
)
def test_choices_are_those_of_the_validation(key: str, kind: Any) -> None:
    if get_origin(kind) is Literal:
        rule = declared()[key]["validation"][0]["condition"]
        assert set(get_args(kind)) == set(re.findall(r'"(\w+)"', rule))


def test_the_name_that_ids_are_measured_with() -> None:
    assert declared()["name"]["default"].strip('"') == values.DEFAULT_NAME
