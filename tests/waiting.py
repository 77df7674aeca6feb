"""Wait for something to become true instead of sleeping for as long as it usually takes."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_until(
    condition: Callable[[], Value], what: str, seconds: float = 30.0, pause: float = 0.02
) -> Value:
    """Return the first true value of `condition`; fail, naming `what`, after `seconds`.

    `pause` is the time between two looks, in seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(pause)
