"""A trainer that can't even be started has failed, once its machine is in a run."""

from pathlib import Path

import pytest

from tests.auto_scaling_group import Group, launched
from tests.bucket import Bucket
from tests.machine import Machine, NewMachine


def no_such_program(_: Machine) -> list[str]:
    return ["no-such-program"]


def not_a_program(machine: Machine) -> list[str]:
    file = machine.trainer_directory / "train"
    file.write_bytes(b"\x7fELF of another machine")
    file.chmod(0o755)
    return [str(file)]


@pytest.mark.parametrize(
    ("spoil", "code"), [(no_such_program, 127), (not_a_program, 126)], ids=["127", "126"]
)
def test_after_three_the_job_is_given_up(
    group: Group, machine_with: NewMachine, bucket: Bucket, spoil: object, code: int
) -> None:
    machine = launched(group, machine_with, max_fruitless_runs=9)
    assert callable(spoil)
    machine.configure(trainer_command=spoil(machine))
    for number in (1, 2, 3):
        assert machine.agent("restore").code == 0
        assert machine.agent("run").code == 0
        sentinel = bucket.sentinel(bucket.runs()[-1])
        assert (sentinel["reason"], sentinel["exit_code"]) == (f"trainer_exit_{code}", code)
        assert group.desired() == (0 if number == 3 else 1)
    [given_up] = machine.events("JOB_GIVEN_UP")
    assert given_up.values["reason"] == "runs in a row that the trainer itself ended: 3"
    assert machine.events("RUN_EXIT")[0].values["error"]


def test_where_nothing_has_begun_it_is_a_word_to_be_corrected(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(trainer_command=["no-such-program"])
    result = machine.agent("run")
    assert result.code == 2
    assert "there is no program 'no-such-program' to run" in result.err
    assert not bucket.runs()
    assert not Path(machine.state_dir / "run.json").exists()
