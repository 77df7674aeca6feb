"""Ports of this machine's loopback interface."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Return `count` different ports that were free a moment ago."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def refusing_port() -> Iterator[int]:
    """Hold a port on which nobody listens, so that every connection to it is refused at once."""
    with socket.socket() as held:
        held.bind((HOST, 0))
        yield held.getsockname()[1]
