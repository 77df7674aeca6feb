"""The demos that the documents show, and what they tell to do with what a demo leaves."""

import os
import subprocess
from pathlib import Path
from textwrap import dedent

import pytest

from tests.checkout import checkout
from tests.documents.shown import ROOT
from tests.documents.typist import Typist

TRAIN = """
    import json, os, pathlib, time
    step = 0
    if "DXNN_RESTORE_PATH" in os.environ:
        step = json.loads(pathlib.Path(os.environ["DXNN_RESTORE_PATH"]).read_text())
    pathlib.Path("benchmarks").mkdir(exist_ok=True)
    while step < 150:
        step += 1
        pathlib.Path("next").write_text(json.dumps(step))
        pathlib.Path("next").rename("step")
        print("step", step, flush=True)
        time.sleep(0.1)
    pathlib.Path("benchmarks/report").write_text("trained")
"""
SAVE = """
    import os, shutil
    shutil.copyfile("step", os.environ["DXNN_CHECKPOINT_PATH"])
"""


def check(told: str) -> None:
    """Check that a rehearsal held."""
    assert "What the contract says" in told
    assert "ok  the second trainer went on with the population that the dump holds" in told
    assert "FAILED" not in told


@pytest.mark.types(
    "make setup",
    "make help",
    "make demo KEEP=~/rehearsal",
    "cat ~/rehearsal/one/var/log/dxnn-run.log",
    ".venv/bin/dxnn-agent finalize --dry-run --config ~/rehearsal/two/etc/dxnn/agent.toml",
    "erlang/bin/dxnn-check --trainer erlang/build/trainer"
    " ~/rehearsal/two/var/lib/dxnn/checkpoints/completion-*.dmp",
    "erlang/bin/dxnn-train --help",
)
def test_a_demo_and_a_look_at_what_it_left(typist: Typist) -> None:
    setup, help_, demo, cat, dry_run, dump, dxnn_train = typist.names
    typist.type(setup)
    assert "make rehearse" in typist.type(help_)
    check(typist.type(demo))
    assert "STATE: FINALIZE_SUCCESS" in typist.type(cat)
    assert "_SUCCESS would say" in typist.type(dry_run)
    typist.type(dump)
    assert typist.type(dxnn_train).startswith("usage: dxnn-train")


def test_a_home_is_found_whatever_the_shell_makes_of_it(tmp_path: Path) -> None:
    told = subprocess.run(
        ["make", "--dry-run", "demo", "TRAINER=~/DXNN", "KEEP=~/rehearsal"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert f'--trainer "{tmp_path}/DXNN"' in told
    assert f'--keep "{tmp_path}/rehearsal"' in told


@pytest.mark.types("make demo TRAINER=~/DXNN-Trader-v2")
def test_a_dxnn(typist: Typist) -> None:
    checkout(typist.home / "DXNN-Trader-v2")
    check(typist.type(*typist.names))


@pytest.mark.types("make setup", ".venv/bin/python -m rehearsal demo --trainer ~/DXNN2 --runs 5")
def test_a_number_of_runs(typist: Typist) -> None:
    checkout(typist.home / "DXNN2")
    check(typist.type(*typist.names))


@pytest.mark.types(
    'make demo TRAINER=~/mine TRAINER_COMMAND="python3 train.py"'
    ' CHECKPOINT_COMMAND="python3 save.py"'
)
def test_another_program(typist: Typist) -> None:
    mine = typist.home / "mine"
    mine.mkdir()
    (mine / "train.py").write_text(dedent(TRAIN))
    (mine / "save.py").write_text(dedent(SAVE))
    told = typist.type(*typist.names)
    assert "What the contract says" in told
    assert "FAILED" not in told
