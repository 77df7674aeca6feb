"""How often the store is asked again, and when that has to be over."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception

from dxnn_agent.store.store import StoreError

Result = TypeVar("Result")
Deadline = Callable[[], datetime | None]

# Kept free before EC2 takes the machine: its clock and ours may differ, and poweroff takes time.
SAFETY_MARGIN = timedelta(seconds=5)

ATTEMPTS = 7
_LEAST_SECONDS_FOR_AN_ATTEMPT = 1.0
_LOOK_UP_SECONDS = 0.25


def attempt(
    work: Callable[[], Result],
    *,
    deadline: Deadline,
    retrying: Callable[[int, float, StoreError], None],
    give_up: Callable[[StoreError], bool] = lambda _: False,
    attempts: int = ATTEMPTS,
) -> Result:
    """Do `work`, up to `attempts` times where the store fails it, and return what it returns.

    `deadline` is asked anew before each attempt and while waiting, as a notice may come meanwhile.
    `retrying` hears the attempt that failed, the seconds until the next, and the error. Raises the
    last StoreError.
    """

    def wait(state: RetryCallState) -> float | None:
        return wait_before_next(state.attempt_number, _left(deadline), attempts)

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, StoreError):
            retrying(state.attempt_number, state.upcoming_sleep, error)

    def again(error: BaseException) -> bool:
        return isinstance(error, StoreError) and not give_up(error)

    return Retrying(
        wait=lambda state: wait(state) or 0,
        stop=lambda state: wait(state) is None,
        sleep=lambda seconds: _sleep(seconds, deadline),
        retry=retry_if_exception(again),
        before_sleep=tell,
        reraise=True,
    )(work)


def uploads_until(notice_time: datetime | None) -> datetime | None:
    """When whatever goes to the store has to be over; None without a notice."""
    return notice_time - SAFETY_MARGIN if notice_time else None


def wait_before_next(attempt: int, left: float | None, attempts: int = ATTEMPTS) -> float | None:
    """Seconds to wait after the given failed attempt (1 is the first); None: give up.

    1, 2, 4, 8, 16, 32 s between seven attempts (docs/contract.md, finalize). With `left` seconds
    until a deadline a wait is cut to half of them, so that another attempt still fits.
    """
    if attempt >= attempts:
        return None
    wait = float(2 ** (attempt - 1))
    if left is None:
        return wait
    return min(wait, left / 2) if left > _LEAST_SECONDS_FOR_AN_ATTEMPT else None


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
