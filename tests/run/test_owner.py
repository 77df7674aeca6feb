"""The trainer's user is whoever owns its folder; only root can give a folder away."""

import json
import os
import pwd
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.machine import AGENT, Machine, NewMachine
from tests.programs import python

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
NOBODY = pwd.getpwnam("nobody")

TELLS = """
import json, os, pathlib, subprocess, sys
status = pathlib.Path("/proc/self/status").read_text().splitlines()
told = {line.split(":")[0]: line.split(":")[1].split() for line in status}
told["HOME"] = os.environ["HOME"]
pathlib.Path(sys.argv[1]).write_text(json.dumps(told))
"""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Return a folder that another user may enter, which pytest's own keep him from."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        path.chmod(0o755)
        yield path


def give_to_nobody(machine: Machine) -> None:
    os.chown(machine.trainer_directory, NOBODY.pw_uid, NOBODY.pw_gid)


@ROOT_ONLY
def test_the_trainer_runs_as_the_owner_of_its_folder_without_any_rights(
    machine_with: NewMachine,
) -> None:
    # The tests' own Python may lie where only root gets to.
    trainer = ["/usr/bin/python3", *python(TELLS, "told.json")[1:]]
    machine = machine_with(trainer_command=trainer)
    give_to_nobody(machine)
    assert machine.agent("run").code == 0
    told = json.loads((machine.trainer_directory / "told.json").read_text())
    assert set(told["Uid"]) == {str(NOBODY.pw_uid)}
    assert set(told["Gid"]) == {str(NOBODY.pw_gid)}
    assert {int(told[name][0], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert told["NoNewPrivs"] == ["1"]
    assert told["HOME"] == NOBODY.pw_dir


@ROOT_ONLY
def test_the_trainer_is_still_stopped_by_the_agent(machine_with: NewMachine) -> None:
    machine = machine_with(trainer_command=["sleep", "60"])
    give_to_nobody(machine)
    running = machine.start("run")
    machine.wait_for("RUN_START")
    assert machine.agent("stop").code == 0
    assert running.result().code == 0
    [ended] = machine.events("RUN_EXIT")
    assert ended.values["exit_code"] == "143"


ROOT = Path(__file__).parents[2]


def reachable(places: Iterable[Path], staging: Path) -> Iterator[str]:
    """Yield what a shell of its own mount namespace does so that others may enter these places.

    They may lie in a home that only its owner enters: what keeps others out is covered, but for
    the places themselves.
    """
    hidden = {place: closed for place in places if (closed := closed_ancestor(place))}
    for number, place in enumerate(hidden):
        yield f"mkdir {staging / str(number)}"
        yield shlex.join(["mount", "--bind", str(place), str(staging / str(number))])
    for closed in sorted(set(hidden.values())):
        yield shlex.join(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(closed)])
    for number, place in enumerate(hidden):
        yield shlex.join(["mkdir", "-p", str(place)])
        yield shlex.join(["mount", "--bind", str(staging / str(number)), str(place)])


def closed_ancestor(place: Path) -> Path | None:
    ways = [*reversed(place.parents), place]
    return next((way for way in ways if not way.stat().st_mode & 0o001), None)


@ROOT_ONLY
def test_an_agent_with_the_right_to_change_users_never_becomes_root(
    machine_with: NewMachine, tmp_path: Path
) -> None:
    machine = machine_with(trainer_command=["true"])
    give_to_nobody(machine)
    os.chown(machine.trainer_directory, 0, 0)
    for path in (machine.root, machine.root / "dxnn.toml"):
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    caps = "+setuid,+setgid"
    agent = [
        *("setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups"),
        *(f"--inh-caps={caps}", f"--ambient-caps={caps}", AGENT, "run"),
    ]
    mounts = reachable([Path(sys.base_prefix), ROOT], tmp_path)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", "\n".join([*mounts, f"exec {shlex.join(agent)}"])],
        env=machine.environment,
        cwd=machine.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no trainer is to run as root" in done.stderr, done.stderr
    assert done.returncode == 2
