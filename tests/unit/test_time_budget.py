"""How a notice's time is spent."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dxnn_agent.state import time_budget
from dxnn_agent.store import retry

NOW = datetime(2025, 1, 11, 14, 30, 12, tzinfo=UTC)


def test_the_waits_are_the_guides() -> None:
    waits = [retry.wait_before_next(attempt, None) for attempt in range(1, 8)]
    assert waits == [1, 2, 4, 8, 16, 32, None]


@given(st.integers(1, 7), st.floats(-100, 1000))
def test_a_wait_never_outlasts_half_of_what_is_left(attempt: int, left: float) -> None:
    wait = retry.wait_before_next(attempt, left)
    assert wait is None or 0 < wait <= left / 2


@given(st.floats(-60, 600), st.integers(1, 3600))
def test_a_budget_keeps_its_order_and_the_safety_margin(seconds: float, allowed: int) -> None:
    notice_time = NOW + timedelta(seconds=seconds)
    budget = time_budget.budget(NOW, notice_time, allowed)
    assert NOW <= budget.checkpoint_by <= budget.trainer_stopped_by
    assert budget.checkpoint_by <= NOW + timedelta(seconds=allowed)
    until = retry.uploads_until(notice_time)
    assert until == notice_time - retry.SAFETY_MARGIN
    if seconds > 5:
        assert budget.trainer_stopped_by < until


def test_spots_two_minutes_leave_the_checkpoint_its_own_deadline() -> None:
    budget = time_budget.budget(NOW, NOW + timedelta(minutes=2), 30)
    assert budget.checkpoint_by == NOW + timedelta(seconds=30)
    assert budget.trainer_stopped_by == NOW + timedelta(seconds=40)


def test_without_a_time_only_the_setting_counts() -> None:
    budget = time_budget.budget(NOW, None, 60)
    assert budget.checkpoint_by == NOW + timedelta(seconds=60)
    assert retry.uploads_until(None) is None
