"""A checkout like a user's, of a DXNN that takes its time."""

import shutil
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def checkout(directory: Path) -> Path:
    """Make the checkout in a new directory, and return that."""
    shutil.copytree(_ROOT / "erlang/trainer", directory)
    edit(directory / "config.erl", '"XOR_GENERATION_MS", 0, 0', '"XOR_GENERATION_MS", 0, 100')
    edit(directory / "config.erl", '"XOR_POPULATION", 20', '"XOR_POPULATION", 50')
    edit(directory / "config.erl", '"XOR_RUNS", 3', '"XOR_RUNS", 5')
    return directory


def edit(file: Path, before: str, after: str) -> None:
    """Replace the first occurrence of a text, which has to be there."""
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after, 1), encoding="utf-8")
