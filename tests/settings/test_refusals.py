"""What is wrong with the settings is said in one sentence before anything else happens."""

import pytest

from tests.bucket import Bucket
from tests.machine import Machine, NewMachine
from tests.settings.dry_run import check_refused, dry_run

COMMANDS = ["run", "watch", "finalize", "checkpoint", "restore"]


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_happens_before(machine: Machine, bucket: Bucket, command: str) -> None:
    machine.configure(no_such_setting=1)
    before = machine.files()
    check_refused(machine.agent(command), "no_such_setting", "dxnn.toml")
    assert machine.files() == before
    assert bucket.keys() == []


def test_an_unknown_key_in_the_file(machine: Machine) -> None:
    machine.configure(poll_interval=5)
    check_refused(dry_run(machine), "poll_interval", "5", "dxnn.toml")


def test_an_unknown_variable(machine: Machine) -> None:
    result = dry_run(machine, env={"DXNN_POLL_INTERVAL": "5"})
    check_refused(result, "DXNN_POLL_INTERVAL", "5", "environment")


def test_an_unknown_option(machine: Machine) -> None:
    result = machine.agent("finalize", "--no-such-option", "5")
    assert result.code == 2
    assert "--no-such-option" in result.err


def test_an_unknown_command(machine: Machine) -> None:
    result = machine.agent("finalise")
    assert result.code == 2
    assert "finalise" in result.err


WRONG: list[tuple[str, object, str]] = [
    ("poll_interval_seconds", "often", "often"),
    ("poll_interval_seconds", 0, "0"),
    ("poll_interval_seconds", -1, "-1"),
    ("checkpoint_deadline_seconds", "soon", "soon"),
    ("checkpoint_keep", "all", "all"),
    ("checkpoint_keep", -1, "-1"),
    ("checkpoint_keep", 2.5, "2.5"),
    ("checkpoint_interval_seconds", -300, "-300"),
    ("max_fruitless_runs", "three", "three"),
    ("max_failed_runs", 0, "0"),
    ("stalled_after_seconds", -1, "-1"),
    ("auto_terminate", "perhaps", "perhaps"),
    ("auto_terminate", 7, "7"),
    ("on_upload_failure", "panic", "panic"),
    ("instance_initiated_shutdown_behavior", "stop", "stop"),
    ("trainer_command", "", "trainer_command"),
    ("trainer_command", [], "trainer_command"),
    ("artifacts", 7, "7"),
    ("s3_bucket", 7, "7"),
    ("job_id", "", "job_id"),
    ("job_id", "../other", "../other"),
    ("job_id", "a/b", "a/b"),
    ("job_id", "a b", "a b"),
]


@pytest.mark.parametrize(("name", "value", "shown"), WRONG)
def test_a_wrong_value_in_the_file(machine: Machine, name: str, value: object, shown: str) -> None:
    machine.configure(**{name: value})
    check_refused(dry_run(machine), name, shown, "dxnn.toml")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("poll_interval_seconds", "often"),
        ("auto_terminate", "perhaps"),
        ("on_upload_failure", "panic"),
        ("checkpoint_keep", "1.5"),
        ("trainer_command", '["unclosed'),
        ("trainer_command", "unclosed 'quote"),
        ("trainer_command", "[1, 2]"),
    ],
)
def test_a_wrong_value_in_the_environment(machine: Machine, name: str, value: str) -> None:
    result = dry_run(machine, env={f"DXNN_{name.upper()}": value})
    check_refused(result, f"DXNN_{name.upper()}", value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--poll-interval-seconds", "often"),
        ("--on-upload-failure", "panic"),
        ("--job-id", "../other"),
        ("--trainer-command", '["unclosed'),
    ],
)
def test_a_wrong_value_of_an_option(machine: Machine, option: str, value: str) -> None:
    result = dry_run(machine, option, value)
    assert result.code == 2
    assert result.out == ""
    assert option in result.err
    assert value in result.err


@pytest.mark.parametrize("name", ["s3_bucket", "container_name", "job_id"])
def test_a_required_value_that_is_missing(machine_with: NewMachine, name: str) -> None:
    machine = machine_with(**{name: None})
    check_refused(dry_run(machine), name, "required")


def test_required_values_are_not_required_where_their_feature_is_off(
    machine_with: NewMachine,
) -> None:
    machine = machine_with(job_id=None, restore_from_s3_on_boot=False)
    assert dry_run(machine).code == 0


def test_of_two_wrong_values_at_least_one_is_named(machine: Machine) -> None:
    machine.configure(checkpoint_keep="all", on_upload_failure="panic")
    result = dry_run(machine)
    assert result.code == 2
    assert "checkpoint_keep" in result.err or "on_upload_failure" in result.err


def test_a_file_that_is_no_toml(machine: Machine) -> None:
    (machine.root / "dxnn.toml").write_text("s3_bucket = \n")
    check_refused(dry_run(machine), "dxnn.toml")


def test_a_file_that_is_no_text(machine: Machine) -> None:
    (machine.root / "dxnn.toml").write_bytes(b"\xff\xfe\x00")
    check_refused(dry_run(machine), "dxnn.toml")


def test_a_file_that_is_not_there(machine: Machine) -> None:
    check_refused(dry_run(machine, "--config", "/nonexistent/dxnn.toml"), "/nonexistent/dxnn.toml")


def test_a_file_that_is_a_directory(machine: Machine) -> None:
    check_refused(dry_run(machine, "--config", str(machine.root)), str(machine.root))


def test_paths_that_cannot_be_written_are_one_sentence(machine: Machine) -> None:
    (machine.root / "a-file").touch()
    machine.configure(state_dir=str(machine.root / "a-file" / "state"))
    result = machine.agent("restore")
    assert result.code != 0
    assert "a-file" in result.err.splitlines()[-1]


def test_a_broken_state_is_one_sentence(machine: Machine) -> None:
    assert machine.agent("restore").code == 0
    (machine.state_dir / "run.json").write_text("{torn")
    for command in ("run", "finalize", "checkpoint", "restore"):
        result = machine.agent(command, seconds=20)
        assert result.code != 0
        assert "run.json" in result.err


def test_debug_shows_where(machine: Machine) -> None:
    """The one place where a traceback may be seen is where somebody asked for it."""
    machine.configure(no_such_setting=1)
    started = machine.start("finalize", "--debug")
    assert started.process.wait(30) == 2
    assert "Traceback" in started.err.read_text()
