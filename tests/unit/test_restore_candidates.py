"""Which dump is the newest of a job."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dxnn_agent import timestamps
from dxnn_agent.commands import restore
from dxnn_agent.state.dumps import Dump
from dxnn_agent.store.keys import DumpName
from dxnn_agent.store.store import Listed

JOB = "dxnn/xor/"
START = datetime(2025, 1, 1, tzinfo=UTC)
STAMPS = st.integers(0, 10**6).map(lambda n: timestamps.stamp(START + timedelta(seconds=n)))


def key(run_id: str, file: str) -> str:
    return f"{JOB}run-{run_id}/{file}"


@given(st.lists(st.tuples(STAMPS, st.sampled_from(["checkpoint", "completion"]), STAMPS)))
def test_newest_first_across_runs(places: list[tuple[str, str, str]]) -> None:
    listing = {
        key(run_id, f"{kind}-{label}.dmp"): Listed(1, START) for run_id, kind, label in places
    }
    found = restore.candidates(listing, JOB, [], "xor")
    assert len(found) == len(listing)
    moments = [candidate.moment for candidate in found]
    assert moments == sorted(moments, reverse=True)


@given(st.lists(st.text()))
def test_other_objects_are_no_dumps(names: list[str]) -> None:
    listing = {key("20250101-000000Z", name): Listed(1, START) for name in names}
    assert all(c.name.file in names for c in restore.candidates(listing, JOB, [], "xor"))


def test_artifacts_that_are_named_like_dumps_are_no_dumps() -> None:
    inside = key("20250101-000000Z", "artifacts/benchmarks/checkpoint-20250101-000000Z.dmp")
    assert restore.candidates({inside: Listed(1, START)}, JOB, [], "xor") == []


def local(job_id: str, label: str) -> Dump:
    name = DumpName("checkpoint", label)
    described = {"job_id": job_id, "run_id": "20250101-000000Z"}
    return Dump(name, Path("/ckpt") / name.file, 1, START, described)


def test_a_dump_that_never_left_this_machine_counts_too() -> None:
    in_s3 = {key("20250101-000000Z", "checkpoint-20250101-000100Z.dmp"): Listed(1, START)}
    found = restore.candidates(in_s3, JOB, [local("xor", "20250101-000200Z")], "xor")
    assert [candidate.path is not None for candidate in found] == [True, False]


def test_a_dump_that_is_in_s3_is_taken_from_there() -> None:
    in_s3 = {key("20250101-000000Z", "checkpoint-20250101-000100Z.dmp"): Listed(1, START)}
    found = restore.candidates(in_s3, JOB, [local("xor", "20250101-000100Z")], "xor")
    assert [candidate.path for candidate in found] == [None]


def test_another_jobs_dumps_are_not_taken() -> None:
    assert restore.candidates({}, JOB, [local("other", "20250101-000100Z")], "xor") == []
