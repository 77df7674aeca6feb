"""The user's own DXNN as a trainer, with its training cut short so that it completes."""

import re
import shutil
from pathlib import Path

from rehearsal import progress
from rehearsal.errors import RehearsalError
from rehearsal.trainers import Trainer

# Where a DXNN says how long it trains: a function of config.erl, or a field of a record in
# benchmarker.erl.
_PLACES = ("config.erl", "src/config.erl", "benchmarker.erl", "src/benchmarker.erl")
_LENGTHS = {
    name: re.compile(
        rf"^(?P<before>[^%\n]*?\b{name}(?:\(\)\s*->\s*|\s*=\s*))(?P<value>\d+)", re.MULTILINE
    )
    for name in ("tot_runs", "evaluations_limit")
}
_PAIR = re.compile(r"^(primary_currency_pair\(\)\s*->\s*)'([^']+)'\s*\.", re.MULTILINE)

# A run of so many evaluations takes long enough to be interrupted in its middle.
_LONG_RUN = 1000
_MOST_EVALUATIONS = 30_000
_RUNS_OF_LONG_ONES = 2
_RUNS_OF_SHORT_ONES = 40


def trainer(checkout: Path, runs: int | None) -> Trainer:
    """Train so many runs with a checkout of DXNN, which is only read; None: as many as fit.

    Raises RehearsalError.
    """
    if not any((checkout / path).is_file() for path in ("benchmarker.erl", "src/benchmarker.erl")):
        raise RehearsalError(
            f"{checkout} holds no benchmarker.erl: --trainer takes a checkout of DXNN; "
            "for any other program add --trainer-command and --checkpoint-command"
        )
    texts = {
        place: (checkout / place).read_text(encoding="latin-1")
        for place in _PLACES
        if (checkout / place).is_file()
    }
    notes: list[str] = []
    changed = _traded(_shortened(texts, runs, notes), checkout, notes)

    def copy(target: Path) -> None:
        shutil.copytree(checkout, target, ignore=shutil.ignore_patterns(".git", "Mnesia.*"))
        for place, text in changed.items():
            if text != texts[place]:
                (target / place).write_text(text, encoding="latin-1")

    return Trainer(
        name=f"DXNN from {checkout}",
        copy=copy,
        patched=True,
        environment={},
        told=progress.dxnn_told,
        notes=tuple(notes),
    )


def _shortened(texts: dict[str, str], runs: int | None, notes: list[str]) -> dict[str, str]:
    """Change the sources so that training ends after so many runs, and say what was changed."""
    lengths = {
        name: int(found["value"])
        for name, pattern in _LENGTHS.items()
        for text in texts.values()
        if (found := pattern.search(text))
    }
    evaluations = min(lengths.get("evaluations_limit", 0), _MOST_EVALUATIONS)
    usual = _RUNS_OF_LONG_ONES if evaluations >= _LONG_RUN else _RUNS_OF_SHORT_ONES
    wanted = {"tot_runs": runs or usual, "evaluations_limit": evaluations}
    changed = dict(texts)
    for name, theirs in lengths.items():
        if wanted[name] == theirs:
            continue
        notes.append(f"{name} is {wanted[name]} in the rehearsal's copy, {theirs} in yours")
        for place, text in changed.items():
            changed[place] = _LENGTHS[name].sub(rf"\g<before>{wanted[name]}", text)
    return changed


def _traded(texts: dict[str, str], checkout: Path, notes: list[str]) -> dict[str, str]:
    """Let it trade on prices that are there, and say so; without, every agent crashes.

    Raises RehearsalError where the checkout has none.
    """
    pair = next((found for text in texts.values() if (found := _PAIR.search(text))), None)
    tables = checkout / "fx_tables"
    if pair is None or (tables / f"{pair[2]}.txt").is_file():
        return texts
    other = next((path.stem for path in sorted(tables.glob("*.txt"))), None)
    if other is None:
        raise RehearsalError(f"{tables} holds no {pair[2]}.txt: there is nothing to trade on")
    notes.append(
        f"primary_currency_pair is {other} in the rehearsal's copy: yours is {pair[2]}, "
        f"and {tables / pair[2]}.txt is not there"
    )
    return {place: _PAIR.sub(rf"\g<1>'{other}'.", text) for place, text in texts.items()}
