"""One machine alone, as docs/rehearsing.md shows it."""

import signal

import pytest

from tests.documents.typist import Typist


@pytest.mark.usefixtures("packages")
@pytest.mark.types("sudo .venv/bin/python -m rehearsal.ec2 --user-data settings.yaml")
def test_it_boots_and_ends_with_ctrl_c(typist: Typist) -> None:
    (typist.clone / "settings.yaml").write_text('#cloud-config\nruncmd: ["echo it is set up"]\n')
    machine = typist.start(*typist.names)
    assert machine.stdout
    told = []
    for line in machine.stdout:
        told.append(line)
        if "it is set up" in line:
            machine.send_signal(signal.SIGINT)
    assert machine.wait(60) == 0, told
    for shown in ("# a shell in it: nsenter ", "# a Spot notice: ", "Reached target"):
        assert any(shown in line for line in told), told
