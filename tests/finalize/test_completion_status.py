"""What finalize is told about the end of the run, and what the sentinel says of it."""

import pytest

from tests.bucket import Bucket
from tests.dump_files import leave_checkpoint
from tests.machine import Machine


def test_the_environment_says_how_the_run_ended(trained: Machine, bucket: Bucket) -> None:
    ended = {"COMPLETION_STATUS": "interrupted", "EXIT_CODE": "143"}
    assert trained.agent("finalize", env=ended).code == 0
    sentinel = bucket.sentinel(bucket.only_run())
    assert sentinel["completion_status"] == "interrupted"
    assert sentinel["exit_code"] == 143
    assert trained.events("FINALIZE_START")[0].values["completion_status"] == "interrupted"


def test_an_option_beats_the_environment(trained: Machine, bucket: Bucket) -> None:
    ended = {"COMPLETION_STATUS": "interrupted", "EXIT_CODE": "143"}
    options = ["--completion-status", "normal", "--exit-code", "0"]
    assert trained.agent("finalize", *options, env=ended).code == 0
    sentinel = bucket.sentinel(bucket.only_run())
    assert (sentinel["completion_status"], sentinel["exit_code"]) == ("normal", 0)


def test_without_either_it_was_called_by_hand(trained: Machine, bucket: Bucket) -> None:
    assert trained.agent("finalize").code == 0
    sentinel = bucket.sentinel(bucket.only_run())
    assert sentinel["completion_status"] == "interrupted"
    assert sentinel["exit_code"] is None
    assert sentinel["reason"] == "manual"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COMPLETION_STATUS", "finished"),
        ("COMPLETION_STATUS", "NORMAL"),
        ("EXIT_CODE", "zero"),
        ("EXIT_CODE", "0.5"),
    ],
)
def test_nonsense_is_refused_before_anything_happens(
    trained: Machine, bucket: Bucket, name: str, value: str
) -> None:
    before = bucket.contents()
    result = trained.agent("finalize", env={name: value})
    assert result.code == 2
    assert name in result.err
    assert value in result.err
    assert bucket.contents() == before
    assert "FINALIZE_START" not in trained.states()


def test_a_machine_without_a_run_begins_one_for_what_lies_there(
    machine: Machine, bucket: Bucket
) -> None:
    machine.checkpoint_dir.mkdir()
    body = b"of a run that this machine does not remember"
    leave_checkpoint(machine, "20250111-143012Z", "20250111-144012Z", body)
    assert machine.agent("finalize").code == 0
    run = bucket.only_run()
    assert bucket.read(f"{run}checkpoint-20250111-144012Z.dmp") == body
    sentinel = bucket.sentinel(run)
    assert sentinel["reason"] == "manual"
    assert sentinel["exit_code"] is None
    bucket.check_manifest(run)


def test_auto_terminate_off_leaves_the_machine_on(trained: Machine, bucket: Bucket) -> None:
    trained.configure(auto_terminate=False)
    assert trained.agent("finalize").code == 0
    assert "_SUCCESS" in bucket.names(bucket.only_run())
    assert "TERMINATING" not in trained.states()
    assert trained.poweroffs() == 0


def test_every_key_of_the_sentinel(trained: Machine, bucket: Bucket) -> None:
    assert trained.agent("finalize").code == 0
    run = bucket.only_run()
    sentinel = bucket.sentinel(run)
    assert set(sentinel) == {
        "run_id",
        "finalized_at",
        "status",
        "completion_status",
        "exit_code",
        "reason",
        "job_id",
        "container_name",
        "instance_id",
        "parent_run_id",
        "manifest_sha256",
        "notice_time",
        "margin_seconds",
        "agent_version",
        "skipped",
    }
    assert run.endswith(f"run-{sentinel['run_id']}/")
    assert sentinel["status"] == "success"
    assert (sentinel["job_id"], sentinel["container_name"]) == ("xor", "dxnn-app")
    assert sentinel["instance_id"] == trained.metadata.machine.instance_id
    assert sentinel["notice_time"] is None
    assert sentinel["margin_seconds"] is None
