"""The agent's commands, as the README lists them, in the directory of a run."""

import pytest

from tests.documents.typist import Typist
from tests.machine import NewMachine
from tests.programs import trains_until_told


@pytest.mark.types(
    "dxnn-agent restore",
    "dxnn-agent watch",
    "dxnn-agent run",
    "dxnn-agent checkpoint",
    "dxnn-agent checkpoint --reason periodic",
    "dxnn-agent stop",
    "dxnn-agent finalize",
    "dxnn-agent finalize --pending",
)
def test_a_run_by_hand(typist: Typist, machine_with: NewMachine) -> None:
    machine = machine_with(trainer_command=trains_until_told())
    typist.environment |= {
        name: value for name, value in machine.environment.items() if name.startswith("AWS_")
    }
    restore, watch, run, checkpoint, periodic, stop, finalize, pending = typist.names
    typist.type(restore, directory=machine.root)
    assert machine.states()[-1] == "RESTORE_NONE"
    typist.start(watch, directory=machine.root)
    running = typist.start(run, directory=machine.root)
    machine.wait_for("WATCH_START")
    machine.trainer_pid()
    typist.type(checkpoint, directory=machine.root)
    assert "CHECKPOINT_OK" in machine.states()
    typist.type(periodic, directory=machine.root)
    assert machine.events("CHECKPOINT_START")[-1].values["reason"] == "periodic"
    typist.type(stop, directory=machine.root)
    assert running.wait(30) == 0
    assert machine.wait_for("RUN_EXIT").values["reason"] == "shutdown"
    assert machine.poweroffs() == 1
    for one in (finalize, pending):
        typist.type(one, directory=machine.root)
    assert machine.states().count("FINALIZE_SUCCESS") == 1


@pytest.mark.types("dxnn-agent fleet")
def test_the_commands_of_a_fleet(typist: Typist) -> None:
    assert "synth" in typist.type(*typist.names, ends_with=2)


@pytest.mark.types("dxnn-agent run --s3-bucket trainings --job-id xor")
def test_a_setting_that_is_missing(typist: Typist) -> None:
    (name,) = typist.names
    told = typist.type(name, directory=typist.home, ends_with=2)
    page = (typist.clone / "docs/settings.md").read_text(encoding="utf-8")
    assert f"$ {name}\n{told}```\n" in page
