"""Reading from a trainer's output whether it went on where it was."""

import pytest

from rehearsal import progress

FIRST = [
    "experiment run 1 of 3",
    "run 1 started",
    "generation 1 best_fitness 0.1965 neurons 1 evaluations 30",
    "generation 2 best_fitness 0.9900 neurons 1 evaluations 40",
    "experiment run 2 of 3",
    "generation 1 best_fitness 0.2000 neurons 1 evaluations 30",
    "generation 2 best_fitness 0.2100 neurons 2 evaluations 40",
]
SECOND = [
    "experiment run 2 of 3",
    "resumed at generation 1",
    "generation 2 best_fitness 0.2100 neurons 2 evaluations 40",
]


def test_any_program_tells_where_it_is_by_its_last_line() -> None:
    assert progress.last_line([]) is None
    assert progress.last_line(["step 1", "step 2"]) == "step 2"
    assert len(progress.last_line(["x" * 999]) or "") < 100


def test_xor_tells_where_it_is() -> None:
    assert progress.xor_told([]) is None
    assert progress.xor_told(FIRST) == "run 2 generation 2 best fitness 0.2100"


def test_xor_continued() -> None:
    assert progress.xor_continued(FIRST, SECOND) == []


@pytest.mark.parametrize(
    "second",
    [
        [],
        FIRST,
        ["experiment run 1 of 3", "resumed at generation 0", *FIRST[2:]],
        ["experiment run 2 of 3", "resumed at generation 3"],
        ["experiment run 3 of 3", "resumed at generation 1"],
        ["experiment run 2 of 3", "generation 2 best_fitness 0.2 neurons 1 evaluations 9"],
    ],
    ids=["nothing", "from zero", "resumed at zero", "too far", "another run", "not resumed"],
)
def test_xor_did_not_continue(second: list[str]) -> None:
    assert progress.xor_continued(FIRST, second)


def runs(count: int) -> list[str]:
    line = "******** Population monitor started with parameters:{state,benchmark}"
    return [line, "Agent:<0.99.0> terminating"] * count


def test_dxnn_tells_where_it_is() -> None:
    assert progress.dxnn_told(["Initial constraints"]) is None
    assert progress.dxnn_told(runs(3)) == "run 3 since it was started here"


def test_dxnn_continued_when_it_began_the_runs_that_were_left() -> None:
    assert progress.dxnn_continued(runs(22), run_index=9, tot_runs=30) == []


@pytest.mark.parametrize(("begun", "index"), [(30, 9), (21, 9), (0, 9), (30, 1)])
def test_dxnn_did_not_continue(begun: int, index: int) -> None:
    assert progress.dxnn_continued(runs(begun), run_index=index, tot_runs=30)
