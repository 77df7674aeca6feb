"""A checkpoint is whole, described, and in S3 before the command returns."""

import hashlib
import json
import re
import signal
import threading
from pathlib import Path

from tests.bucket import Bucket
from tests.fault_proxy import FaultProxy, hold, slow_down
from tests.machine import Machine
from tests.processes import kill, runs
from tests.programs import dumps_slowly, python
from tests.waiting import wait_until

STEM = re.compile(r"checkpoint-\d{8}-\d{6}Z")


def dumps_on_disk(machine: Machine) -> list[Path]:
    return sorted(machine.checkpoint_dir.glob("*.dmp"))


def test_it_is_shipped_at_once(begun: Machine, bucket: Bucket) -> None:
    assert begun.agent("checkpoint").code == 0
    [dump] = dumps_on_disk(begun)
    assert STEM.fullmatch(dump.stem)
    run = bucket.only_run()
    names = {f"{dump.stem}.dmp", f"{dump.stem}.metadata.json"}
    assert names <= bucket.names(run)
    assert bucket.read(f"{run}{dump.name}") == dump.read_bytes()
    assert {path.name for path in begun.checkpoint_dir.iterdir()} == names
    states = begun.states()
    assert states.index("CHECKPOINT_START") < states.index("CHECKPOINT_OK")
    assert begun.poweroffs() == 0


def test_its_metadata(begun: Machine, bucket: Bucket) -> None:
    assert begun.agent("checkpoint", "--reason", "manual").code == 0
    [dump] = dumps_on_disk(begun)
    run = bucket.only_run()
    metadata = bucket.json(f"{run}{dump.stem}.metadata.json")
    described = begun.checkpoint_dir / f"{dump.stem}.metadata.json"
    assert json.loads(described.read_text()) == metadata
    day, time = dump.stem.removeprefix("checkpoint-").split("-")
    taken_at = metadata.pop("taken_at")
    assert re.sub(r"[-:]", "", taken_at) == f"{day}T{time}"
    assert 0 <= metadata.pop("job_seconds") < 60
    assert metadata == {
        "kind": "checkpoint",
        "file": dump.name,
        "size": dump.stat().st_size,
        "sha256": hashlib.sha256(dump.read_bytes()).hexdigest(),
        "reason": "manual",
        "job_id": "xor",
        "run_id": run.rpartition("run-")[2].rstrip("/"),
        "parent_run_id": None,
        "generation": 7,
    }


def test_the_dump_is_sent_before_its_metadata(begun: Machine, proxy: FaultProxy) -> None:
    """Metadata says that the dump is there: a restore must be able to trust that."""
    assert begun.agent("checkpoint").code == 0
    sent = [key.rpartition("/")[2] for key in proxy.stored]
    assert [Path(name).suffix for name in sent] == [".dmp", ".json"]
    puts = [request for request in proxy.requests if request.method == "PUT"]
    assert all("x-amz-checksum-sha256" in put.headers for put in puts)


def test_finalize_does_not_send_it_again(begun: Machine, bucket: Bucket, proxy: FaultProxy) -> None:
    assert begun.agent("checkpoint").code == 0
    assert begun.agent("finalize").code == 0
    sent = [key for key in proxy.sent if "checkpoint-" in key]
    assert len(sent) == len(set(sent)) == 2
    bucket.check_manifest(bucket.only_run())


def test_no_torn_dump_is_ever_visible(begun: Machine, bucket: Bucket) -> None:
    rest = begun.root / "rest"
    begun.configure(checkpoint_command=dumps_slowly(str(rest)))
    command = begun.start("checkpoint")
    wait_until((begun.root / "rest.pid").exists, "the first half of the dump")
    assert dumps_on_disk(begun) == []
    assert "CHECKPOINT_OK" not in begun.states()
    run = bucket.only_run()
    assert bucket.names(run) == {"dxnn-run.log"}
    rest.touch()
    assert command.result().code == 0
    [dump] = dumps_on_disk(begun)
    assert dump.read_text().startswith("first half, second half")


def test_killed_while_the_trainer_dumps(begun: Machine, bucket: Bucket) -> None:
    begun.configure(checkpoint_command=dumps_slowly(str(begun.root / "rest")))
    command = begun.start("checkpoint")
    wait_until((begun.root / "rest.pid").exists, "the first half of the dump")
    command.kill()
    kill(int((begun.root / "rest.pid").read_text()), signal.SIGKILL)

    assert begun.agent("finalize").code == 0

    run = bucket.only_run()
    assert bucket.names(run) == {"dxnn-run.log", "_MANIFEST.json", "_SUCCESS"}


def test_two_at_once(begun: Machine, bucket: Bucket) -> None:
    rest = begun.root / "rest"
    begun.configure(checkpoint_command=dumps_slowly(str(rest)))
    first, second = begun.start("checkpoint"), begun.start("checkpoint")
    wait_until((begun.root / "rest.pid").exists, "the first half of a dump")
    rest.touch()
    assert (first.result().code, second.result().code) == (0, 0)
    run = bucket.only_run()
    dumps = dumps_on_disk(begun)
    assert 1 <= len(dumps) <= 2
    for dump in dumps:
        assert re.fullmatch(r"first half, second half \d+", dump.read_text())
        metadata = bucket.json(f"{run}{dump.stem}.metadata.json")
        assert metadata["sha256"] == hashlib.sha256(dump.read_bytes()).hexdigest()
        assert bucket.read(f"{run}{dump.name}") == dump.read_bytes()
    assert len(bucket.names(run)) == 1 + 2 * len(dumps)


