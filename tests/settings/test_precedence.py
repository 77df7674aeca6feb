"""Option beats environment beats file beats default; the same name everywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.dump_files import leave_checkpoint
from tests.machine import Machine, NewMachine
from tests.settings.dry_run import planned

STRINGS: dict[str, Callable[[dict[str, Any]], object]] = {
    "s3_bucket": lambda plan: plan["bucket"],
    "s3_prefix": lambda plan: plan["prefix"].split("/")[0],
    "job_id": lambda plan: plan["sentinel"]["job_id"],
    "container_name": lambda plan: plan["sentinel"]["container_name"],
}


def with_a_dump(machine: Machine, job: str) -> None:
    """Leave something to finalize."""
    leave_checkpoint(machine, "20250111-142900Z", "20250111-143010Z", b"population", job)


@pytest.mark.parametrize("name", STRINGS)
def test_option_beats_environment_beats_file(machine: Machine, name: str) -> None:
    machine.configure(**{name: "of-the-file"})
    variable = {f"DXNN_{name.upper()}": "of-the-environment"}
    option = [f"--{name.replace('_', '-')}", "of-the-option"]
    read = STRINGS[name]
    assert read(planned(machine)) == "of-the-file"
    assert read(planned(machine, env=variable)) == "of-the-environment"
    assert read(planned(machine, *option, env=variable)) == "of-the-option"


def test_defaults(machine_with: NewMachine) -> None:
    machine = machine_with(job_id=None, restore_from_s3_on_boot=False)
    with_a_dump(machine, "adhoc")
    plan = planned(machine)
    assert plan["prefix"].startswith("dxnn/adhoc/run-")
    assert plan["poweroff"] is True


def test_a_boolean_everywhere(machine: Machine) -> None:
    with_a_dump(machine, "xor")
    machine.configure(auto_terminate=False)
    assert planned(machine)["poweroff"] is False
    variable = {"DXNN_AUTO_TERMINATE": "true"}
    assert planned(machine, env=variable)["poweroff"] is True
    assert planned(machine, "--no-auto-terminate", env=variable)["poweroff"] is False


@pytest.mark.parametrize(
    "value", ['["/bin/echo", "power off"]', "/bin/echo 'power off'", '/bin/echo "power off"']
)
def test_a_list_in_the_environment_and_as_an_option(machine: Machine, value: str) -> None:
    expected = ["/bin/echo", "power off"]
    variable = {"DXNN_POWEROFF_COMMAND": value}
    assert planned(machine, env=variable)["poweroff_command"] == expected
    assert planned(machine, "--poweroff-command", value)["poweroff_command"] == expected


def test_a_list_is_never_given_to_a_shell(machine: Machine) -> None:
    value = "/bin/echo $HOME; `id` *"
    plan = planned(machine, "--poweroff-command", value)
    assert plan["poweroff_command"] == ["/bin/echo", "$HOME;", "`id`", "*"]


def test_the_file_that_is_named(machine: Machine) -> None:
    elsewhere = machine.root / "elsewhere.toml"
    text = (machine.root / "dxnn.toml").read_text()
    elsewhere.write_text(text.replace('job_id = "xor"', 'job_id = "of-elsewhere"'))
    plan = planned(machine, "--config", str(elsewhere))
    assert plan["sentinel"]["job_id"] == "of-elsewhere"


def test_the_endpoint_is_the_sdks_own_setting(machine: Machine) -> None:
    """DXNN_ENDPOINT and the like do not exist; AWS_ENDPOINT_URL does as well as its S3 sister."""
    endpoint = machine.environment.pop("AWS_ENDPOINT_URL_S3")
    machine.environment["AWS_ENDPOINT_URL"] = endpoint
    assert machine.agent("restore").code == 0


def test_a_profile_of_the_sdk(machine: Machine) -> None:
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    key, secret = (machine.environment.pop(name) for name in keys)
    directory = Path(machine.environment["HOME"]) / ".aws"
    directory.mkdir()
    (directory / "credentials").write_text(
        f"[training]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
    )
    machine.environment["AWS_PROFILE"] = "training"
    assert machine.agent("restore").code == 0
