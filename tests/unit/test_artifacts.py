"""Which of the trainer's files a run ships."""

from pathlib import Path

import pytest

from dxnn_agent import settings_sources
from dxnn_agent.settings import Settings
from dxnn_agent.state import artifacts
from dxnn_agent.state.run_state import Phase, Run
from dxnn_agent.store import uploaded
from dxnn_agent.store.uploaded import Uploaded

FIRST = Run("20250111-143001Z", "xor", "secret", Phase.READY)
SECOND = Run("20250111-143002Z", "xor", "secret", Phase.READY)
REPORT = "artifacts/benchmarks/report.txt"


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    Path("benchmarks").mkdir()
    required = {"s3_bucket": "bkt", "job_id": "xor", "container_name": "c"}
    places = {"state_dir": str(tmp_path / "state"), "trainer_directory": str(tmp_path)}
    return settings_sources.load(required | places, {})


def arrived(given: Settings, name: str) -> None:
    uploaded.remember(
        given.state_dir, Uploaded("bkt", f"dxnn/xor/run-{FIRST.run_id}/{name}", 1, "")
    )


def test_what_lay_there_is_hidden_from_its_own_run_alone(given: Settings) -> None:
    Path("benchmarks/report.txt").write_text("old")
    artifacts.note(given, FIRST)
    assert artifacts.changed(given, FIRST) == {}
    assert list(artifacts.changed(given, SECOND)) == [REPORT]


def test_the_first_list_of_a_run_stays(given: Settings) -> None:
    artifacts.note(given, FIRST)
    Path("benchmarks/report.txt").write_text("made by the run")
    arrived(given, REPORT)
    artifacts.note(given, FIRST)
    assert list(artifacts.changed(given, FIRST)) == [REPORT]


def test_a_name_that_is_no_utf8(given: Settings) -> None:
    Path(b"benchmarks/\xff.txt".decode(errors="surrogateescape")).write_text("old")
    artifacts.note(given, FIRST)
    assert artifacts.changed(given, FIRST) == {}
    assert list(artifacts.changed(given, SECOND)) == ["artifacts/benchmarks/\\xff.txt"]


@pytest.mark.parametrize(
    ("arrivals", "left"), [([], {REPORT}), ([REPORT], set()), (["_MANIFEST.json"], set())]
)
def test_what_an_earlier_run_could_not_ship_goes_with_the_next(
    given: Settings, arrivals: list[str], left: set[str]
) -> None:
    Path("benchmarks/of the image.txt").write_text("nobody's")
    artifacts.note(given, FIRST)
    Path("benchmarks/report.txt").write_text("made by the first run")
    for name in arrivals:
        arrived(given, name)
    artifacts.note(given, SECOND)
    assert set(artifacts.changed(given, SECOND)) == left
