"""A checkout of DXNN is recognised, and shortened in a copy."""

from pathlib import Path

import pytest

from rehearsal import dxnn
from rehearsal.errors import RehearsalError

CONFIG = """\
-module(config).
-compile(export_all).
primary_currency_pair() -> 'EURUSD1'.        % Options: 'EURUSD1', 'EURUSD15'
evaluations_limit() -> 50.                    % Options: 10-100000
tot_runs() -> 10000.                             % Options: 1-100
other() -> 7.
"""
# DXNN2 has no config.
BENCHMARKER = """\
start(Id) ->
    PMP = #pmp{evaluations_limit = 100000, fitness_goal = inf},
    %evaluations_limit = 7
    #experiment{pm_parameters=PMP, tot_runs=100, run_index=1}.
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    directory = tmp_path / "checkout"
    (directory / "fx_tables").mkdir(parents=True)
    (directory / "fx_tables/EURUSD1.txt").write_text("", encoding="utf-8")
    (directory / "config.erl").write_text(CONFIG, encoding="utf-8")
    (directory / "benchmarker.erl").write_text("tot_runs=config:tot_runs()", encoding="utf-8")
    return directory


def copied(checkout: Path, name: str) -> str:
    trainer = dxnn.trainer(checkout, None)
    assert trainer.copy is not None
    target = checkout.with_name("copy")
    trainer.copy(target)
    return (target / name).read_text(encoding="utf-8")


def test_training_is_cut_short_and_said(checkout: Path) -> None:
    assert dxnn.trainer(checkout, 30).notes == (
        "tot_runs is 30 in the rehearsal's copy, 10000 in yours",
    )
    assert copied(checkout, "config.erl") == CONFIG.replace("-> 10000.", "-> 40.")
    assert (checkout / "config.erl").read_text(encoding="utf-8") == CONFIG


def test_long_runs_are_few(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "src").mkdir(parents=True)
    (checkout / "src/benchmarker.erl").write_text(BENCHMARKER, encoding="utf-8")
    assert set(dxnn.trainer(checkout, None).notes) == {
        "tot_runs is 2 in the rehearsal's copy, 100 in yours",
        "evaluations_limit is 30000 in the rehearsal's copy, 100000 in yours",
    }
    expected = BENCHMARKER.replace("100000", "30000").replace("=100,", "=2,")
    assert copied(checkout, "src/benchmarker.erl") == expected


def test_what_is_short_already_stays(checkout: Path) -> None:
    (checkout / "config.erl").write_text(CONFIG.replace("10000", "40"), encoding="utf-8")
    assert dxnn.trainer(checkout, None).notes == ()


def test_prices_that_are_not_there_are_replaced_and_said(checkout: Path) -> None:
    (checkout / "fx_tables/EURUSD1.txt").rename(checkout / "fx_tables/EURUSD15.txt")
    assert len(dxnn.trainer(checkout, 30).notes) == 2
    assert "primary_currency_pair() -> 'EURUSD15'.  " in copied(checkout, "config.erl")


def test_without_any_prices_there_is_nothing_to_trade_on(checkout: Path) -> None:
    (checkout / "fx_tables/EURUSD1.txt").unlink()
    with pytest.raises(RehearsalError, match=r"EURUSD1\.txt"):
        dxnn.trainer(checkout, 30)


def test_another_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RehearsalError, match=r"benchmarker\.erl"):
        dxnn.trainer(tmp_path, 30)
