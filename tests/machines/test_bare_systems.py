"""Both commands of the README, on each bare system that it names: they set up what is missing."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machines.bare_systems import ROOT, SYSTEMS, fresh, run

# Not all the tests, which take long: some that need nothing, and those of the programs that only
# the tests need.
_SOME = "tests/unit tests/image"


@pytest.fixture(scope="module", params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Return a fresh tree of one of the systems."""
    if os.geteuid() != 0:
        pytest.skip("a tree of another system needs root")
    chosen = SYSTEMS[request.param]
    if chosen.is_ubuntu and not chosen.is_reachable:
        pytest.skip(f"{chosen.archive} can't be reached from here")
    with fresh(chosen) as root:
        yield root


def test_the_readme_names_these_and_no_others() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    (named,) = re.findall(r"On a bare (.*?) with `git` and `make`", text)
    assert named == "Debian 12 or 13 or Ubuntu 24.04"
    assert list(SYSTEMS) == ["Debian 12", "Debian 13", "Ubuntu 24.04"]


def test_make_demo(system: Path) -> None:
    told = run(system, "make demo")
    assert "Installing with apt: " in told
    assert "What the contract says" in told


def test_make_test_sets_up_what_it_needs(system: Path) -> None:
    told = run(system, f"make test-python WORKERS=2 TESTS='{_SOME}'")
    assert re.search(r"^\d+ passed", told.splitlines()[-1]), told[-2000:]
