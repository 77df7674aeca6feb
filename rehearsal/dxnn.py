"""The user's own DXNN as a trainer, with its training cut short so that it completes."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rehearsal import progress
from rehearsal.errors import RehearsalError
from rehearsal.trainers import Trainer

_CONFIGS = ("config.erl", "src/config.erl")
_TOT_RUNS = re.compile(r"^(tot_runs\(\)\s*->\s*)(\d+)\s*\.", re.MULTILINE)
_PAIR = re.compile(r"^(primary_currency_pair\(\)\s*->\s*)'([^']+)'\s*\.", re.MULTILINE)

# Prints run_index of the experiment in a mnesia backup: the eighth element of DXNN's record. What
# changed while the backup was written is also there as {Table, Key}, to be deleted.
_RUN_INDEX = """
[File] = init:get_plain_arguments(),
{ok, Found} = mnesia:traverse_backup(File, mnesia_backup, dummy, read_only,
    fun(Record, Indexes) when element(1, Record) =:= experiment, tuple_size(Record) > 2 ->
            {[Record], [element(8, Record) | Indexes]};
       (Record, Indexes) -> {[Record], Indexes}
    end, []),
io:format("~w", [lists:max(Found)]), halt().
"""


def trainer(checkout: Path, runs: int) -> Trainer:
    """Train so many runs with a checkout of DXNN, which is only read. Raises RehearsalError."""
    if not any((checkout / path).is_file() for path in ("benchmarker.erl", "src/benchmarker.erl")):
        raise RehearsalError(
            f"{checkout} holds no benchmarker.erl: --trainer takes a checkout of DXNN; "
            "for any other program add --trainer-command and --checkpoint-command"
        )
    config = next((checkout / path for path in _CONFIGS if (checkout / path).is_file()), None)
    whole = config.read_text(encoding="latin-1") if config else ""
    text, notes = shortened(whole, checkout, runs)

    def copy(target: Path) -> None:
        shutil.copytree(checkout, target, ignore=shutil.ignore_patterns(".git", "Mnesia.*"))
        if config:
            (target / config.relative_to(checkout)).write_text(text, encoding="latin-1")

    def continued(_first: Sequence[str], second: Sequence[str], dump: Path | None) -> list[str]:
        if dump is None:
            return ["no dump was restored"]
        try:
            return progress.dxnn_continued(second, run_index(dump), runs)
        except RehearsalError as error:
            return [str(error)]

    return Trainer(
        name=f"DXNN from {checkout}",
        copy=copy,
        patched=True,
        environment={},
        told=progress.dxnn_told,
        continued=continued if _TOT_RUNS.search(text) else None,
        arguments=_startup(text, checkout),
        notes=notes,
    )


def shortened(config: str, checkout: Path, runs: int) -> tuple[str, tuple[str, ...]]:
    """Change the text of config.erl so that training ends after so many runs; say what changed.

    Raises RehearsalError where the prices to trade on are not in the checkout.
    """
    notes = []
    if found := _TOT_RUNS.search(config):
        config = _TOT_RUNS.sub(rf"\g<1>{runs}.", config)
        notes.append(f"tot_runs is {runs} in the rehearsal's copy, {found[2]} in yours")
    pair = _PAIR.search(config)
    tables = checkout / "fx_tables"
    # A table without its text file stays empty, and every agent that looks into it crashes.
    if pair and not (tables / f"{pair[2]}.txt").is_file():
        other = next((path.stem for path in sorted(tables.glob("*.txt"))), None)
        if other is None:
            raise RehearsalError(f"{tables} holds no {pair[2]}.txt: there is nothing to trade on")
        config = _PAIR.sub(rf"\g<1>'{other}'.", config)
        notes.append(
            f"primary_currency_pair is {other} in the rehearsal's copy: yours is {pair[2]}, "
            f"and {tables / pair[2]}.txt is not there"
        )
    return config, tuple(notes)


def run_index(dump: Path) -> int:
    """Read the run that DXNN's experiment was in from a dump. Raises RehearsalError."""
    done = subprocess.run(
        ["erl", "-noinput", "-eval", _RUN_INDEX, "-extra", str(dump)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "ERL_CRASH_DUMP_BYTES": "0"},
    )
    if done.returncode != 0 or not done.stdout.isdigit():
        raise RehearsalError(f"{dump} is no mnesia backup that holds an experiment of DXNN's")
    return int(done.stdout)


def _startup(config: str, checkout: Path) -> tuple[str, ...]:
    """Say what a trading DXNN needs before it can start: its prices, loaded."""
    pair = _PAIR.search(config)
    if not pair or not (checkout / "fx.erl").is_file():
        return ()
    return ("--startup", f"fx:init(), fx:start(), dxnn_launcher:wait_for_table('{pair[2]}')")
