"""What is done about an instance follows from what EC2 says and what its machine does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.ec2.decisions import (
    POWER_OFF_SECONDS,
    UP_SECONDS,
    Action,
    Actual,
    Power,
    State,
    Wanted,
    decide,
)

STATES: tuple[State, ...] = (
    "pending",
    "running",
    "stopping",
    "stopped",
    "shutting-down",
    "terminated",
)
OFF, ENDED, ON = Actual("off"), Actual("ended"), Actual("on")


@pytest.mark.parametrize(
    ("state", "actual", "action"),
    [
        ("pending", None, "boot"),
        ("pending", OFF, "boot"),
        ("pending", ON, None),
        ("pending", Actual("on", listens=True), "say_up"),
        ("pending", Actual("on", booted_seconds=UP_SECONDS), "say_up"),
        ("pending", ENDED, "say_off"),
        ("running", ON, None),
        ("running", ENDED, "say_off"),
        ("running", OFF, "boot"),
        ("stopping", ON, "power_off"),
        ("stopping", Actual("on", pressed_seconds=1), "power_off"),
        ("stopping", Actual("on", pressed_seconds=POWER_OFF_SECONDS), "cut"),
        ("stopping", ENDED, "say_off"),
        ("stopping", None, "say_off"),
        ("stopped", ENDED, "say_off"),
        ("stopped", OFF, None),
        ("stopped", None, None),
        ("shutting-down", ON, "power_off"),
        ("shutting-down", Actual("on", pressed_seconds=POWER_OFF_SECONDS), "cut"),
        ("shutting-down", ENDED, "remove"),
        ("shutting-down", None, "remove"),
        ("terminated", None, None),
        ("terminated", OFF, "forget"),
    ],
)
def test_the_next_thing_to_do(state: State, actual: Actual | None, action: Action | None) -> None:
    assert decide(Wanted(state), actual) == action


@pytest.mark.parametrize(
    ("state", "actual", "action"),
    [
        ("stopped", OFF, "freeze"),  # as Packer does it
        ("running", ON, "power_off"),
        ("running", ENDED, "freeze"),
        ("stopping", ENDED, "say_off"),
        ("shutting-down", ENDED, "freeze"),
        ("terminated", OFF, "forget"),
    ],
)
def test_an_image_is_taken_of_a_machine_that_is_off(
    state: State, actual: Actual, action: Action
) -> None:
    assert decide(Wanted(state, image_due=True), actual) == action


def test_a_machine_that_is_off_is_not_rebooted() -> None:
    assert decide(Wanted("running", reboot=True), ON) == "reboot"
    assert decide(Wanted("running", reboot=True), ENDED) == "say_off"


@given(
    st.builds(Wanted, st.sampled_from(STATES), st.booleans(), st.booleans()),
    st.none() | st.builds(Actual, st.sampled_from(("off", "on", "ended")), st.booleans()),
)
def test_no_disk_is_touched_while_its_machine_is_on(wanted: Wanted, actual: Actual | None) -> None:
    power: Power = actual.power if actual else "off"
    action = decide(wanted, actual)
    if power == "on":
        assert action not in {"boot", "freeze", "remove", "forget", "say_off"}
    else:
        assert action not in {"cut", "power_off", "reboot", "say_up"}
