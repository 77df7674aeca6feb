"""The whole chain, played as `make rehearse` plays it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal.chain import leftovers
from tests.checkout import checkout
from tests.documents.typist import Typist
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
REHEARSE = [sys.executable, "-m", "rehearsal", "rehearse"]
PACKER = "packer build -color=false"


@pytest.mark.usefixtures("packer")
@pytest.mark.types("make rehearse TRAINER=~/DXNN-Trader-v2 KEEP=~/rehearsal")
def test_the_whole_chain_holds_with_a_dxnn(typist: Typist) -> None:
    checkout(typist.home / "DXNN-Trader-v2")
    told = typist.type(*typist.names)
    assert "ok  nothing is left on this machine" in told
    assert "FAILED" not in told
    kept = typist.home / "rehearsal"
    assert "Reached target" in (kept / "two/console.log").read_text(errors="replace")
    assert "FINALIZE_SUCCESS" in (kept / "one/var/log/dxnn-run.log").read_text()
    assert "Destroy complete!" in (kept / "terraform.log").read_text()


@pytest.mark.usefixtures("packer")
@pytest.mark.types("make rehearse")
def test_the_whole_chain_holds(typist: Typist) -> None:
    told = typist.type(*typist.names)
    assert "ok  nothing is left on this machine" in told
    assert "FAILED" not in told


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
    """Give a process's command line; nothing of one that is gone by now."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except (ProcessLookupError, FileNotFoundError):
        return ""


def environment(process: int) -> dict[str, str]:
    words = Path(f"/proc/{process}/environ").read_text().split("\0")
    return dict(word.split("=", 1) for word in words if "=" in word)
