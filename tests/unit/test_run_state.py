"""What the instance knows of its run survives everything."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dxnn_agent.errors import UsageError
from dxnn_agent.machine.notices import Notice
from dxnn_agent.state import run_state, standing_notice
from dxnn_agent.state.run_state import Phase, Run

RUN = Run("20250111-143012Z", "xor", "secret", Phase.READY)


def test_a_run_can_be_read_back(tmp_path: Path) -> None:
    assert run_state.load(tmp_path) is None
    run_state.save(tmp_path, RUN)
    assert run_state.load(tmp_path) == RUN


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"phase": "dancing"}', '"x"'])
def test_a_state_that_cannot_be_understood_is_never_overwritten(
    content: str, tmp_path: Path
) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(UsageError, match="is not the state of a run"):
        run_state.load(tmp_path)


def test_a_finalized_run_does_not_come_back_to_life(tmp_path: Path) -> None:
    run_state.save(tmp_path, replace(RUN, phase=Phase.FINALIZED))
    run_state.update(tmp_path, RUN.run_id, phase=Phase.READY)
    after = run_state.load(tmp_path)
    assert after is not None
    assert after.phase is Phase.FINALIZED


def test_another_run_is_not_touched(tmp_path: Path) -> None:
    run_state.save(tmp_path, RUN)
    assert run_state.update(tmp_path, "20200101-000000Z", exit_code=1) is None
    assert run_state.load(tmp_path) == RUN


def test_changes_of_many_threads_all_arrive(tmp_path: Path) -> None:
    run_state.save(tmp_path, RUN)
    changes: list[dict[str, Any]] = [
        {"exit_code": 1},
        {"reason": "x"},
        {"instance_id": "i-1"},
        {"trainer_pid": 7},
    ]
    threads = [
        threading.Thread(target=run_state.update, args=(tmp_path, RUN.run_id), kwargs=change)
        for change in changes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert run_state.load(tmp_path) == replace(
        RUN, exit_code=1, reason="x", instance_id="i-1", trainer_pid=7
    )


def test_a_notice_stands_until_the_next_boot(tmp_path: Path) -> None:
    standing_notice.record(tmp_path, Notice("spot_interruption", None, ""), told_to_stop=True)
    notice = standing_notice.current(tmp_path)
    assert notice is not None
    assert notice.stop is not None
    written = (tmp_path / "notice.json").read_text()
    (tmp_path / "notice.json").write_text(written.replace('"boot_id": "', '"boot_id": "not-'))
    assert standing_notice.current(tmp_path) is None


def test_a_torn_notice_is_none(tmp_path: Path) -> None:
    (tmp_path / "notice.json").write_text('{"reason":')
    assert standing_notice.current(tmp_path) is None
