"""How a run's end is judged."""

import pytest

from dxnn_agent.errors import UsageError
from dxnn_agent.state import outcome
from dxnn_agent.state.outcome import Outcome, Stop


def judged(of: Outcome | None) -> tuple[str, int | None, str]:
    assert of is not None
    return str(of.completion_status), of.exit_code, of.reason


def test_exit_zero_of_its_own_accord_is_normal() -> None:
    assert judged(outcome.of_exit(0, None)) == ("normal", 0, "training_completed")


def test_exit_zero_when_told_to_stop_is_interrupted() -> None:
    """Erlang exits 0 on TERM."""
    told = outcome.of_exit(0, Stop("signal_SIGTERM"))
    assert judged(told) == ("interrupted", 0, "signal_SIGTERM")


def test_a_crash_is_interrupted() -> None:
    assert judged(outcome.of_exit(3, None)) == ("interrupted", 3, "trainer_exit_3")


def test_a_trainer_that_was_ended_since_it_stood_still_has_failed() -> None:
    assert judged(outcome.of_exit(1, None, stalled=True)) == ("interrupted", 1, "trainer_stalled")
    assert judged(outcome.of_exit(0, None, stalled=True)) == ("interrupted", 0, "trainer_stalled")


def test_what_it_was_told_wins_over_standing_still() -> None:
    told = outcome.of_exit(143, Stop("spot_interruption"), stalled=True)
    assert judged(told) == ("interrupted", 143, "spot_interruption")


def test_what_a_trainer_ends_itself_is_a_failure() -> None:
    failures = ["trainer_exit_1", "trainer_exit_137", "trainer_stalled"]
    others = ["training_completed", "spot_interruption", "signal_SIGTERM", "shutdown", "manual"]
    assert [each for each in failures + others if outcome.is_failure(each)] == failures


def test_a_signal_is_128_and_its_number() -> None:
    assert outcome.shell_code(-9) == 137
    assert judged(outcome.of_exit(137, None)) == ("interrupted", 137, "trainer_exit_137")


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("normal", "0", ("normal", 0, "training_completed")),
        ("normal", None, ("normal", 0, "training_completed")),
        ("interrupted", None, ("interrupted", None, "manual")),
        ("interrupted", "3", ("interrupted", 3, "trainer_exit_3")),
        ("interrupted", "0", ("interrupted", 0, "manual")),
        (None, "0", ("normal", 0, "training_completed")),
        (None, "9", ("interrupted", 9, "trainer_exit_9")),
    ],
)
def test_words(status: str | None, code: str | None, expected: tuple[str, int | None, str]) -> None:
    assert judged(outcome.of_words(status, code)) == expected


def test_no_words_say_nothing() -> None:
    assert outcome.of_words(None, None) is None
    assert outcome.of_words("", "") is None


@pytest.mark.parametrize(
    ("status", "code"),
    [("done", None), ("normal", "1"), (None, "x"), (None, "256"), (None, "-1"), ("Normal", "0")],
)
def test_wrong_words_are_refused(status: str | None, code: str | None) -> None:
    with pytest.raises(UsageError, match=r"should be|contradict"):
        outcome.of_words(status, code)
