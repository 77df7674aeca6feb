"""What systemd-nspawn could leave of a machine."""

from pathlib import Path


def of_machine(name: str) -> list[str]:
    """List what systemd-nspawn keeps of a machine while it runs."""
    return [str(one) for one in Path("/run/systemd/nspawn").rglob(name)]
