"""The newest checkpoint of the job that verifies, across all its runs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bucket import Bucket
from tests.dump_files import checkpoint_metadata, put_checkpoint
from tests.fault_proxy import FaultProxy, access_denied
from tests.machine import Machine, NewMachine
from tests.programs import python

FIRST, SECOND, THIRD = "20250101-000000Z", "20250102-000000Z", "20250103-000000Z"
GOOD = b"population, generation 40"

REPORTS_ITS_RESTORE = python(
    """
    import os, pathlib
    path = os.environ.get("DXNN_RESTORE_PATH")
    pathlib.Path("benchmarks").mkdir()
    restored = pathlib.Path(path).read_bytes() if path else b"from zero"
    pathlib.Path("benchmarks/restored").write_bytes(restored)
    """
)


def restored_file(machine: Machine, name: str) -> Path:
    return machine.state_dir / "restore" / name


def new_run(bucket: Bucket) -> str:
    """Return the prefix of the latest run."""
    return bucket.runs()[-1]


def check_restored(machine: Machine, bucket: Bucket, run_id: str, stamp: str) -> None:
    result = machine.agent("restore")
    assert result.code == 0, result.err
    name = f"checkpoint-{stamp}.dmp"
    [done] = machine.events("RESTORE_OK")
    assert done.values["parent_run_id"] == run_id
    assert restored_file(machine, name).read_bytes() == bucket.read(f"dxnn/xor/run-{run_id}/{name}")
    # A temporary file and a rename: nothing else lies there.
    assert [path.name for path in (machine.state_dir / "restore").iterdir()] == [name]


def test_no_checkpoint_at_all(machine: Machine, bucket: Bucket) -> None:
    assert machine.agent("restore").code == 0
    assert machine.states() == ["RESTORE_START", "RESTORE_NONE"]
    assert bucket.names(bucket.only_run()) == {"dxnn-run.log"}


def test_the_newest_of_one_run(machine: Machine, bucket: Bucket) -> None:
    for stamp in ("20250101-000500Z", "20250101-001000Z", "20250101-000700Z"):
        put_checkpoint(bucket, FIRST, stamp, b"population at " + stamp.encode())
    check_restored(machine, bucket, FIRST, "20250101-001000Z")


def test_the_newest_across_runs_is_not_always_in_the_newest_run(
    machine: Machine, bucket: Bucket
) -> None:
    put_checkpoint(bucket, FIRST, "20250101-000500Z", b"old")
    put_checkpoint(bucket, SECOND, "20250109-000000Z", b"newest")
    put_checkpoint(bucket, THIRD, "20250103-000500Z", b"of the newest run")
    check_restored(machine, bucket, SECOND, "20250109-000000Z")


def put_truncated(bucket: Bucket, stamp: str) -> None:
    put_checkpoint(bucket, SECOND, stamp, GOOD)
    bucket.put(f"dxnn/xor/run-{SECOND}/checkpoint-{stamp}.dmp", GOOD[:-5])


def put_corrupt(bucket: Bucket, stamp: str) -> None:
    put_checkpoint(bucket, SECOND, stamp, GOOD)
    bucket.put(f"dxnn/xor/run-{SECOND}/checkpoint-{stamp}.dmp", GOOD[:-1] + b"!")


def put_without_metadata(bucket: Bucket, stamp: str) -> None:
    bucket.put(f"dxnn/xor/run-{SECOND}/checkpoint-{stamp}.dmp", GOOD)


def put_without_dump(bucket: Bucket, stamp: str) -> None:
    put_checkpoint(bucket, SECOND, stamp, GOOD)
    bucket.delete(f"dxnn/xor/run-{SECOND}/checkpoint-{stamp}.dmp")


def put_metadata(bucket: Bucket, stamp: str, metadata: bytes) -> None:
    put_without_metadata(bucket, stamp)
    bucket.put(f"dxnn/xor/run-{SECOND}/checkpoint-{stamp}.metadata.json", metadata)


def described(stamp: str, **changes: object) -> bytes:
    return json.dumps(checkpoint_metadata(SECOND, stamp, GOOD) | changes).encode()


BAD_METADATA = [
    b"<html>502 Bad Gateway</html>",
    b"",
    described("20250102-000200Z")[:60],
    b"[]",
    b"\xff\xfe{}",
    b"{}",
    described("20250102-000600Z", size=1),
    described("20250102-000700Z", size="many"),
    described("20250102-000800Z", sha256=["abc"]),
    described("20250102-000900Z", sha256=None),
    b"[" * 100_000,
]


@pytest.mark.parametrize(
    "put_bad", [put_truncated, put_corrupt, put_without_metadata], ids=lambda put: put.__name__
)
def test_past_a_dump_that_does_not_verify(
    machine: Machine, bucket: Bucket, put_bad: Callable[[Bucket, str], None]
) -> None:
    put_checkpoint(bucket, FIRST, "20250101-000500Z", b"old and good")
    put_bad(bucket, "20250102-000500Z")
    check_restored(machine, bucket, FIRST, "20250101-000500Z")


def test_past_metadata_of_no_use(machine: Machine, bucket: Bucket) -> None:
    put_checkpoint(bucket, FIRST, "20250101-000500Z", b"old and good")
    for minute, metadata in enumerate(BAD_METADATA):
        put_metadata(bucket, f"20250102-00{minute:02}00Z", metadata)
    check_restored(machine, bucket, FIRST, "20250101-000500Z")


@pytest.mark.parametrize("metadata", [b"[" * 100_000, b"\xff\xfe{}", b"[]"])
def test_metadata_of_no_use_alone(machine: Machine, bucket: Bucket, metadata: bytes) -> None:
    put_metadata(bucket, "20250102-000500Z", metadata)
    assert machine.agent("restore").code == 5


def test_past_metadata_whose_dump_is_gone(machine: Machine, bucket: Bucket) -> None:
    put_checkpoint(bucket, FIRST, "20250101-000500Z", b"old and good")
    put_without_dump(bucket, "20250102-000500Z")
    check_restored(machine, bucket, FIRST, "20250101-000500Z")


def test_past_many_that_do_not_verify(machine: Machine, bucket: Bucket) -> None:
    put_checkpoint(bucket, FIRST, "20250101-000500Z", b"old and good")
    put_truncated(bucket, "20250102-000100Z")
    put_corrupt(bucket, "20250102-000200Z")
    put_without_metadata(bucket, "20250102-000300Z")
    put_metadata(bucket, "20250102-000400Z", b"garbage")
    check_restored(machine, bucket, FIRST, "20250101-000500Z")


def test_other_objects_are_not_taken_for_dumps(machine: Machine, bucket: Bucket) -> None:
    put_checkpoint(bucket, FIRST, "20250101-000500Z", b"good")
    bucket.put(f"dxnn/xor/run-{SECOND}/artifacts/checkpoint-20250102-000500Z.dmp", b"artifact")
    bucket.put(f"dxnn/xor/run-{SECOND}/artifacts/checkpoint-20250102-000500Z.metadata.json", b"{}")
    bucket.put("dxnn/xor/notes.txt", b"of the user")
    bucket.put("dxnn/xor/run-of-somebody/checkpoint-20250102-000500Z.dmp", b"other")
    result = machine.agent("restore")
    assert result.code == 0
    [done] = machine.events("RESTORE_OK")
    assert done.values["parent_run_id"] == FIRST


@pytest.mark.parametrize("job", ["xor2", "xo", "other"])
def test_the_dumps_of_another_job_are_not_taken(machine: Machine, bucket: Bucket, job: str) -> None:
    put_checkpoint(bucket, SECOND, "20250109-000000Z", b"of another job", job=job)
    assert machine.agent("restore").code == 0
    assert machine.states()[-1] == "RESTORE_NONE"


def test_some_there_but_none_that_verifies(machine: Machine, bucket: Bucket) -> None:
    put_corrupt(bucket, "20250102-000500Z")
    put_without_metadata(bucket, "20250102-000600Z")
    before = bucket.contents()
    result = machine.agent("restore")
    assert result.code == 5
    assert machine.states()[-1] == "RESTORE_FAILED"
    kept = bucket.contents()
    assert {key: kept[key] for key in before} == before


def test_run_refuses_to_start_from_zero_over_a_jobs_history(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(trainer_command=REPORTS_ITS_RESTORE)
    put_corrupt(bucket, "20250102-000500Z")
    result = machine.agent("run")
    assert result.code == 5
    states = machine.states()
    assert "RESTORE_FAILED" in states
    assert states[-1] == "RUN_REFUSED"
    assert "RUN_START" not in states
    assert not (machine.trainer_directory / "benchmarks").exists()
    assert "--allow-fresh" in result.err
    assert machine.poweroffs() == 0


def test_run_refuses_after_a_restore_that_failed(machine: Machine, bucket: Bucket) -> None:
    put_corrupt(bucket, "20250102-000500Z")
    assert machine.agent("restore").code == 5
    assert machine.agent("run").code == 5
    assert "RUN_START" not in machine.states()


@pytest.mark.parametrize("asked", [["run", "--allow-fresh"], ["restore", "--allow-fresh"]])
def test_allow_fresh(machine_with: NewMachine, bucket: Bucket, asked: list[str]) -> None:
    machine = machine_with(trainer_command=REPORTS_ITS_RESTORE)
    put_corrupt(bucket, "20250102-000500Z")
    assert machine.agent(*asked).code == 0
    if asked[0] == "restore":
        assert machine.agent("run").code == 0
    run = new_run(bucket)
    assert bucket.read(f"{run}artifacts/benchmarks/restored") == b"from zero"
    assert bucket.sentinel(run)["parent_run_id"] is None


def test_allow_fresh_does_not_pass_over_a_good_checkpoint(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(trainer_command=REPORTS_ITS_RESTORE)
    put_checkpoint(bucket, FIRST, "20250101-000500Z", GOOD)
    assert machine.agent("run", "--allow-fresh").code == 0
    assert bucket.read(f"{new_run(bucket)}artifacts/benchmarks/restored") == GOOD


@pytest.mark.parametrize("restored_before", [True, False])
def test_the_trainer_gets_what_was_restored(
    machine_with: NewMachine, bucket: Bucket, *, restored_before: bool
) -> None:
    machine = machine_with(trainer_command=REPORTS_ITS_RESTORE)
    put_checkpoint(bucket, FIRST, "20250101-000500Z", GOOD)
    if restored_before:
        assert machine.agent("restore").code == 0
    assert machine.agent("run").code == 0
    run = new_run(bucket)
    assert bucket.read(f"{run}artifacts/benchmarks/restored") == GOOD
    assert bucket.sentinel(run)["parent_run_id"] == FIRST
    assert machine.states().count("RESTORE_OK") == 1


def test_restore_twice_is_the_same_run(machine: Machine, bucket: Bucket) -> None:
    put_checkpoint(bucket, FIRST, "20250101-000500Z", GOOD)
    assert machine.agent("restore").code == 0
    assert machine.agent("restore").code == 0
    assert len(bucket.runs()) == 2


def test_the_lineage_goes_on_in_the_metadata_of_checkpoints(
    machine: Machine, bucket: Bucket
) -> None:
    put_checkpoint(bucket, FIRST, "20250101-000500Z", GOOD)
    assert machine.agent("restore").code == 0
    assert machine.agent("checkpoint").code == 0
    run = new_run(bucket)
    [name] = [name for name in bucket.names(run) if name.endswith(".metadata.json")]
    assert bucket.json(f"{run}{name}")["parent_run_id"] == FIRST


def test_a_second_machine_restores_what_the_first_shipped(machine_with: NewMachine) -> None:
    first = machine_with()
    assert first.agent("restore").code == 0
    assert first.agent("checkpoint").code == 0
    [dump] = first.checkpoint_dir.glob("*.dmp")
    second = machine_with()
    assert second.agent("restore").code == 0
    assert restored_file(second, dump.name).read_bytes() == dump.read_bytes()


def test_restore_off_starts_from_zero_without_asking(
    machine_with: NewMachine, bucket: Bucket, proxy: FaultProxy
) -> None:
    machine = machine_with(trainer_command=REPORTS_ITS_RESTORE, restore_from_s3_on_boot=False)
    put_checkpoint(bucket, FIRST, "20250101-000500Z", GOOD)
    assert machine.agent("run").code == 0
    assert bucket.read(f"{new_run(bucket)}artifacts/benchmarks/restored") == b"from zero"
    assert not [request for request in proxy.requests if request.name.endswith(".dmp")]


def test_s3_that_does_not_answer_is_not_an_empty_history(
    machine_with: NewMachine, bucket: Bucket, proxy: FaultProxy
) -> None:
    machine = machine_with(trainer_command=REPORTS_ITS_RESTORE)
    put_checkpoint(bucket, FIRST, "20250101-000500Z", GOOD)
    proxy.inject(lambda request: request.method in {"GET", "HEAD"}, access_denied)
    result = machine.agent("run", seconds=200)
    assert result.code in {3, 5}
    assert "RESTORE_NONE" not in machine.states()
    assert "RUN_START" not in machine.states()
    assert machine.poweroffs() == 0
