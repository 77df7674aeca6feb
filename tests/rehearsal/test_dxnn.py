"""A checkout of DXNN is recognised, shortened in a copy, and its dumps can be read."""

import subprocess
from pathlib import Path

import pytest

from rehearsal import dxnn
from rehearsal.errors import RehearsalError

CONFIG = """\
-module(config).
-compile(export_all).
primary_currency_pair() -> 'EURUSD1'.        % Options: 'EURUSD1', 'EURUSD15'
tot_runs() -> 10000.                             % Options: 1-100
other() -> 7.
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "fx_tables").mkdir()
    (tmp_path / "fx_tables/EURUSD1.txt").write_text("", encoding="utf-8")
    (tmp_path / "config.erl").write_text(CONFIG, encoding="utf-8")
    for name in ("benchmarker.erl", "fx.erl"):
        (tmp_path / name).write_text("", encoding="utf-8")
    return tmp_path


def test_training_is_cut_short_and_said(checkout: Path) -> None:
    config, notes = dxnn.shortened(CONFIG, checkout, runs=30)
    assert config == CONFIG.replace("10000", "30")
    assert notes == ("tot_runs is 30 in the rehearsal's copy, 10000 in yours",)


def test_prices_that_are_not_there_are_replaced_and_said(checkout: Path) -> None:
    (checkout / "fx_tables/EURUSD1.txt").rename(checkout / "fx_tables/EURUSD15.txt")
    config, notes = dxnn.shortened(CONFIG, checkout, runs=30)
    assert "primary_currency_pair() -> 'EURUSD15'.  " in config
    assert len(notes) == 2


def test_without_any_prices_there_is_nothing_to_trade_on(checkout: Path) -> None:
    (checkout / "fx_tables/EURUSD1.txt").unlink()
    with pytest.raises(RehearsalError, match=r"EURUSD1\.txt"):
        dxnn.trainer(checkout, 30)


def test_a_trading_dxnn_waits_for_its_prices(checkout: Path) -> None:
    assert dxnn.trainer(checkout, 30).arguments == (
        "--startup",
        "fx:init(), fx:start(), dxnn_launcher:wait_for_table('EURUSD1')",
    )
    (checkout / "fx.erl").unlink()
    assert dxnn.trainer(checkout, 30).arguments == ()


def test_without_a_config_it_is_not_told_whether_it_continued(checkout: Path) -> None:
    assert dxnn.trainer(checkout, 30).continued is not None
    (checkout / "config.erl").unlink()
    assert dxnn.trainer(checkout, 30).continued is None


def test_another_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RehearsalError, match=r"benchmarker\.erl"):
        dxnn.trainer(tmp_path, 30)


def test_the_run_is_read_from_a_dump(tmp_path: Path) -> None:
    dump = tmp_path / "it's a dump.dmp"
    make = """
    [File] = init:get_plain_arguments(),
    ok = mnesia:create_schema([node()]),
    ok = mnesia:start(),
    Fields = [id, backup_flag, pm_parameters, init_constraints, progress_flag, trace_acc,
              run_index, tot_runs],
    {atomic, ok} = mnesia:create_table(experiment,
        [{attributes, Fields}, {disc_copies, [node()]}]),
    ok = mnesia:dirty_write({experiment, x, true, p, c, in_progress, [], 9, 30}),
    ok = mnesia:backup(File), halt().
    """
    subprocess.run(
        ["erl", "-noinput", "-eval", make, "-extra", str(dump)],
        cwd=tmp_path,
        check=True,
        timeout=60,
    )
    assert dxnn.run_index(dump) == 9


def test_what_is_no_dump_is_refused(tmp_path: Path) -> None:
    dump = tmp_path / "torn.dmp"
    dump.write_bytes(b"torn")
    with pytest.raises(RehearsalError, match=r"torn\.dmp"):
        dxnn.run_index(dump)
