"""Which test types which command, as their sources say by `@pytest.mark.types`.

They are read, not imported: some tests run on their own, as root, or not at all on this machine.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.documents.shown import ROOT, Command

MARKER = "types"


def claims() -> dict[Command, list[str]]:
    """Give every command that a test claims to type, with the tests, `file::function`."""
    found: dict[Command, list[str]] = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for function, command in _of(file):
            found.setdefault(command, []).append(f"{file.relative_to(ROOT)}::{function}")
    return found


def claim(names: tuple[str, ...], folder: str = "") -> list[Command]:
    """Give what a marker with these arguments claims."""
    return [Command(folder, " ".join(name.split())) for name in names]


def _of(file: Path) -> Iterator[tuple[str, Command]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                if _is_marker(decorator):
                    assert isinstance(decorator, ast.Call)
                    names = tuple(ast.literal_eval(one) for one in decorator.args)
                    options = {
                        str(one.arg): ast.literal_eval(one.value) for one in decorator.keywords
                    }
                    for command in claim(names, **options):
                        yield node.name, command


def _is_marker(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith(
        f"mark.{MARKER}"
    )
