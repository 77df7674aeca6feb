"""How far a trainer says it is, and whether a second instance went on from where the dump was.

Every function reads the lines a trainer printed; what they look like is that trainer's own.
"""

import re
from collections.abc import Iterable, Sequence

_XOR_RUN = re.compile(r"experiment run (\d+) of (\d+)")
_XOR_GENERATION = re.compile(r"generation (\d+) (best_fitness [\d.]+)")
_XOR_RESUMED = re.compile(r"resumed at generation (\d+)")
_DXNN_RUN = re.compile(r"\*+ Population monitor started")

_MOST_CHARACTERS = 60

Position = tuple[int, int]


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


def xor_positions(lines: Iterable[str]) -> list[Position]:
    """List the (run, generation) pairs the XOR trainer went through, or resumed at, in order."""
    run, found = 1, []
    for line in lines:
        if match := _XOR_RUN.match(line):
            run = int(match[1])
        elif match := _XOR_GENERATION.match(line) or _XOR_RESUMED.match(line):
            found.append((run, int(match[1])))
    return found


def xor_continued(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Name what speaks against the second XOR trainer having gone on where the first was."""
    before, after = xor_positions(first), xor_positions(second)
    if not before or not after:
        return ["one of the trainers trained no generation"]
    problems = []
    if not any(map(_XOR_RESUMED.match, second)):
        problems.append("the second trainer never said that it resumed")
    if after[0] <= (1, 1):
        problems.append("the second trainer began from zero")
    if after[0] > before[-1]:
        problems.append(f"the second trainer began at {after[0]}, the first got to {before[-1]}")
    return problems


def dxnn_told(lines: Iterable[str]) -> str | None:
    """Say which run of its experiment DXNN is in, counted from its start on this instance."""
    begun = dxnn_runs(lines)
    return f"run {begun} since it was started here" if begun else None


def dxnn_runs(lines: Iterable[str]) -> int:
    """Count the runs of its experiment that DXNN has begun since it was started."""
    return sum(bool(_DXNN_RUN.match(line)) for line in lines)


def dxnn_continued(second: Sequence[str], run_index: int, tot_runs: int) -> list[str]:
    """Name what speaks against DXNN having gone on from the run its dump was taken in.

    `run_index` is the experiment's in the dump, counted from 1: runs before it are not run again.
    """
    expected = tot_runs - run_index + 1
    if run_index <= 1:
        return ["the dump was taken in the first run, so nothing can be told"]
    begun = dxnn_runs(second)
    return [] if begun == expected else [f"it began {begun} runs, {expected} were left to do"]
