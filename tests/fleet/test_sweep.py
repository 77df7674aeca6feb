"""A grid or a list becomes jobs."""

from hypothesis import assume, given
from hypothesis import strategies as st

from dxnn_agent.fleet import sweep
from dxnn_agent.fleet.sweep import Axis, Sweep, Value
from tests.fleet.sweeps import GRID, LIST, parse

VARIABLES = {"s3_bucket": "trainings"}


def of_grid(lines: str) -> Sweep:
    return parse(f'name = "s"\nvariables.s3_bucket = "trainings"\n{lines}')


def test_every_combination_is_a_job() -> None:
    made = parse(GRID)
    assert (made.name, made.variables, len(made.jobs)) == ("xor-seeds", VARIABLES, 100)
    assert made.jobs[0].job_id == "xor-seeds-a-1"
    assert made.jobs[-1].job_id == "xor-seeds-b-50"
    assert made.by_id["xor-seeds-b-7"] == {
        "volume_size": 30,
        "experiment": "b",
        "environment": {"XOR_SEED": "7"},
    }


def test_a_list_says_each_job() -> None:
    assert parse(LIST).by_id == {
        "eurusd": {
            "volume_size": 30,
            "environment": {"LEVEL": "1"},
            "experiment": "eurusd_h1",
        },
        "gold": {"volume_size": 40, "environment": {"LEVEL": "1", "MARKET": "gold"}},
    }


def test_an_axis_of_the_environment_joins_the_shared_environment() -> None:
    made = of_grid('job.environment = { LEVEL = true }\ngrid.environment.RATE = [0.5, "fast"]')
    assert [job.attributes["environment"] for job in made.jobs] == [
        {"LEVEL": "true", "RATE": "0.5"},
        {"LEVEL": "true", "RATE": "fast"},
    ]


def test_ids_are_made_of_what_values_can_give() -> None:
    made = of_grid(
        'grid.trainer_command = [["/usr/bin/train", "--fast"], ["train"]]\n'
        'grid.environment.N = [-1, 0.25, true, "EUR/USD"]'
    )
    assert [job.job_id for job in made.jobs][:5] == [
        "s-usr-bin-train-fast--1",
        "s-usr-bin-train-fast-0.25",
        "s-usr-bin-train-fast-true",
        "s-usr-bin-train-fast-EUR-USD",
        "s-train--1",
    ]


def test_a_range_includes_both_ends() -> None:
    made = of_grid("grid.checkpoint_keep = { from = 1, to = 9, step = 4 }")
    assert [job.attributes for job in made.jobs] == [{"checkpoint_keep": n} for n in (1, 5, 9)]


def test_the_environment_of_all_jobs_is_text_too() -> None:
    made = of_grid("variables.environment = { N = 3 }\ngrid.checkpoint_keep = [1]")
    assert made.variables["environment"] == {"N": "3"}


WORDS = st.text("abcXYZ019._-", min_size=1, max_size=5)
VALUES: st.SearchStrategy[Value] = WORDS | st.integers() | st.booleans() | st.lists(WORDS)
AXES = st.lists(
    st.builds(
        Axis,
        key=WORDS,
        values=st.lists(VALUES, min_size=1, max_size=4).map(tuple),
        is_environment=st.booleans(),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda axis: (axis.is_environment, axis.key),
)


@given(AXES)
def test_no_combination_is_left_out_or_made_twice(axes: list[Axis]) -> None:
    jobs = list(sweep.grid("s", {}, axes))
    assert len(jobs) == sweep.size(axes)
    for axis in axes:
        taken = [
            job.attributes["environment"][axis.key]  # type: ignore[call-overload, index]
            if axis.is_environment
            else job.attributes[axis.key]
            for job in jobs
            if not (axis.key == "environment" and not axis.is_environment)
        ]
        values = [sweep.text(value) if axis.is_environment else value for value in axis.values]
        for value in values:
            assert taken.count(value) == values.count(value) * len(jobs) // len(values)


@given(AXES)
def test_the_same_grid_makes_the_same_jobs(axes: list[Axis]) -> None:
    assert list(sweep.grid("s", {}, axes)) == list(sweep.grid("s", {}, axes))


@given(AXES, st.dictionaries(WORDS, VALUES))
def test_what_is_shared_reaches_every_job(axes: list[Axis], shared: dict[str, Value]) -> None:
    assume(not shared.keys() & {axis.key for axis in axes})
    for job in sweep.grid("s", shared, axes):
        assert shared.items() <= job.attributes.items()


@given(AXES)
def test_ids_hold_only_what_an_id_can(axes: list[Axis]) -> None:
    for job in sweep.grid("s", {}, axes):
        assert set(job.job_id) <= set("sabcXYZ0123456789._-truefalse")
