"""What the agent knows and the documentation does not tell fails here."""

from pathlib import Path

import pytest
from typer.main import get_command

from docs import settings_page
from dxnn_agent.cli import app
from dxnn_agent.errors import ExitCode
from dxnn_agent.log import State
from dxnn_agent.settings import Settings

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_setting_stands_in_the_table_as_it_is() -> None:
    written = page("docs/settings.md")
    assert settings_page.page(written) == written, "make docs writes it anew"
    for key in Settings.model_fields:
        assert f"| `{key}` |" in written


@pytest.mark.parametrize("command", sorted(get_command(app).commands))  # type: ignore[attr-defined]
def test_every_command_stands_in_the_readme(command: str) -> None:
    assert f"`dxnn-agent {command}`" in page("README.md")


def test_every_log_state_is_told() -> None:
    told = page("docs/operating.md").split()
    assert {state.value for state in State} <= {word.strip("`.,") for word in told}


def test_every_exit_code_is_told() -> None:
    for code in ExitCode:
        assert f"| {code.value} | " in page("docs/operating.md")
