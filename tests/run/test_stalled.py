"""A trainer that shows no progress is ended, and has failed."""

import json

import pytest

from tests.bucket import Bucket
from tests.machine import Machine, NewMachine
from tests.programs import exits, python, trains_for_ever, trains_until_told
from tests.waiting import wait_until

PRINTS_UNTIL_HUSHED = """
    import os, pathlib, signal, sys, time
    signal.signal(signal.SIGTERM, lambda *_: pathlib.Path("hush").touch())
    pathlib.Path("trainer.pid").write_text(str(os.getpid()))
    while not pathlib.Path("hush").exists():
        print("generation", flush=True)
        time.sleep(0.1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(float(sys.argv[1]))
    """
"""Goes on in silence, for so long, once there is a file hush; the first TERM makes it too."""


def check_stalled(machine: Machine, bucket: Bucket, exit_code: int) -> str:
    """Check that the run ended since its trainer stood still, and return what was seen of it."""
    sentinel = bucket.sentinel(bucket.only_run())
    assert sentinel["completion_status"] == "interrupted"
    assert (sentinel["reason"], sentinel["exit_code"]) == ("trainer_stalled", exit_code)
    states = machine.states()
    assert states.index("TRAINER_STALLED") < states.index("RUN_EXIT")
    [stalled], [ended] = machine.events("TRAINER_STALLED"), machine.events("RUN_EXIT")
    assert stalled.values["run_id"] == ended.values["run_id"] == sentinel["run_id"]
    assert ended.values["reason"] == "trainer_stalled"
    assert machine.poweroffs() == 1
    return stalled.values["error"]


def test_a_trainer_that_shows_nothing(machine_with: NewMachine, bucket: Bucket) -> None:
    machine = machine_with(trainer_command=trains_for_ever(), stalled_after_seconds=1)
    assert machine.agent("run").code == 0
    assert check_stalled(machine, bucket, 143) == "no output for 1 s, and no checkpoint in this run"