def test_two_in_one_second_are_two(begun: Machine, bucket: Bucket, proxy: FaultProxy) -> None:
    for _ in range(3):
        assert begun.agent("checkpoint").code == 0
    run = bucket.only_run()
    dumps = [name for name in bucket.names(run) if name.endswith(".dmp")]
    assert len(dumps) == 3
    assert len(proxy.stored) == len(set(proxy.stored)) == 6
    assert len({bucket.read(f"{run}{name}") for name in dumps}) == 3


def test_during_a_finalization(begun: Machine, bucket: Bucket, proxy: FaultProxy) -> None:
    """The timer may strike at any time: what finalize sealed must stay true."""
    begun.write_artifact("report.txt", b"best fitness 0.99")
    release = threading.Event()
    proxy.inject(lambda r: r.method == "PUT" and r.name == "_MANIFEST.json", hold(release), times=1)
    finalizing = begun.start("finalize")
    wait_until(lambda: [r for r in proxy.requests if r.name == "_MANIFEST.json"], "the manifest")
    assert begun.agent("checkpoint").code == 6
    release.set()
    assert finalizing.result().code == 0
    bucket.check_manifest(bucket.only_run())


def test_checkpoint_keep_is_for_the_disk_only(begun: Machine, bucket: Bucket) -> None:
    begun.configure(checkpoint_keep=2)
    for _ in range(4):
        assert begun.agent("checkpoint").code == 0
    run = bucket.only_run()
    in_s3 = sorted(name for name in bucket.names(run) if name.endswith(".dmp"))
    assert len(in_s3) == 4
    assert [dump.name for dump in dumps_on_disk(begun)] == in_s3[-2:]
    left = sorted(path.name for path in begun.checkpoint_dir.glob("*.metadata.json"))
    assert left == [f"{Path(name).stem}.metadata.json" for name in in_s3[-2:]]
    # What is no longer on the disk is still part of the run.
    assert begun.agent("finalize").code == 0
    bucket.check_manifest(run)
    assert {*in_s3} <= bucket.names(run)


def test_the_next_one_ships_what_a_killed_one_left(
    begun: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    begun.configure(checkpoint_keep=2)
    release = threading.Event()
    proxy.inject(
        lambda request: request.changes and request.name.endswith(".metadata.json"), hold(release)
    )
    killed = begun.start("checkpoint")
    wait_until(lambda: [r for r in proxy.requests if r.name.endswith(".json")], "the metadata")
    killed.kill()
    release.set()
    proxy.heal()
    run = bucket.only_run()
    [first] = dumps_on_disk(begun)
    bucket.delete(f"{run}{first.stem}.metadata.json")  # it may have come through after all
    proxy.forget()
    for _ in range(3):
        assert begun.agent("checkpoint").code == 0
    assert bucket.json(f"{run}{first.stem}.metadata.json")["file"] == first.name
    assert f"{run}{first.name}" not in proxy.sent, "it was there already"
    assert len(proxy.stored) == len(set(proxy.stored)) == 7


def test_s3_that_refuses_leaves_the_dump_on_the_disk(
    begun: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    proxy.inject(lambda request: request.changes, slow_down)
    assert begun.agent("checkpoint", seconds=180).code == 3
    [dump] = dumps_on_disk(begun)
    assert (begun.checkpoint_dir / f"{dump.stem}.metadata.json").exists()
    assert "UPLOAD_FAIL" in begun.states()
    proxy.heal()
    assert begun.agent("finalize").code == 0
    assert dump.name in bucket.names(bucket.only_run())


def test_a_command_that_says_nothing_about_itself(begun: Machine, bucket: Bucket) -> None:
    code = 'import os, pathlib; pathlib.Path(os.environ["DXNN_CHECKPOINT_PATH"]).write_text("x")'
    begun.configure(checkpoint_command=python(code))
    assert begun.agent("checkpoint").code == 0
    [dump] = dumps_on_disk(begun)
    metadata = bucket.json(f"{bucket.only_run()}{dump.stem}.metadata.json")
    assert metadata["size"] == 1


def test_what_the_command_sees(begun: Machine, bucket: Bucket) -> None:
    begun.configure(
        checkpoint_command=python(
            """
            import json, os, pathlib
            seen = {name: os.environ.get(name) for name in os.environ if name[:5] == "DXNN_"}
            pathlib.Path(os.environ["DXNN_CHECKPOINT_PATH"]).write_text(json.dumps(seen))
            """
        )
    )
    assert begun.agent("checkpoint").code == 0
    [dump] = dumps_on_disk(begun)
    seen = json.loads(dump.read_text())
    run = bucket.only_run()
    assert seen["DXNN_JOB_ID"] == "xor"
    assert run.endswith(f"run-{seen['DXNN_RUN_ID']}/")
    assert seen["DXNN_CHECKPOINT_DIR"] == str(begun.checkpoint_dir)
    assert Path(seen["DXNN_CHECKPOINT_PATH"]).parent == begun.checkpoint_dir


def test_the_commands_children_are_gone_with_it(begun: Machine) -> None:
    """A command that is cut takes along what it started."""
    begun.configure(
        checkpoint_deadline_seconds=2,
        checkpoint_interval_seconds=1,
        checkpoint_command=python(
            """
            import pathlib, subprocess, sys
            child = subprocess.Popen(["sleep", "600"])
            pathlib.Path(sys.argv[1]).write_text(str(child.pid))
            child.wait()
            """,
            str(begun.root / "child.pid"),
        ),
    )
    assert begun.agent("checkpoint").code == 6
    assert not runs(int((begun.root / "child.pid").read_text()))
