"""Both commands of the README, on each bare system that it names: they set up what is missing."""

import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.machines.bare_systems import ROOT, SYSTEMS, System, fresh, run

# Not all the tests, which take long: those of programs that only the tests need.
_SOME = "tests/image/test_scripts.py tests/image/test_units.py"
_AT_A_TIME = 2


def typed(system: System) -> tuple[str, str]:
    """Type both commands on a bare system, and give what each prints."""
    with fresh(system) as root:
        demo = run(system, root, "make demo")
        return demo, run(system, root, f"make test-python WORKERS=2 TESTS='{_SOME}'")


@pytest.fixture(scope="module")
def told() -> Iterator[Mapping[str, Future[tuple[str, str]]]]:
    """Return what both commands print on each system that can be had."""
    if os.geteuid() != 0:
        pytest.skip("a tree of another system needs root")
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        yield {
            name: pool.submit(typed, system)
            for name, system in SYSTEMS.items()
            if not system.is_ubuntu or system.is_reachable
        }


def test_the_readme_names_these_and_no_others() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    (named,) = re.findall(r"On a bare (.*?) with `git` and `make`", text)
    assert named == "Debian 12 or 13 or Ubuntu 24.04"
    assert list(SYSTEMS) == ["Debian 12", "Debian 13", "Ubuntu 24.04"]


@pytest.mark.parametrize("name", SYSTEMS)
def test_both_commands_set_up_what_they_need(
    told: Mapping[str, Future[tuple[str, str]]], name: str
) -> None:
    if name not in told:
        pytest.skip(f"{SYSTEMS[name].archive} can't be reached from here")
    demo, tests = told[name].result()
    assert "Installing with apt: " in demo
    assert "What the contract says" in demo
    assert re.search(r"^=+ \d+ passed", tests, re.MULTILINE), tests[-2000:]
    assert "failed" not in tests
