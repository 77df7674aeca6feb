"""Nothing of a rehearsal stays on this machine, however it ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rehearsal.chain.leftovers import RUNS, on_this_machine
from rehearsal.ec2 import cgroups, cleanup
from tests.machines.left_behind import of_machine
from tests.waiting import wait_until

# Boots a machine of a group and says so; then waits for whatever comes.
_PROGRAM = """
import signal, sys, time
from rehearsal.ec2.region import region
from tests.machines.instances import await_state, group, members
signal.signal(signal.SIGTERM, signal.default_int_handler)
with region() as here:
    (one,) = members(here, group(here))
    await_state(here, one, "running")
    print(here.directory.name, here.machine(one).hardware.name, flush=True)
    time.sleep(1000)
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left(end: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as rehearsal:
        try:
            assert rehearsal.stdout is not None
            run, machine = rehearsal.stdout.readline().split()
            there = on_this_machine(run).keys()  # no interface: the network is its own
            assert there == {"processes", "mounts", "control groups", "files"}
            assert of_machine(machine)
            os.kill(rehearsal.pid, end)
            rehearsal.wait(timeout=60)
        finally:
            rehearsal.kill()
    # A process that is killed can't clean up; its guard ends the machines, and the next rehearsal
    # removes the rest.
    wait_until(lambda: "processes" not in on_this_machine(run), "the end of its processes")
    if end == signal.SIGKILL:
        assert "files" in on_this_machine(run)
        with cleanup.run_directory(RUNS):
            pass
    assert on_this_machine(run) == {}
    assert not of_machine(machine)


def test_a_rehearsal_leaves_another_that_runs_alone() -> None:
    with cleanup.run_directory(RUNS) as one, cleanup.run_directory(RUNS):
        assert one.is_dir()


def test_a_rehearsal_leaves_another_alone_that_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    remove, half_gone = cleanup.remove, threading.Event()

    def in_two_steps(directory: Path) -> None:
        (directory / "lock").unlink()
        half_gone.set()
        time.sleep(0.5)
        remove(directory)

    def begin_meanwhile() -> None:
        half_gone.wait()
        with cleanup.run_directory(tmp_path):
            monkeypatch.undo()

    monkeypatch.setattr(cleanup, "remove", in_two_steps)
    with ThreadPoolExecutor() as pool:
        with cleanup.run_directory(tmp_path):
            begun = pool.submit(begin_meanwhile)
        begun.result()


def test_groups_that_go_meanwhile_are_no_error() -> None:
    group = cgroups.own() / "dxnn-comes-and-goes"
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            (group / "below").mkdir(parents=True)
            cgroups.remove(group)

    busy = threading.Thread(target=come_and_go)
    busy.start()
    try:
        for _ in range(100):
            assert on_this_machine("no-such-rehearsal") == {}
    finally:
        over.set()
        busy.join()
