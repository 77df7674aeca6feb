"""The power switch ends what carries its mark, however it was started, and nothing else."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import power
from tests.waiting import wait_until

# Leaves a grandchild behind that is its own session's leader and no one's child, as epmd does.
DAEMONISE = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
os.wait()
"""
SLEEP = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


@pytest.fixture
def mark() -> Iterator[str]:
    made = f"REHEARSAL_TEST={uuid.uuid4().hex}"
    yield made
    power.end(made, grace_seconds=0)


def start(program: str, mark: str | None) -> subprocess.Popen[bytes]:
    environment = dict([mark.split("=")]) if mark else {}
    return subprocess.Popen(
        [sys.executable, "-c", program], env=environment, start_new_session=True
    )


def test_what_daemonised_is_ended_and_nothing_else(mark: str) -> None:
    bystander = start(SLEEP, None)
    neighbour = start(SLEEP, f"{mark}0")
    child = start(SLEEP, mark)
    try:
        assert start(DAEMONISE, mark).wait() == 0
        wait_until(lambda: len(power.carriers(mark)) == 2, "both processes", seconds=5)
        power.end(mark)
        assert power.carriers(mark) == []
        assert child.wait() == -signal.SIGTERM
        assert bystander.poll() is None
        assert neighbour.poll() is None
    finally:
        for process in (bystander, neighbour):
            process.kill()
            process.wait()


def test_what_ignores_term_is_killed_after_the_grace(mark: str) -> None:
    child = start(STUBBORN, mark)
    time.sleep(0.3)  # until it ignores TERM
    began = time.monotonic()
    power.end(mark, grace_seconds=0.5)
    assert child.wait() == -signal.SIGKILL
    assert time.monotonic() - began >= 0.5


def test_off_is_granted_and_then_ends_everything(mark: str, tmp_path: Path) -> None:
    told = tmp_path / "told"
    environment = dict([mark.split("=")])
    for _ in range(5):
        child = start(SLEEP, mark)
        off = [*power.command("off"), mark, str(told)]
        assert subprocess.run(off, env=environment, check=False, timeout=10).returncode == 0
        assert child.wait(timeout=10) == -signal.SIGTERM
        wait_until(lambda: not power.carriers(mark), "everything to end", seconds=5)
    assert len(told.read_text(encoding="utf-8").splitlines()) == 5


def test_off_ends_even_its_caller(mark: str, tmp_path: Path) -> None:
    off = [*power.command("off"), mark, str(tmp_path / "told")]
    caller = start(f"import subprocess, time; subprocess.run({off!r}); time.sleep(600)", mark)
    assert caller.wait(timeout=10) == -signal.SIGTERM
    wait_until(lambda: not power.carriers(mark), "everything to end", seconds=5)


def test_leaving_the_guarded_block_ends_everything(mark: str) -> None:
    started = []

    def interrupted() -> None:
        with power.guarded(mark):
            started.append(start(SLEEP, mark))
            wait_until(lambda: power.carriers(mark), "the child", seconds=5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert started[0].wait() == -signal.SIGTERM


def test_the_guard_outlives_a_conductor_that_is_killed(mark: str) -> None:
    program = f"""
import subprocess, sys, time
from rehearsal import power
with power.guarded({mark!r}):
    subprocess.Popen([sys.executable, "-c", {SLEEP!r}], env={dict([mark.split("=")])})
    print("up", flush=True)
    time.sleep(600)
"""
    conductor = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
    )
    with conductor:
        assert conductor.stdout is not None
        assert conductor.stdout.readline() == b"up\n"
        wait_until(lambda: power.carriers(mark), "the child", seconds=5)
        conductor.kill()
    wait_until(lambda: not power.carriers(mark), "the guard to act", seconds=5)
