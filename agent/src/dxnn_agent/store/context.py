"""What every command works with, made once and handed on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from dxnn_agent.log import Log, State
from dxnn_agent.settings import Settings
from dxnn_agent.store.retry import uploads_until
from dxnn_agent.store.store import Store, StoreError


def no_notice() -> None:
    """When EC2 takes the machine, as far as anybody has said."""


@dataclass(frozen=True)
class Context:
    """Settings, the log, and the store, which is None where no bucket is set.

    `notice_time` says when EC2 takes this machine; it is asked anew each time, as a notice may come
    while something is on its way. `progress` hears of bytes that are sent.
    """

    settings: Settings
    log: Log
    store: Store | None
    notice_time: Callable[[], datetime | None] = no_notice
    progress: Callable[[int], None] | None = None

    def deadline(self) -> datetime | None:
        """Until when what is sent or fetched has to be over; None without a notice."""
        return uploads_until(self.notice_time())

    def retrying(self, name: str) -> Callable[[int, float, StoreError], None]:
        """What tells the log of a failed attempt at `name`."""

        def tell(attempt: int, wait_seconds: float, error: StoreError) -> None:
            self.log(
                State.UPLOAD_RETRY,
                object=name,
                attempt=attempt,
                wait_seconds=wait_seconds,
                error=str(error),
            )

        return tell
