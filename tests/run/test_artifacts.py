"""Artifacts are what the run has made or changed, not what lay there before it began."""

import json
from typing import Any

import pytest

from tests.bucket import Bucket
from tests.machine import Machine, NewMachine
from tests.programs import exits, python, trains_for_ever

NOTHING_NEW = "no artifact: nothing that benchmarks/** names has changed since the run began"

REWRITES = """
    import os, pathlib
    here = pathlib.Path("benchmarks")
    (here / "new.txt").write_text("new")
    (here / "grown.txt").open("a").write(" and more")
    before = (here / "rewritten.txt").stat()
    (here / "rewritten.txt").write_text("after!")
    os.utime(here / "rewritten.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    (here / "replacement").write_text("another")
    os.replace(here / "replacement", here / "replaced.txt")
    """


def shipped(bucket: Bucket, run: str) -> set[str]:
    """Return the names of a run's artifacts."""
    below = "artifacts/benchmarks/"
    names = bucket.names(run)
    return {name.removeprefix(below) for name in names if name.startswith(below)}


def with_old_files(machine_with: NewMachine, **settings: object) -> Machine:
    machine = machine_with(**settings)
    for name in ("kept.txt", "grown.txt", "rewritten.txt", "replaced.txt"):
        machine.write_artifact(name, b"before")
    return machine


def dry_run(machine: Machine) -> dict[str, Any]:
    loaded = json.loads(machine.agent("finalize", "--dry-run", "--json").out)
    assert isinstance(loaded, dict)
    return loaded


def test_what_the_run_made_or_changed_is_shipped(machine_with: NewMachine, bucket: Bucket) -> None:
    machine = with_old_files(machine_with, trainer_command=python(REWRITES))
    assert machine.agent("run").code == 0
    run = bucket.only_run()
    changed = {"new.txt", "grown.txt", "rewritten.txt", "replaced.txt"}
    assert shipped(bucket, run) == changed
    bucket.check_manifest(run)
    assert "warning" not in machine.events("FINALIZE_SUCCESS")[0].values
    planned = {each["key"].removeprefix(run) for each in dry_run(machine)["objects"]}
    assert {name for name in planned if "/" in name} == {
        f"artifacts/benchmarks/{name}" for name in changed
    }


def test_a_completed_run_that_leaves_none_says_so(machine_with: NewMachine, bucket: Bucket) -> None:
    machine = with_old_files(machine_with, trainer_command=["true"])
    machine.environment["COLUMNS"] = "200"
    assert machine.agent("run").code == 0
    assert shipped(bucket, bucket.only_run()) == set()
    [done] = machine.events("FINALIZE_SUCCESS")
    assert done.values["warning"] == NOTHING_NEW
    assert dry_run(machine)["warning"] == NOTHING_NEW
    assert NOTHING_NEW in machine.agent("finalize", "--dry-run").out


def test_one_that_failed_need_not_say_so(machine_with: NewMachine) -> None:
    machine = machine_with(trainer_command=["false"])
    assert machine.agent("run").code == 0
    assert "warning" not in machine.events("FINALIZE_SUCCESS")[0].values
    assert dry_run(machine)["warning"] is None
    assert "no artifact" not in machine.agent("finalize", "--dry-run").out


def test_the_next_run_of_a_machine_ships_its_own(machine: Machine, bucket: Bucket) -> None:
    assert machine.agent("run").code == 0
    machine.write_artifact("by hand.txt", b"between the two")
    machine.configure(trainer_command=["true"])
    assert machine.agent("run").code == 0
    first, second = bucket.runs()
    assert shipped(bucket, first) == {"report.txt"}
    assert shipped(bucket, second) == set()


@pytest.mark.parametrize("noted", [True, False])
def test_a_run_that_is_started_again_ships_what_it_made_before(
    machine_with: NewMachine, bucket: Bucket, *, noted: bool
) -> None:
    """Where the first list could not be written, a second would hide what the run has made."""
    machine = machine_with(trainer_command=trains_for_ever())
    machine.write_artifact("old.txt", b"before")
    assert machine.agent("restore").code == 0
    if not noted:
        (machine.state_dir / "artifacts.json").mkdir()
    running = machine.start("run")
    machine.trainer_pid()
    running.kill()
    if not noted:
        (machine.state_dir / "artifacts.json").rmdir()
    machine.configure(trainer_command=["true"])
    assert machine.agent("run").code == 0
    assert shipped(bucket, bucket.only_run()) == {"report.txt"} | (set() if noted else {"old.txt"})


def test_a_list_that_cannot_be_written_stops_no_training(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = with_old_files(machine_with, trainer_command=exits(0))
    (machine.state_dir / "artifacts.json").mkdir(parents=True)
    assert machine.agent("run").code == 0
    everything = {"report.txt", "kept.txt", "grown.txt", "rewritten.txt", "replaced.txt"}
    assert shipped(bucket, bucket.only_run()) == everything


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"run_id": "x", "files": 7}', '"x"'])
def test_a_list_that_cannot_be_read_hides_nothing(
    machine_with: NewMachine, bucket: Bucket, content: str
) -> None:
    machine = machine_with()
    overwrites = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
    place = str(machine.state_dir / "artifacts.json")
    machine.configure(trainer_command=python(overwrites, place, content))
    machine.write_artifact("old.txt", b"before")
    assert machine.agent("run").code == 0
    assert shipped(bucket, bucket.only_run()) == {"old.txt"}
