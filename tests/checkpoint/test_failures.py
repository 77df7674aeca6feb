"""A checkpoint that fails says so, and leaves nothing that looks like one."""

import pytest

from tests.bucket import Bucket
from tests.machine import Machine
from tests.processes import runs
from tests.programs import dumps_slowly, python

FAILING = {
    "exits with a code": python("raise SystemExit(3)"),
    "writes half and fails": python(
        """
        import os, pathlib
        pathlib.Path(os.environ["DXNN_CHECKPOINT_PATH"]).write_text("half of it")
        raise SystemExit(1)
        """
    ),
    "writes nothing": python("pass"),
    "writes an empty file": python(
        'import os, pathlib; pathlib.Path(os.environ["DXNN_CHECKPOINT_PATH"]).touch()'
    ),
    "is killed": python("import os; os.kill(os.getpid(), 9)"),
    "does not exist": ["/nonexistent/checkpoint"],
}


def check_nothing_there(machine: Machine, bucket: Bucket) -> None:
    assert bucket.names(bucket.only_run()) == {"dxnn-run.log"}
    assert not [path for path in machine.checkpoint_dir.glob("*") if path.is_file()]


@pytest.mark.parametrize("command", FAILING.values(), ids=FAILING.keys())
def test_a_command_that_fails(begun: Machine, bucket: Bucket, command: list[str]) -> None:
    begun.configure(checkpoint_command=command)
    result = begun.agent("checkpoint")
    assert result.code == 6
    assert begun.states()[-2:] == ["CHECKPOINT_START", "CHECKPOINT_ERROR"]
    assert begun.events("CHECKPOINT_ERROR")[0].values["error"]
    check_nothing_there(begun, bucket)


def test_a_command_that_hangs(begun: Machine, bucket: Bucket) -> None:
    begun.configure(
        checkpoint_command=dumps_slowly(str(begun.root / "never")),
        checkpoint_deadline_seconds=3,
        checkpoint_interval_seconds=1,
    )
    assert begun.agent("checkpoint", seconds=15).code == 6
    assert begun.states()[-1] == "CHECKPOINT_TIMEOUT"
    assert not runs(int((begun.root / "never.pid").read_text()))
    check_nothing_there(begun, bucket)


def test_metadata_that_is_no_json_object_is_an_error(begun: Machine) -> None:
    begun.configure(
        checkpoint_command=python(
            """
            import os, pathlib
            path = os.environ["DXNN_CHECKPOINT_PATH"]
            pathlib.Path(path).write_text("a good dump")
            pathlib.Path(path + ".metadata.json").write_text("not JSON")
            """
        )
    )
    result = begun.agent("checkpoint")
    assert result.code in {0, 6}
    # Either way one line says it; a good dump need not be lost over its description.
    assert "metadata" in result.err


def test_the_trainer_cannot_lie_about_what_the_agent_knows(begun: Machine, bucket: Bucket) -> None:
    begun.configure(
        checkpoint_command=python(
            """
            import json, os, pathlib
            path = os.environ["DXNN_CHECKPOINT_PATH"]
            pathlib.Path(path).write_text("a good dump")
            lies = {"sha256": "0" * 64, "run_id": "another", "kind": "completion", "size": 1}
            pathlib.Path(path + ".metadata.json").write_text(json.dumps(lies))
            """
        )
    )
    assert begun.agent("checkpoint").code == 0
    run = bucket.only_run()
    [name] = [name for name in bucket.names(run) if name.endswith(".metadata.json")]
    metadata = bucket.json(f"{run}{name}")
    assert (metadata["kind"], metadata["size"]) == ("checkpoint", len("a good dump"))
    assert metadata["run_id"] in run
    assert metadata["sha256"] != "0" * 64


def test_without_a_run_it_refuses(machine: Machine, bucket: Bucket) -> None:
    result = machine.agent("checkpoint")
    assert result.code in {2, 6}
    assert "run" in result.err
    assert bucket.keys() == []
    assert not machine.checkpoint_dir.exists() or not list(machine.checkpoint_dir.iterdir())


def test_after_the_sentinel_it_refuses(begun: Machine, bucket: Bucket) -> None:
    assert begun.agent("finalize").code == 0
    finalized = bucket.contents()
    result = begun.agent("checkpoint")
    assert result.code in {2, 6}
    assert bucket.contents() == finalized
