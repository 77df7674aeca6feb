"""A network that only one rehearsal sees, with the addresses that its machines know.

Addresses of instances are those that the API says, of whatever VPC and subnet: each machine hangs
on one bridge and reaches two addresses of the host and nothing else, at once and without waiting
for answers from outside.
"""

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from rehearsal.errors import RehearsalError

METADATA = "169.254.169.254"
SERVICES = "10.66.0.1"  # where machines reach the APIs of AWS
BRIDGE = "dxnn0"

_CLONE_NEWNET = 0x40000000
_SETUP = (
    ("link", "set", "lo", "up"),
    # With an address of its own: it would take the lowest of its machines', and change it under the
    # others whenever one comes or goes.
    ("link", "add", BRIDGE, "address", "02:00:00:00:00:01", "type", "bridge"),
    ("address", "add", f"{SERVICES}/32", "dev", BRIDGE),
    ("address", "add", f"{METADATA}/32", "dev", BRIDGE),
    ("link", "set", BRIDGE, "up"),
    # There is no other network here: every address that is not the host's is a machine's.
    ("route", "add", "default", "dev", BRIDGE),
)


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """Give this thread, and what it starts in the block, a network of its own; needs root.

    The kernel takes the network away with the last process in it. Raises RehearsalError.
    """
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _call("unshare", _CLONE_NEWNET)
        try:
            for arguments in (*_SETUP, *_no_name_servers()):
                subprocess.run(["ip", *arguments], check=True, stdin=subprocess.DEVNULL)
            yield
        finally:
            _call("setns", before, _CLONE_NEWNET)
    finally:
        os.close(before)


def machine_network(address: str) -> str:
    """Write what systemd-networkd needs in a machine that has this address."""
    routes = "".join(
        f"\n[Route]\nDestination={host}/32\nScope=link\n" for host in (SERVICES, METADATA)
    )
    return (
        "[Match]\nName=host0\n\n"
        f"[Network]\nAddress={address}/32\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n{routes}"
    )


def _no_name_servers(resolver: Path = Path("/etc/resolv.conf")) -> Iterator[tuple[str, ...]]:
    """Refuse the host's name servers at once: each server of HTTP here asks for its own name."""
    lines = resolver.read_text(encoding="utf-8").splitlines() if resolver.exists() else []
    for words in map(str.split, lines):
        if words[:1] == ["nameserver"] and ":" not in words[1] and not words[1].startswith("127."):
            yield ("route", "replace", "unreachable", words[1])


def _call(function: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise RehearsalError(f"a network of its own can't be had ({function}: {reason}): use root")
