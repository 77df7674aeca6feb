"""How far a trainer says it is, by the lines it prints; what they look like is its own."""

import re
from collections.abc import Iterable

_XOR_RUN = re.compile(r"experiment run (\d+) of (\d+)")
_XOR_GENERATION = re.compile(r"generation (\d+) (best_fitness [\d.]+)")
_DXNN_RUN = re.compile(r"(\*+ )?population monitor started", re.IGNORECASE)

_MOST_CHARACTERS = 60


def last_line(lines: Iterable[str]) -> str | None:
    """Give what any program said last, cut where it is long."""
    last = None
    for line in lines:
        last = line
    return last and last[:_MOST_CHARACTERS]


def xor_told(lines: Iterable[str]) -> str | None:
    """Say where the XOR trainer is: run, generation and best fitness."""
    run, last = 1, None
    for line in lines:
        if found := _XOR_RUN.match(line):
            run = int(found[1])
        elif found := _XOR_GENERATION.match(line):
            last = f"run {run} generation {found[1]} {found[2].replace('_', ' ')}"
    return last


def dxnn_told(lines: Iterable[str]) -> str | None:
    """Say which run of its experiment DXNN is in, counted from its start on this instance."""
    begun = dxnn_runs(lines)
    return f"run {begun} since it was started here" if begun else None


def dxnn_runs(lines: Iterable[str]) -> int:
    """Count the runs of its experiment that DXNN has begun since it was started."""
    return sum(bool(_DXNN_RUN.match(line)) for line in lines)
