"""What the trainer prints comes out of run's stdout, and its last line goes into the log."""

import fcntl
import os
import subprocess

import pytest

from tests.bucket import Bucket
from tests.machine import AGENT, NewMachine
from tests.programs import python
from tests.waiting import wait_until

PRINTS_A_LOT = python('import sys; sys.stdout.buffer.write(b"generation\\n" * 100_000)')


def last_words(machine_with: NewMachine, code: str) -> str | None:
    """Return what RUN_EXIT says of the last words of a trainer."""
    machine = machine_with(trainer_command=python(code))
    assert machine.agent("run").code == 0
    return machine.events("RUN_EXIT")[0].values.get("error")


def test_it_is_passed_on_byte_for_byte(machine_with: NewMachine) -> None:
    machine = machine_with(
        trainer_command=python(
            """
            import os
            for number in range(2000):
                os.write(1, bytes(range(256)))
                os.write(2, b"\\xff error\\r\\n")
            """
        )
    )
    running = machine.start("run")
    assert running.process.wait(60) == 0
    assert running.out.read_bytes() == (bytes(range(256)) + b"\xff error\r\n") * 2000
    assert running.err.read_text().splitlines() == machine.log_file.read_text().splitlines()


def test_it_is_passed_on_at_once(machine_with: NewMachine) -> None:
    machine = machine_with(
        trainer_command=python(
            """
            import pathlib, time
            print("generation 1", end="", flush=True)
            while not pathlib.Path("go-on").exists():
                time.sleep(0.02)
            """
        )
    )
    running = machine.start("run")
    wait_until(lambda: running.out.read_text() == "generation 1", "what the trainer printed")
    (machine.trainer_directory / "go-on").touch()
    assert running.result().code == 0


def test_a_stdout_that_is_closed(machine_with: NewMachine, bucket: Bucket) -> None:
    machine = machine_with(trainer_command=PRINTS_A_LOT)
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" run >&-', AGENT],
        stderr=subprocess.PIPE,
        text=True,
        cwd=machine.root,
        env=machine.environment,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == machine.log_file.read_text().splitlines()
    assert bucket.sentinel(bucket.only_run())["completion_status"] == "normal"
    assert not [name for name, body in machine.files().items() if b"generation\n" in body]


def test_a_stdout_that_nobody_reads_any_more(machine_with: NewMachine, bucket: Bucket) -> None:
    machine = machine_with(trainer_command=PRINTS_A_LOT)
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run(
            [AGENT, "run"],
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
            cwd=machine.root,
            env=machine.environment,
            check=False,
            timeout=60,
        )
    finally:
        os.close(write_end)
    assert done.returncode == 0, done.stderr
    assert bucket.sentinel(bucket.only_run())["completion_status"] == "normal"


def test_the_last_line_counts_also_where_it_is_read_late(machine_with: NewMachine) -> None:
    """Nobody takes what `run` passes on until the trainer has exited."""
    machine = machine_with(
        trainer_command=python(
            """
            import pathlib, sys, time
            print("generation 1\\n" * 4000, flush=True)
            time.sleep(0.5)
            print("out of memory", flush=True)
            pathlib.Path("ended").touch()
            sys.exit(1)
            """
        )
    )
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    running = subprocess.Popen(
        [AGENT, "run"],
        stdout=write_end,
        stderr=subprocess.DEVNULL,
        cwd=machine.root,
        env=machine.environment,
    )
    os.close(write_end)
    wait_until((machine.trainer_directory / "ended").exists, "the trainer to end")
    with os.fdopen(read_end, "rb") as passed_on:
        assert passed_on.read().endswith(b"out of memory\n")
    assert running.wait(60) == 0
    assert machine.events("RUN_EXIT")[0].values["error"] == "out of memory"


def test_a_process_that_the_trainer_left_behind_keeps_nobody_waiting(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    """It has a session of its own, so that it outlives the trainer's group, and holds the pipe."""
    machine = machine_with(
        trainer_command=python(
            """
            import subprocess, sys
            subprocess.Popen(["sleep", "600"], start_new_session=True)
            print("out of memory")
            sys.exit(3)
            """
        )
    )
    assert machine.agent("run", seconds=30).code == 0
    assert bucket.sentinel(bucket.only_run())["exit_code"] == 3
    assert machine.events("RUN_EXIT")[0].values["error"] == "out of memory"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ('raise SystemExit("out of memory")', "out of memory"),
        ('print("one\\n\\x1b[31mtwo\\t2\\x1b[0m\\r\\n \\n"); raise SystemExit(1)', "two 2"),
        ('print("10%\\r20%", end=""); raise SystemExit(1)', "20%"),
        ('print("a" * 301); raise SystemExit(1)', "a" * 300),
        ("raise SystemExit(1)", None),
        ('print("done")', None),
    ],
)
def test_the_last_line_of_a_trainer_that_failed(
    machine_with: NewMachine, code: str, said: str | None
) -> None:
    assert last_words(machine_with, code) == said


def test_a_trainer_that_was_told_to_stop_made_no_error(machine_with: NewMachine) -> None:
    machine = machine_with(trainer_command=["sh", "-c", "echo stops; exec sleep 60"])
    running = machine.start("run")
    wait_until(lambda: running.out.read_text() == "stops\n", "the trainer")
    running.process.terminate()
    assert running.result().code == 0
    [ended] = machine.events("RUN_EXIT")
    assert ended.values["exit_code"] == "143"
    assert "error" not in ended.values
