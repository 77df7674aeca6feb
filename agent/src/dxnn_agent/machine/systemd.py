"""Telling systemd that a service is ready and alive, where systemd asked to be told."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# The agent's, as dxnn-….service; each writes where the settings say.
UNITS = ("restore", "run", "watch", "checkpoint", "finalize")

_BEAT_SECONDS = 10.0


def notify(message: str) -> None:
    """Send `READY=1` or `WATCHDOG=1`; nothing happens outside of systemd.

    https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    place = f"\0{address[1:]}" if address[0] == "@" else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifying:
        notifying.sendto(message.encode(), place)


@contextmanager
def beating() -> Iterator[None]:
    """Tell the watchdog to be patient, as long as the block lasts: uploads may take minutes."""
    over = threading.Event()

    def beat() -> None:
        while not over.is_set():
            notify("WATCHDOG=1")
            over.wait(_BEAT_SECONDS)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
