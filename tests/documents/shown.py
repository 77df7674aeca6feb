"""The documents, the folder in which each has its commands typed, and what they show."""

import functools
from dataclasses import dataclass
from pathlib import Path

from tests.documents.markdown import Shown, Wrong, read

ROOT = Path(__file__).parents[2]

# A document that says nothing else has its commands typed in the clone's root.
_FOLDERS = {"erlang/README.md": "erlang"}


@dataclass(frozen=True, order=True)
class Command:
    """A command as it is known: its folder in the clone, and its text in one line."""

    folder: str
    name: str


def documents() -> list[Path]:
    """List every document for people, by its place in the repository."""
    found = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("[a-z]*/**/README.md"),
    ]
    return sorted(one.relative_to(ROOT) for one in found)


@functools.cache
def commands() -> dict[Command, dict[str, Shown]]:
    """Give every command with the places that show it, `document:line`."""
    found: dict[Command, dict[str, Shown]] = {}
    for place, one in _everything():
        if isinstance(one, Shown):
            document = place.rpartition(":")[0]
            command = Command(_FOLDERS.get(document, ""), one.name)
            found.setdefault(command, {})[place] = one
    return found


def wrong() -> list[str]:
    """Say what in the documents is neither a command nor clearly none."""
    return [f"{place} {one.what}" for place, one in _everything() if isinstance(one, Wrong)]


@functools.cache
def _everything() -> list[tuple[str, Shown | Wrong]]:
    return [
        (f"{document}:{one.line}", one)
        for document in documents()
        for one in read((ROOT / document).read_text(encoding="utf-8"))
    ]
