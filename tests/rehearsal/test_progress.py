"""Reading from a trainer's output where it is."""

from rehearsal import progress

FIRST = [
    "experiment run 1 of 3",
    "population monitor started at 0 evaluations",
    "generation 1 best_fitness 0.1965 neurons 1 evaluations 30",
    "generation 2 best_fitness 0.9900 neurons 1 evaluations 60",
    "experiment run 2 of 3",
    "generation 1 best_fitness 0.2000 neurons 1 evaluations 30",
    "generation 2 best_fitness 0.2100 neurons 2 evaluations 60",
]


def test_any_program_tells_where_it_is_by_its_last_line() -> None:
    assert progress.last_line([]) is None
    assert progress.last_line(["step 1", "step 2"]) == "step 2"
    assert len(progress.last_line(["x" * 999]) or "") < 100


def test_xor_tells_where_it_is() -> None:
    assert progress.xor_told([]) is None
    assert progress.xor_told(FIRST) == "run 2 generation 2 best fitness 0.2100"


def runs(count: int) -> list[str]:
    line = "******** Population monitor started with parameters:{state,benchmark}"
    return [line, "Agent:<0.99.0> terminating"] * count


def test_dxnn_tells_where_it_is() -> None:
    assert progress.dxnn_told(["Initial constraints"]) is None
    assert progress.dxnn_told(runs(3)) == "run 3 since it was started here"
