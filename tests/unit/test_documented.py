"""What the agent knows and the documentation does not tell fails here."""

import json
from pathlib import Path

import pytest
from typer.main import get_command

from dxnn_agent.cli import app
from dxnn_agent.errors import ExitCode
from dxnn_agent.log import State
from dxnn_agent.settings import Settings

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("key", Settings.model_fields)
def test_every_setting_stands_in_the_table_with_its_default(key: str) -> None:
    default = Settings.model_fields[key].get_default()
    if default is None:
        shown = ""
    elif isinstance(default, str | Path):
        shown = f"`{default}`"
    else:
        shown = f"`{json.dumps(default)}`"
    assert f"| `{key}` | {shown} |".replace("|  |", "| |") in page("docs/settings.md")


@pytest.mark.parametrize("command", sorted(get_command(app).commands))  # type: ignore[attr-defined]
def test_every_command_stands_in_the_readme(command: str) -> None:
    assert f"`dxnn-agent {command}`" in page("README.md")


def test_every_log_state_is_told() -> None:
    told = page("docs/operating.md").split()
    assert {state.value for state in State} <= {word.strip("`.,") for word in told}


def test_every_exit_code_is_told() -> None:
    for code in ExitCode:
        assert f"| {code.value} | " in page("docs/operating.md")
