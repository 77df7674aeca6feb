"""The whole path of a job, played as `make demo` plays it."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal import power
from tests.checkout import checkout, edit
from tests.rehearsal.metadata_client import Client
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "rehearsal", "demo"]

TRAIN = """
import json, os, pathlib, time
step = 0
if "DXNN_RESTORE_PATH" in os.environ:
    step = json.loads(pathlib.Path(os.environ["DXNN_RESTORE_PATH"]).read_text())
while step < 150:
    step += 1
    pathlib.Path("next").write_text(json.dumps(step))
    pathlib.Path("next").rename("step")
    print("step", step, flush=True)
    time.sleep(0.1)
"""
SAVE = "import os, shutil; shutil.copyfile('step', os.environ['DXNN_CHECKPOINT_PATH'])"


def program(train: str) -> list[str]:
    """Say how to play with a Python program in place of our trainer."""
    commands = {"--trainer-command": train, "--checkpoint-command": SAVE}
    return [
        word
        for option, code in commands.items()
        for word in (option, shlex.join([sys.executable, "-c", code]))
    ]


def test_the_demo_with_our_trainer_holds(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = subprocess.run(
        [*DEMO, "--json", "--keep", str(kept)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["held"]
    assert {one["held"] for one in told["verdicts"]} == {True}
    assert {row["instance"] for row in told["timeline"]} == {"", "one", "two"}
    assert sum(one["key"].endswith("/_SUCCESS") for one in told["objects"]) == 2
    journal = kept / "two/var/log/journal/run.log"
    said = journal.read_text(encoding="utf-8")
    assert "dxnn-train: goes on with the population of the run in progress: run " in said
    assert "FINALIZE_SUCCESS" in done.stderr


def test_the_demo_fails_where_something_does_not_hold() -> None:
    done = subprocess.run(
        [*DEMO, *program(TRAIN)], cwd=ROOT, check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 1, done.stderr
    failed = [line.rstrip() for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert failed == ["FAILED  artifacts of the completed run are in S3"], done.stdout


def test_a_trainer_that_begins_anew_is_found_out(tmp_path: Path) -> None:
    """All but this one rule hold of it: what it trained before is lost at every interruption."""
    forgets = checkout(tmp_path / "checkout")
    # A shape of its own, which the launcher does not know how to go on with.
    edit(
        forgets / "population_monitor.erl",
        "population_monitor:start(State)",
        "(fun start/1)(State)",
    )
    done = subprocess.run(
        [*DEMO, "--trainer", str(forgets)],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "a run in progress begins anew, for population_monitor:init_population/2" in done.stdout
    failed = [line.rstrip() for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert failed == ["FAILED  the second trainer went on with the population that the dump holds"]


def test_a_trainer_that_hangs_is_told_of_with_what_it_saw(tmp_path: Path) -> None:
    hangs = checkout(tmp_path / "checkout")
    edit(hangs / "genotype.erl", "unique_id() ->", "unique_id() ->\n    exit(no_id),")
    done = subprocess.run(
        [*DEMO, "--trainer", str(hangs)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "the benchmarker waits for a population monitor, and there is none" in done.stderr
    assert "no_id" in done.stderr, "what it printed last says why"


def test_training_that_ends_too_early_cannot_be_interrupted() -> None:
    done = subprocess.run(
        [*DEMO, *program("pass")],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert "training ended before 2 checkpoints were in S3" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whoever_ends_the_demo_ends_all_of_it(number: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        [*DEMO, *program(TRAIN)],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        endpoint = instance = ""
        for line in demo.stdout:
            words = line.split()
            if "cloud" in words:
                endpoint = words[-1]
            elif "launched" in words:
                instance = words[-1]
            elif "training" in words:
                break
        mark = f"REHEARSAL_INSTANCE={instance}"
        assert power.carriers(mark)
        demo.send_signal(number)
        demo.wait(timeout=20)
    wait_until(lambda: not power.carriers(mark), "the instance to end", seconds=10)
    wait_until(lambda: not answers(endpoint), "S3 and EC2 to end", seconds=10)
    if number != signal.SIGKILL:
        assert demo.returncode == 130
        assert list(tmp_path.iterdir()) == []


def answers(endpoint: str) -> bool:
    try:
        Client(endpoint).ask("GET", "/")
    except ConnectionRefusedError:
        return False
    return True
