"""Names and keys."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from dxnn_agent import timestamps
from dxnn_agent.store import keys
from dxnn_agent.store.keys import DumpName

MOMENTS = st.datetimes(
    min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC)
)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


@given(MOMENTS)
def test_a_stamp_can_be_read_back(moment: datetime) -> None:
    assert timestamps.moment_of(timestamps.stamp(moment)) == moment.replace(microsecond=0)


@given(MOMENTS, MOMENTS)
def test_stamps_sort_as_their_moments_do(one: datetime, other: datetime) -> None:
    one, other = one.replace(microsecond=0), other.replace(microsecond=0)
    assert (timestamps.stamp(one) < timestamps.stamp(other)) == (one < other)


@given(st.text())
def test_any_text_is_a_stamp_or_is_not(text: str) -> None:
    moment = timestamps.moment_of(text)
    assert moment is None or timestamps.stamp(moment) == text


@given(st.sampled_from(["checkpoint", "completion"]), MOMENTS)
def test_a_dump_name_can_be_read_back(kind: str, moment: datetime) -> None:
    name = DumpName(kind, timestamps.stamp(moment))
    assert keys.dump_name(name.file) == name
    assert name.taken_at == moment.replace(microsecond=0)


@given(st.text())
def test_no_other_file_is_taken_for_a_dump(file: str) -> None:
    name = keys.dump_name(file)
    assert name is None or name.file == file


def test_temporary_names_are_no_dumps() -> None:
    assert keys.dump_name(".checkpoint-20250111-143012Z.dmp.tmp") is None
    assert keys.dump_name("checkpoint-20250111-143012Z.metadata.json") is None


@given(NAMES, NAMES, NAMES)
def test_keys_split_where_they_were_joined(prefix: str, job: str, name: str) -> None:
    run_id = "20250111-143012Z"
    key = keys.run_prefix(prefix, job, run_id) + name
    assert keys.split_key(key, keys.job_prefix(prefix, job)) == (run_id, name)


def test_a_prefix_may_be_empty() -> None:
    assert keys.run_prefix("", "xor", "20250111-143012Z") == "xor/run-20250111-143012Z/"


def test_another_jobs_keys_are_not_ours() -> None:
    assert keys.split_key("dxnn/xor2/run-1/x", keys.job_prefix("dxnn", "xor")) is None
