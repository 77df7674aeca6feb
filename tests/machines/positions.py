"""How far the XOR trainer is, by what it prints: the run, and its generation by the evaluations."""

import re
from collections.abc import Iterable

_RUN = re.compile(r"experiment run (\d+) of (\d+)")
_EVALUATIONS = re.compile(r"(?:generation \d+ .*evaluations |population monitor started at )(\d+)")

# Evaluations in a generation of the tests' jobs: four agents, three each.
EVALUATIONS = 4 * 3

Position = tuple[int, int]


def passed(lines: Iterable[str]) -> list[tuple[int, Position]]:
    """The positions it went through or resumed at, with the number of the line that says so."""
    run, found = 1, []
    for number, line in enumerate(lines):
        if match := _RUN.match(line):
            run = int(match[1])
        elif (match := _EVALUATIONS.match(line)) and int(match[1]):
            found.append((number, (run, int(match[1]) // EVALUATIONS)))
    return found


def positions(lines: Iterable[str]) -> list[Position]:
    """The positions that it went through or resumed at, in their order."""
    return [position for _, position in passed(lines)]
