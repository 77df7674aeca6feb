"""Writes the table of docs/settings.md from the agent's settings: `make docs`."""

import json
from pathlib import Path

from pydantic.fields import FieldInfo

from dxnn_agent.settings import Settings

PAGE = Path(__file__).parent / "settings.md"

_HEAD = "| setting | default | meaning |\n| --- | --- | --- |\n"


def page(now: str) -> str:
    """Return the page with its table made anew."""
    before, _, rest = now.partition(_HEAD)
    _, _, after = rest.partition("\n\n")
    rows = "\n".join(_row(key, field) for key, field in Settings.model_fields.items())
    return f"{before}{_HEAD}{rows}\n\n{after}"


def _row(key: str, field: FieldInfo) -> str:
    default = field.get_default()
    if default is None:
        shown = ""
    elif isinstance(default, str | Path):
        shown = f"`{default}`"
    else:
        shown = f"`{json.dumps(default)}`"
    return f"| `{key}` | {shown} | {field.description} |".replace("|  |", "| |")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
