"""Whether one dump of an experiment goes on where another was taken, as rehearsals judge it."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from rehearsal import experiment
from rehearsal.errors import RehearsalError
from rehearsal.experiment import Experiment, Run

FIRST = Run(frozenset({"a"}), 1000, ("a1", "a2"))
SECOND = Run(frozenset({"b"}), 500, ("b1",))
BEFORE = Experiment(runs=3, completed=False, ended=(FIRST,), under_way=SECOND, population="b")
LONGER = replace(SECOND, evaluations=1500, steps=("b1", "b2", "b3"))
THIRD = Run(frozenset({"c"}), 500, ("c1",))

WENT_ON = {
    "nothing happened yet": BEFORE,
    "the same run": replace(BEFORE, under_way=LONGER),
    "the run ended": replace(BEFORE, ended=(FIRST, LONGER), under_way=THIRD),
    "all ended": Experiment(3, completed=True, ended=(FIRST, LONGER, THIRD), under_way=None),
}
DID_NOT = {
    "began anew": replace(BEFORE, under_way=THIRD),
    "began anew, and ended": replace(BEFORE, ended=(FIRST, THIRD), under_way=LONGER),
    "from zero": Experiment(3, completed=False, ended=(), under_way=LONGER),
    "another first run": replace(BEFORE, ended=(THIRD,), under_way=LONGER),
    "steps are lost": replace(BEFORE, under_way=replace(LONGER, steps=("b2", "b3"))),
    "a step twice": replace(BEFORE, under_way=replace(LONGER, steps=("b1", "b2", "b2"))),
    "fewer evaluations": replace(BEFORE, under_way=replace(LONGER, evaluations=400)),
    "no run any more": replace(BEFORE, under_way=None),
}


@pytest.mark.parametrize("after", WENT_ON.values(), ids=WENT_ON)
def test_it_went_on(after: Experiment) -> None:
    assert experiment.continued(BEFORE, after) == []


@pytest.mark.parametrize("after", DID_NOT.values(), ids=DID_NOT)
def test_it_did_not_go_on(after: Experiment) -> None:
    assert experiment.continued(BEFORE, after)


def test_where_it_is() -> None:
    assert BEFORE.where == "run 2 of 3, evaluations 500, population b"
    assert WENT_ON["all ended"].where == "3 of 3 runs ended"


def test_what_became_of_a_run() -> None:
    told = [experiment.then(BEFORE, WENT_ON[name]) for name in ("the same run", "the run ended")]
    assert told == [
        "run 2 has 1500 evaluations in 3 steps",
        "run 2 ended with 1500 evaluations in 3 steps",
    ]


def make_dump(dump: Path, records: str) -> None:
    """Make a dump with DXNN's fields in an order of its own."""
    make = f"""
    [File] = init:get_plain_arguments(),
    ok = mnesia:create_schema([node()]),
    ok = mnesia:start(),
    Table = fun(Name, Fields) -> {{atomic, ok}} = mnesia:create_table(Name,
        [{{attributes, Fields}}, {{disc_copies, [node()]}}]) end,
    Table(experiment, [id, progress_flag, tot_runs, trace_acc]),
    Table(population, [id, trace, specie_ids]),
    [ok = mnesia:dirty_write(Record) || Record <- {records}],
    ok = mnesia:backup(File), halt().
    """
    subprocess.run(
        ["erl", "-noinput", "-eval", make, "-extra", str(dump)],
        cwd=dump.parent,
        check=True,
        timeout=60,
    )


def test_an_experiment_is_read_from_a_dump(tmp_path: Path) -> None:
    dump = tmp_path / "it's a dump.dmp"
    make_dump(
        dump,
        "[{experiment, x, in_progress, 9, [{trace, [[{stat, m, s1, 2}], [{stat, m, s1, 1}]], 40,"
        " 20}]}, {population, test, {trace, [[{stat, m, s2, 1}]], 20, 20}, [s2]}]",
    )
    found = experiment.read(dump)
    assert (found.runs, found.completed) == (9, False)
    assert [(run.evaluations, len(run.steps)) for run in found.ended] == [(40, 2)]
    assert found.under_way is not None
    assert (found.under_way.evaluations, len(found.under_way.steps)) == (20, 1)
    assert found.under_way.species.isdisjoint(found.ended[0].species)


def test_the_population_of_a_run_that_has_ended_is_none_under_way(tmp_path: Path) -> None:
    dump = tmp_path / "between.dmp"
    trace = "{trace, [[{stat, m, s1, 1}]], 40, 20}"
    make_dump(
        dump, f"[{{experiment, x, completed, 1, [{trace}]}}, {{population, test, {trace}, [s1]}}]"
    )
    found = experiment.read(dump)
    assert found.completed
    assert found.under_way is None


def test_what_is_no_dump_is_refused(tmp_path: Path) -> None:
    dump = tmp_path / "torn.dmp"
    dump.write_bytes(b"torn")
    with pytest.raises(RehearsalError, match=r"torn\.dmp"):
        experiment.read(dump)
