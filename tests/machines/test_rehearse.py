"""The whole chain, played as `make rehearse` plays it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal.chain import leftovers
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
REHEARSE = [sys.executable, "-m", "rehearsal", "rehearse"]
PACKER = "packer build -color=false"


@pytest.mark.usefixtures("packer")
def test_the_whole_chain_holds(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = subprocess.run(
        [*REHEARSE, "--json", "--keep", str(kept)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["held"]
    assert {one["held"] for one in told["verdicts"]} == {True}
    assert {row["instance"] for row in told["timeline"]} == {
        "",
        "packer",
        "terraform",
        "one",
        "two",
    }
    assert sum(one["key"].endswith("/_SUCCESS") for one in told["objects"]) == 2
    assert "Reached target" in (kept / "two/console.log").read_text(errors="replace")
    assert "FINALIZE_SUCCESS" in (kept / "one/var/log/dxnn-run.log").read_text()
    assert "Destroy complete!" in (kept / "terraform.log").read_text()
    assert "FINALIZE_SUCCESS" in done.stderr


@pytest.mark.usefixtures("packer")
def test_whoever_ends_it_while_packer_bakes_ends_all_of_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*REHEARSE, "--keep", str(tmp_path / "kept")],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as rehearsal:
        try:
            (packer,) = wait_until(lambda: children(rehearsal.pid, PACKER), "Packer", 120)
            mark = environment(packer)["REHEARSAL_EC2"]
            rehearsal.send_signal(signal.SIGINT)
            assert rehearsal.wait(timeout=60) == 130
        finally:
            rehearsal.kill()
    assert leftovers.on_this_machine(mark) == {}


def children(parent: int, begins: str) -> list[int]:
    """List a process's children whose command begins like this."""
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in found if command(int(pid)).startswith(begins)]


def command(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")


def environment(process: int) -> dict[str, str]:
    words = Path(f"/proc/{process}/environ").read_text().split("\0")
    return dict(word.split("=", 1) for word in words if "=" in word)
