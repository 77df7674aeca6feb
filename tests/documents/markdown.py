"""Reads what a document shows that is to be typed.

- A block marked `sh` holds commands and comments, and nothing else.
- A block marked `console` holds commands after `$ `, and what they print; where that tells to type
  a command next, it counts, too.
- A span of code in a text or a table is a command where it begins with a program's name and goes
  on: `make demo` is one, `terraform` is not.

Any other block is no place for commands, and a command is no place for an ellipsis.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

_PROGRAMS = (
    r"(?:\S*/)?(?:make|packer|terraform|aws|dxnn-(?:agent|build|check|patch|train)|python3?|pip)",
    r"sudo|systemctl|journalctl|systemd-\w+|apt-get|tail|cat|ssh|git|curl|export",
    r"packer/scripts/\S+",
)
_COMMAND = re.compile(rf"(?:{'|'.join(_PROGRAMS)})\s+\S|\w+=\$\(")
_ELLIPSIS = "…"
_PROMPT = "$ "


@dataclass(frozen=True)
class Shown:
    """A command as a document shows it, and the line of the document where it begins."""

    text: str
    line: int

    @property
    def name(self) -> str:
        """The command in one line, by which it is known; a trailing comment is no part of it."""
        return " ".join(re.sub(r"\\\n", " ", re.sub(r"\s+# .*$", "", self.text)).split())


@dataclass(frozen=True)
class Wrong:
    """Something in a document that is neither a command nor clearly none."""

    line: int
    what: str


def read(document: str) -> Iterator[Shown | Wrong]:
    """Yield each command of a document in the order of reading, and what is wrong with it."""
    for token in MarkdownIt("commonmark").enable("table").parse(document):
        for found in _found(token):
            if isinstance(found, Shown) and _ELLIPSIS in found.text:
                yield Wrong(found.line, f"has an ellipsis: {found.text}")
            else:
                yield found


def _found(token: Token) -> Iterator[Shown | Wrong]:
    line = token.map[0] + 1 if token.map else 0
    if token.type == "inline":
        for child in token.children or ():
            if child.type == "code_inline" and _COMMAND.match(child.content):
                yield Shown(child.content, line)
    elif token.type == "fence" and token.info in {"sh", "console"}:
        lines = _joined(token.content, line + 1)
        yield from (_of_shell if token.info == "sh" else _of_console)(lines)
    elif token.type in {"fence", "code_block"}:
        first = line + (token.type == "fence")
        for number, text in enumerate(token.content.splitlines(), first):
            if _COMMAND.match(text) or text.startswith(_PROMPT):
                yield Wrong(
                    number, f"a command in a block that is not marked sh or console: {text}"
                )


def _of_shell(lines: list[Shown]) -> Iterator[Shown]:
    yield from (one for one in lines if one.text.strip() and not one.text.startswith("#"))


def _of_console(lines: list[Shown]) -> Iterator[Shown]:
    for one in lines:
        if one.text.startswith(_PROMPT):
            yield Shown(one.text.removeprefix(_PROMPT), one.line)
        elif _COMMAND.match(one.text.strip()):
            yield Shown(one.text.strip(), one.line)


def _joined(text: str, first: int) -> list[Shown]:
    """Split a block into lines; one that ends in a backslash goes on in the next."""
    found: list[Shown] = []
    goes_on = False
    for number, line in enumerate(text.splitlines(), first):
        if goes_on:
            found[-1] = Shown(f"{found[-1].text}\n{line}", found[-1].line)
        else:
            found.append(Shown(line, number))
        goes_on = line.endswith("\\")
    return found
