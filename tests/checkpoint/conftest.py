"""A machine in the middle of a run."""

import pytest

from tests.fault_proxy import FaultProxy
from tests.machine import Machine


@pytest.fixture
def begun(machine: Machine, proxy: FaultProxy) -> Machine:
    """Return a machine whose run has begun."""
    assert machine.agent("restore").code == 0
    proxy.forget()
    return machine
