"""What the trainer prints: passed on to our own stdout, with the last of it kept."""

import os
import re
import sys
import threading
import time
from contextlib import suppress
from typing import IO

_PIECE_BYTES = 65536
_KEPT_BYTES = 8192
_TOLD_CHARACTERS = 300
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # what colours a terminal


class TrainerOutput:
    """Reads the trainer's pipe to its end, in a thread of its own.

    `last_at` is when the trainer last printed, by the monotonic clock; at first, when it started.
    """

    def __init__(self, pipe: IO[bytes]) -> None:
        self.last_at = time.monotonic()
        self._pipe = pipe
        self._kept = b""
        self._stdout = _own_stdout()
        # A daemon: a process that the trainer left behind may hold the pipe for ever.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def await_end(self, seconds: float) -> None:
        """Wait until all is read, for no longer than that."""
        self._reader.join(seconds)

    def lines(self) -> list[str]:
        """The last lines that it printed, without what can't be shown; blank ones are left out."""
        kept = self._kept
        lines = re.split(r"[\r\n]", kept.decode(errors="replace"))
        whole = lines[1:] if len(kept) == _KEPT_BYTES and len(lines) > 1 else lines
        return [shown for line in whole if (shown := _shown(line))]

    def last_line(self) -> str | None:
        """The beginning of the last line that says something; None where there is none."""
        lines = self.lines()
        return lines[-1][:_TOLD_CHARACTERS] if lines else None

    def _read(self) -> None:
        while piece := os.read(self._pipe.fileno(), _PIECE_BYTES):
            self.last_at = time.monotonic()
            self._kept = (self._kept + piece)[-_KEPT_BYTES:]
            self._pass_on(piece)

    def _pass_on(self, piece: bytes) -> None:
        if self._stdout is None:
            return
        # Who reads our stdout may be gone, or its disk full: the trainer trains on.
        with suppress(OSError):
            while piece:
                piece = piece[os.write(self._stdout, piece) :]


def _own_stdout() -> int | None:
    """Our stdout; None where it was closed: its number may be a file's or a socket's by now."""
    with suppress(OSError):
        return sys.stdout.fileno() if sys.stdout else None
    return None


def _shown(line: str) -> str:
    plain = _ESCAPE_SEQUENCE.sub("", line)
    return "".join(each if each.isprintable() else " " for each in plain).strip()