def test_one_that_exits_0_when_it_is_ended_was_interrupted(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(trainer_command=trains_until_told(), stalled_after_seconds=1)
    assert machine.agent("run").code == 0
    check_stalled(machine, bucket, 0)


def test_one_that_does_not_listen_is_killed_after_ten_seconds(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    ignoring = ["sh", "-c", 'trap "" TERM; echo last words; exec "$@"', "sh"]
    machine = machine_with(trainer_command=[*ignoring, "sleep", "60"], stalled_after_seconds=1)
    assert machine.agent("run").code == 0
    check_stalled(machine, bucket, 137)
    [stalled], [ended] = machine.events("TRAINER_STALLED"), machine.events("RUN_EXIT")
    assert 9 <= (ended.at - stalled.at).total_seconds() <= 20
    assert ended.values["error"] == "last words"


def test_output_is_progress(machine_with: NewMachine, bucket: Bucket) -> None:
    machine = machine_with(
        trainer_command=python(
            """
            import time
            for generation in range(30):
                print(generation, flush=True)
                time.sleep(0.1)
            """
        ),
        stalled_after_seconds=1,
    )
    assert machine.agent("run").code == 0
    assert bucket.sentinel(bucket.only_run())["completion_status"] == "normal"


def test_a_checkpoint_that_differs_is_progress_and_one_that_does_not_is_none(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(trainer_command=trains_for_ever(), stalled_after_seconds=4)
    running = machine.start("run")
    machine.trainer_pid()
    started = machine.wait_for("RUN_START").at

    def seconds_of_training() -> float:
        [*_, last] = machine.events("CHECKPOINT_OK")
        return (last.at - started).total_seconds()

    while machine.agent("checkpoint").code == 0 and seconds_of_training() < 7:
        assert running.process.poll() is None
    assert not machine.events("TRAINER_STALLED")

    machine.configure(
        checkpoint_command=python(
            'import os, pathlib; pathlib.Path(os.environ["DXNN_CHECKPOINT_PATH"]).write_text("1")'
        )
    )
    wait_until(
        lambda: machine.agent("checkpoint") and machine.events("TRAINER_STALLED"), "the end", 60
    )
    assert running.result().code == 0
    said = check_stalled(machine, bucket, 143)
    dumps = [path for path in machine.checkpoint_dir.glob("*.dmp") if path.read_text() == "1"]
    assert len(dumps) > 1
    assert "its checkpoints all the same since" in said


def test_0_means_never(machine_with: NewMachine, bucket: Bucket) -> None:
    machine = machine_with(trainer_command=["sleep", "3"], stalled_after_seconds=0)
    assert machine.agent("run").code == 0
    assert bucket.sentinel(bucket.only_run())["completion_status"] == "normal"


def test_an_erlang_trainer_is_left_to_its_launcher(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(
        trainer_command=["sleep", "3"], checkpoint_command=None, stalled_after_seconds=1
    )
    assert machine.agent("run").code == 0
    assert bucket.sentinel(bucket.only_run())["completion_status"] == "normal"


def test_one_that_was_told_to_stop_may_take_its_time(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(
        trainer_command=python(PRINTS_UNTIL_HUSHED, "6"), stalled_after_seconds=4
    )
    running = machine.start("run")
    machine.trainer_pid()
    running.process.terminate()
    assert running.result().code == 0
    assert bucket.sentinel(bucket.only_run())["reason"] == "signal_SIGTERM"
    assert not machine.events("TRAINER_STALLED")


def test_a_notice_wins(machine_with: NewMachine, bucket: Bucket) -> None:
    """Its checkpoint takes longer than a trainer may stand still, which this one does meanwhile."""
    slowly = """
        import os, pathlib, time
        pathlib.Path("hush").touch()
        time.sleep(6)
        pathlib.Path(os.environ["DXNN_CHECKPOINT_PATH"]).write_text("dump")
        """
    machine = machine_with(
        trainer_command=python(PRINTS_UNTIL_HUSHED, "60"),
        checkpoint_command=python(slowly),
        stalled_after_seconds=4,
    )
    running = machine.start("run")
    machine.trainer_pid()
    watching = machine.start("watch")
    machine.wait_for("WATCH_START")
    machine.metadata.notice(in_seconds=60)
    assert watching.result().code == 0
    assert running.result().code == 0
    assert bucket.sentinel(bucket.only_run())["reason"] == "spot_interruption"
    assert machine.events("CHECKPOINT_OK")
    assert not machine.events("TRAINER_STALLED")


def says(*lines: str, code: int = 1) -> list[str]:
    return python(
        "import sys; print(*sys.argv[2:], sep='\\n'); sys.exit(int(sys.argv[1]))", str(code), *lines
    )


STALLED = "dxnn-train: stalled: no evaluation for 1800 s"


def test_a_launcher_that_found_its_trainer_standing_still(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(
        trainer_command=says("dxnn-train: begins", STALLED, "** crash report **"),
        checkpoint_command=None,
    )
    assert machine.agent("run").code == 0
    assert check_stalled(machine, bucket, 1) == "no evaluation for 1800 s"
    assert machine.events("RUN_EXIT")[0].values["error"] == "** crash report **"


@pytest.mark.parametrize(
    ("trainer", "reason"),
    [
        (says(STALLED, code=2), "trainer_exit_2"),
        (says(STALLED, "dxnn-train: goes on", "crash"), "trainer_exit_1"),
        (says(f"quoted: {STALLED}"), "trainer_exit_1"),
        (says("dxnn-train: crashed: stalled: no"), "trainer_exit_1"),
        (says(STALLED, code=0), "training_completed"),
        (exits(1), "trainer_exit_1"),
    ],
)
def test_what_else_may_look_like_it(
    machine_with: NewMachine, bucket: Bucket, trainer: list[str], reason: str
) -> None:
    machine = machine_with(trainer_command=trainer, checkpoint_command=None)
    assert machine.agent("run").code == 0
    assert bucket.sentinel(bucket.only_run())["reason"] == reason
    assert not machine.events("TRAINER_STALLED")


def test_a_launcher_is_told_for_how_long_it_may_stand_still(machine_with: NewMachine) -> None:
    tells = python(
        """
        import json, os, pathlib
        pathlib.Path("told.json").write_text(json.dumps(dict(os.environ)))
        """
    )
    machine = machine_with(trainer_command=tells, stalled_after_seconds=77)
    assert machine.agent("run").code == 0
    told = json.loads((machine.trainer_directory / "told.json").read_text())
    assert told["DXNN_STALLED_AFTER_SECONDS"] == "77"


def test_a_run_that_was_killed_and_started_again_watches_anew(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(trainer_command=trains_for_ever(), stalled_after_seconds=2)
    first = machine.start("run")
    machine.trainer_pid()
    first.kill()
    assert machine.agent("run").code == 0
    check_stalled(machine, bucket, 143)
