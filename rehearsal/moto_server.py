"""moto's server, corrected: `python -m rehearsal.moto_server` is `moto_server`."""

from moto import server

from rehearsal import moto_groups, moto_images, moto_networks, moto_permissions


def correct() -> None:
    """Make every correction, in this process."""
    moto_groups.correct()
    moto_images.correct()
    moto_networks.correct()
    moto_permissions.correct()


if __name__ == "__main__":
    correct()
    server.main()
