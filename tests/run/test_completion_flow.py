"""The guide's step 9: a trainer completes, and the machine goes down with everything in S3."""

from tests.agent_log import parse_log
from tests.bucket import Bucket
from tests.fault_proxy import FaultProxy
from tests.machine import Machine, NewMachine
from tests.programs import exits, python, trains_until_told


def test_training_completes(machine: Machine, bucket: Bucket) -> None:
    assert machine.agent("run").code == 0

    run = bucket.only_run()
    assert bucket.names(run) == {
        "artifacts/benchmarks/report.txt",
        "dxnn-run.log",
        "_MANIFEST.json",
        "_SUCCESS",
    }
    bucket.check_manifest(run)
    sentinel = bucket.sentinel(run)
    assert sentinel["status"] == "success"
    assert (sentinel["completion_status"], sentinel["exit_code"]) == ("normal", 0)
    assert sentinel["reason"] == "training_completed"
    assert sentinel["job_id"] == "xor"
    assert machine.poweroffs() == 1


def test_the_log_tells_the_whole_story(machine: Machine, bucket: Bucket) -> None:
    assert machine.agent("run").code == 0
    states = machine.states()
    order = ["RESTORE_START", "RESTORE_NONE", "RUN_START", "RUN_EXIT", "FINALIZE_START"]
    assert [state for state in states if state in order] == order
    assert states[-2:] == ["FINALIZE_SUCCESS", "TERMINATING"]
    run_id = bucket.sentinel(bucket.only_run())["run_id"]
    [started], [ended] = machine.events("RUN_START"), machine.events("RUN_EXIT")
    assert started.values["run_id"] == ended.values["run_id"] == run_id
    assert started.values["container_name"] == "dxnn-app"
    assert ended.values["exit_code"] == "0"
    assert ended.values["reason"] == "training_completed"
    [finalized] = machine.events("FINALIZE_SUCCESS")
    assert finalized.values["completion_status"] == "normal"


def test_the_log_is_uploaded_with_the_artifacts(machine: Machine, bucket: Bucket) -> None:
    assert machine.agent("run").code == 0
    uploaded = parse_log(bucket.read(f"{bucket.only_run()}dxnn-run.log").decode())
    states = [event.state for event in uploaded]
    assert {"RUN_START", "RUN_EXIT", "FINALIZE_START"} <= set(states)
    [ended] = [event for event in uploaded if event.state == "RUN_EXIT"]
    assert ended.values["exit_code"] == "0"


def test_every_log_line_is_shown_as_well(machine: Machine) -> None:
    result = machine.agent("run")
    assert result.err.splitlines() == machine.log_file.read_text().splitlines()
    assert result.out == ""


def test_a_completion_dump_of_the_trainer_is_shipped(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(
        trainer_command=python(
            """
            import json, os, pathlib
            dumps = pathlib.Path(os.environ["DXNN_CHECKPOINT_DIR"])
            dumps.mkdir(parents=True, exist_ok=True)
            (dumps / "completion-20250111-143012Z.dmp").write_text("solved")
            (dumps / "completion-20250111-143012Z.metadata.json").write_text(json.dumps({
                "kind": "completion", "file": "completion-20250111-143012Z.dmp", "size": 6,
                "taken_at": "2025-01-11T14:30:12Z", "reason": "training_completed",
                "job_id": os.environ["DXNN_JOB_ID"], "run_id": os.environ["DXNN_RUN_ID"],
                "otp_release": "25", "node": "dxnn@127.0.0.1", "tables": {"agent": 3},
            }))
            """
        )
    )
    assert machine.agent("run").code == 0
    run = bucket.only_run()
    assert bucket.read(f"{run}completion-20250111-143012Z.dmp") == b"solved"
    metadata = bucket.json(f"{run}completion-20250111-143012Z.metadata.json")
    assert run.endswith(f"run-{metadata['run_id']}/")
    assert metadata["tables"] == {"agent": 3}
    assert len(metadata["sha256"]) == 64
    bucket.check_manifest(run)


def test_the_second_run_of_a_machine_is_a_new_run(machine: Machine, bucket: Bucket) -> None:
    assert machine.agent("run").code == 0
    assert machine.agent("run").code == 0
    first, second = bucket.runs()
    assert bucket.sentinel(first)["run_id"] != bucket.sentinel(second)["run_id"]
    assert machine.poweroffs() == 2


def test_the_prefix_is_claimed_by_a_conditional_write(
    machine: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    assert machine.agent("run").code == 0
    first = next(request for request in proxy.requests if request.changes)
    assert first.key == f"{bucket.only_run()}dxnn-run.log"
    assert first.headers["if-none-match"] == "*"


def test_run_makes_the_cookie_file_for_an_erlang_trainer(machine_with: NewMachine) -> None:
    machine = machine_with(checkpoint_command=None)
    assert machine.agent("run").code == 0
    cookie = machine.root / "erlang.cookie"
    assert cookie.stat().st_mode & 0o777 == 0o400
    assert len(cookie.read_text().strip()) >= 16


def test_without_restore_and_job_the_job_is_adhoc(machine_with: NewMachine, bucket: Bucket) -> None:
    machine = machine_with(job_id=None, restore_from_s3_on_boot=False)
    assert machine.agent("run").code == 0
    assert bucket.sentinel(bucket.only_run("adhoc"))["job_id"] == "adhoc"


def test_spot_off_needs_no_bucket(machine_with: NewMachine, bucket: Bucket) -> None:
    machine = machine_with(
        spot_enabled=False,
        s3_bucket=None,
        container_name=None,
        job_id=None,
        restore_from_s3_on_boot=False,
        trainer_command=exits(0),
    )
    assert machine.agent("run").code == 0
    assert (machine.trainer_directory / "benchmarks" / "report.txt").exists()
    assert bucket.keys() == []


def test_one_event_is_one_line_whatever_the_values(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    name = 'the "best" of = all \t é\u2028\\.txt'
    writes = """
        import pathlib, sys
        pathlib.Path("benchmarks").mkdir()
        pathlib.Path("benchmarks", sys.argv[1]).write_text("0.99")
        """
    machine = machine_with(trainer_command=python(writes, name))
    assert machine.agent("run").code == 0
    objects = [event.values["object"] for event in machine.events("UPLOAD_SUCCESS")]
    assert f"artifacts/benchmarks/{name}" in objects
    assert bucket.read(f"{bucket.only_run()}artifacts/benchmarks/{name}") == b"0.99"


def test_a_second_run_beside_the_first_trains_nothing(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(trainer_command=trains_until_told())
    first = machine.start("run")
    machine.trainer_pid()
    second = machine.agent("run")
    assert second.code != 0
    assert machine.states().count("RUN_START") == 1
    assert first.process.poll() is None
    first.process.terminate()
    assert first.result().code == 0
    assert bucket.sentinel(bucket.only_run())["reason"] == "signal_SIGTERM"
