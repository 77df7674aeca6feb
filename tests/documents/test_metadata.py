"""What docs/rehearsing.md shows to try the watch with."""

import signal

import pytest

from tests.documents.typist import Typist
from tests.machine import NewMachine


@pytest.mark.types(
    ".venv/bin/python -m rehearsal metadata --notice-after 5",
    "dxnn-agent watch",
)
def test_metadata_with_a_notice(typist: Typist, machine_with: NewMachine) -> None:
    service = typist.start(".venv/bin/python")
    assert service.stdout
    exported, told = service.stdout.readline(), service.stdout.readline()
    variable, endpoint = exported.removeprefix("export ").strip().split("=")
    assert told.startswith("# a notice, now: curl -X POST http://127.0.0.1:")
    machine = machine_with()
    typist.start("dxnn-agent watch", directory=machine.root, environment={variable: endpoint})
    assert machine.wait_for("DETECTED").values["reason"] == "spot_interruption"
    service.send_signal(signal.SIGINT)
    assert service.wait(10) == 0
