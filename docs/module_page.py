"""Writes docs/module.md, the modules' inputs and outputs: `make docs`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "module.md"

_BLOCK = r'(?ms)^{kind} "(\w+)" {{\n(.*?)^}}$'
_HEADING = re.compile(r"(?m)^# ([A-Z].*)\n\n")
_DEFAULT = re.compile(r"(?m)^  default +=(?: (.*))$")
_OPTIONAL = re.compile(r'optional\((\w+(?:\(\w+\))?), (?:"[^"]*"|\[\])\)')


@dataclass(frozen=True)
class Variable:
    """A variable as its file declares it; `default` is None where a value has to be given."""

    name: str
    heading: str
    type: str
    default: str | None
    description: str


def variables(file: Path) -> list[Variable]:
    """Return a file's variables in their order; `heading` is the comment that they stand under."""
    import hcl2

    text = file.read_text(encoding="utf-8")
    parsed = {
        name.strip('"'): block
        for entry in hcl2.loads(text)["variable"]
        for name, block in entry.items()
    }
    headings = [(found.start(), found[1]) for found in _HEADING.finditer(text)]
    return [
        Variable(
            found[1],
            next((heading for start, heading in reversed(headings) if start < found.start()), ""),
            _bare(parsed[found[1]]["type"]),
            _default(found[2]),
            _text(parsed[found[1]]["description"]),
        )
        for found in re.finditer(_BLOCK.format(kind="variable"), text)
    ]


def outputs(file: Path) -> dict[str, str]:
    """Return a file's outputs with their descriptions."""
    import hcl2

    with file.open(encoding="utf-8") as opened:
        entries = hcl2.load(opened)["output"]
    return {
        name.strip('"'): _text(block["description"])
        for entry in entries
        for name, block in entry.items()
    }


def attributes(kind: str) -> dict[str, str]:
    """Return the attributes of `map(object({…}))` with their types, without `optional()`."""
    inside = kind.removeprefix("map(object({").removesuffix("}))")
    pairs = (attribute.split(" = ", 1) for attribute in _split(inside))
    return {name: re.sub(r"^optional\((.*)\)$", r"\1", given) for name, given in pairs}


def page() -> str:
    """Return what docs/module.md should hold."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    declared = variables(ROOT / "variables.tf")
    (jobs,) = (each for each in declared if each.name == "jobs")
    for_jobs = attributes(jobs.type)
    yield "# The module's inputs and outputs"
    yield ""
    yield "`make docs` writes this page from `variables.tf`, `outputs.tf` and `bootstrap/`: change"
    yield "these. [Deploying](deploying.md) says what to do with them."
    heading = None
    for each in declared:
        if each.heading != heading:
            heading = each.heading
            yield from ("", f"## {heading}", "")
            yield "| variable | type | default | also for a job | meaning |"
            yield "| --- | --- | --- | --- | --- |"
        kind = "map(object({…}))" if each == jobs else each.type
        own = "yes" if each.name in for_jobs else ""
        yield _row(f"`{each.name}`", f"`{kind}`", _code(each.default), own, each.description)
    yield from ("", "## Outputs", "", "| output | meaning |", "| --- | --- |")
    for name, description in outputs(ROOT / "outputs.tf").items():
        yield _row(f"`{name}`", description)
    yield from ("", "## The bucket's, in `bootstrap/`", "")
    yield from ("| variable | type | default | meaning |", "| --- | --- | --- | --- |")
    for each in variables(ROOT / "bootstrap" / "variables.tf"):
        yield _row(f"`{each.name}`", f"`{each.type}`", _code(each.default), each.description)
    yield from ("", "| output | meaning |", "| --- | --- |")
    for name, description in outputs(ROOT / "bootstrap" / "outputs.tf").items():
        yield _row(f"`{name}`", description)
    yield ""


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _code(default: str | None) -> str:
    return "required" if default is None else f"`{default}`"


def _default(body: str) -> str | None:
    """Return a default as it is written, which is JSON too; of one of many lines, its brackets."""
    found = _DEFAULT.search(body)
    return found and found[1].replace("[{", "[{…}]")


def _bare(kind: Any) -> str:
    """Return a type without what an attribute is where it is left out."""
    return _OPTIONAL.sub(r"optional(\1)", str(kind).removeprefix("${").removesuffix("}"))


def _text(quoted: str) -> str:
    return quoted[1:-1].replace('\\"', '"')


def _split(text: str) -> Iterator[str]:
    """Yield what commas part, but for those within brackets."""
    depth, begin = 0, 0
    for place, sign in enumerate(text):
        depth += (sign in "({[") - (sign in ")}]")
        if sign == "," and depth == 0:
            yield text[begin:place].strip()
            begin = place + 1
    yield text[begin:].strip()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
