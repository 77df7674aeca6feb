"""The log: one event is one line, whatever its values hold."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxnn_agent import log
from dxnn_agent.errors import UsageError
from dxnn_agent.log import Log, State
from tests.agent_log import parse_line

MOMENT = datetime(2025, 1, 11, 14, 30, 12, tzinfo=UTC)


def test_the_contracts_example() -> None:
    fields: dict[str, log.Value] = {
        "run_id": "20250111-143012Z",
        "completion_status": "interrupted",
    }
    assert log.format_event(MOMENT, State.FINALIZE_START, fields) == (
        "[UTC 2025-01-11T14:30:12Z] STATE: FINALIZE_START "
        "run_id=20250111-143012Z completion_status=interrupted"
    )


@given(
    st.sampled_from(State),
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True), st.text()),
)
def test_every_event_is_one_line_and_can_be_read_back(state: State, fields: dict[str, str]) -> None:
    text = log.format_event(MOMENT, state, {**fields})
    assert len(text.splitlines()) == 1
    event = parse_line(text)
    assert (event.at, event.state, event.values) == (MOMENT, str(state), fields)


def test_a_name_that_is_no_utf8_is_still_one_readable_line() -> None:
    text = log.format_event(
        MOMENT, State.UPLOAD_FAIL, {"object": b"a\xffb".decode(errors="surrogateescape")}
    )
    text.encode()
    assert "a\\udcffb" in parse_line(text).values["object"]


def test_lines_of_many_threads_never_mix(tmp_path: Path) -> None:
    file = tmp_path / "run.log"
    shown: list[str] = []
    writer = Log(file, shown.append).open()

    def write(number: int) -> None:
        for _ in range(50):
            writer(State.UPLOAD_SUCCESS, object="x" * 2000, thread=number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = file.read_text().splitlines()
    assert len(lines) == len(shown) == 400
    assert all(parse_line(line) for line in lines)


def test_a_log_that_cannot_be_written_is_said_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="can't be written"):
        Log(tmp_path / "file" / "run.log").open()


def test_a_full_disk_stops_nothing() -> None:
    shown: list[str] = []
    Log(Path("/dev/full"), shown.append)(State.WATCH_START)
    assert "No space left" in shown[0]
    assert parse_line(shown[1])


def test_quoted_values_are_json() -> None:
    line = log.format_event(MOMENT, State.UPLOAD_RETRY, {"error": 'a "b"\nc'})
    assert line.endswith("error=" + json.dumps('a "b"\nc'))
