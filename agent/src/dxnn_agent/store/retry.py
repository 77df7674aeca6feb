"""The seven attempts: how often S3 is asked again, and when it is given up."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception

from dxnn_agent.state.time_budget import wait_before_next
from dxnn_agent.store.s3 import S3Error

Result = TypeVar("Result")
Deadline = Callable[[], datetime | None]

_LOOK_UP_SECONDS = 0.25


def no_deadline() -> None:
    """The deadline of what may take as long as it takes."""


def attempt(
    work: Callable[[], Result],
    *,
    deadline: Deadline,
    retrying: Callable[[int, float, S3Error], None],
    give_up: Callable[[S3Error], bool] = lambda _: False,
) -> Result:
    """Do `work`, up to seven times where S3 fails it, and return what it returns.

    `deadline` is asked anew before each attempt and while waiting, as a notice may come meanwhile.
    `retrying` hears the attempt that failed, the seconds until the next, and the error. Raises the
    last S3Error.
    """

    def wait(state: RetryCallState) -> float | None:
        return wait_before_next(state.attempt_number, _left(deadline))

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, S3Error):
            retrying(state.attempt_number, state.upcoming_sleep, error)

    def again(error: BaseException) -> bool:
        return isinstance(error, S3Error) and not give_up(error)

    return Retrying(
        wait=lambda state: wait(state) or 0,
        stop=lambda state: wait(state) is None,
        sleep=lambda seconds: _sleep(seconds, deadline),
        retry=retry_if_exception(again),
        before_sleep=tell,
        reraise=True,
    )(work)


def _left(deadline: Deadline) -> float | None:
    until = deadline()
    return None if until is None else (until - datetime.now(UTC)).total_seconds()


def _sleep(seconds: float, deadline: Deadline) -> None:
    """Sleep, but no longer than half the time that a notice arriving meanwhile leaves."""
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        left = _left(deadline)
        if left is not None:
            end = min(end, now + max(0.0, left / 2))
        time.sleep(max(0.0, min(_LOOK_UP_SECONDS, end - time.monotonic())))
