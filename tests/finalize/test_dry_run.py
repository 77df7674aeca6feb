"""`finalize --dry-run` shows the very plan that finalize carries out, and changes nothing."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bucket import Bucket
from tests.fault_proxy import FaultProxy
from tests.finalize.conftest import COMPLETION, EXPECTED, NEWEST
from tests.machine import AGENT, Machine


def cut_off(machine: Machine, nowhere: str) -> None:
    """Take credentials and every network service away."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del machine.environment[name]
    machine.environment["AWS_ENDPOINT_URL_S3"] = nowhere
    machine.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = nowhere


def plan(machine: Machine, *options: str) -> dict[str, Any]:
    result = machine.agent("finalize", "--dry-run", "--json", *options, seconds=20)
    assert result.code == 0, result.err
    loaded = json.loads(result.out)
    assert isinstance(loaded, dict)
    return loaded


def test_finalize_carries_out_what_the_plan_says(
    trained: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    planned = plan(trained, "--completion-status", "normal", "--exit-code", "0")
    assert not [request for request in proxy.requests if request.changes]
    ended = {"COMPLETION_STATUS": "normal", "EXIT_CODE": "0"}
    assert trained.agent("finalize", env=ended).code == 0

    to_send = [each["key"] for each in planned["objects"] if each["fate"] == "send"]
    assert set(to_send) == set(proxy.stored)
    assert to_send[-1] == planned["sentinel_key"]
    sizes = {each["key"]: each["size"] for each in planned["objects"]}
    for key, size in sizes.items():
        # What only the uploads themselves can tell.
        assert size == len(bucket.read(key)) or (
            size is None and key.endswith(("/dxnn-run.log", "/_MANIFEST.json", "/_SUCCESS"))
        )
    sentinel = bucket.json(planned["sentinel_key"])
    for name, value in planned["sentinel"].items():
        assert value == sentinel[name] or (value is None and sentinel[name] is not None)
    assert planned["poweroff"] is True
    assert trained.poweroffs() == 1


def test_what_is_in_s3_already_would_not_be_sent(trained: Machine, bucket: Bucket) -> None:
    run = bucket.only_run()
    key = f"{run}checkpoint-{NEWEST}.dmp"
    assert trained.agent("finalize").code == 0
    bucket.delete(f"{run}_SUCCESS")
    fates = {each["key"]: each["fate"] for each in plan(trained)["objects"]}
    assert fates[key] not in {"send", "unknown"}


def test_a_run_that_is_finalized_would_not_be_finalized_again(trained: Machine) -> None:
    assert trained.agent("finalize").code == 0
    planned = plan(trained)
    assert planned["finalized_already"] is True
    assert (planned["action"], planned["poweroff"]) == ("nothing", False)
    assert planned["sentinel"]["manifest_sha256"] is not None
    assert not [each for each in planned["objects"] if each["fate"] == "send"]


def test_without_credentials_and_network_it_says_what_it_does_not_know(
    trained: Machine, nowhere: str
) -> None:
    cut_off(trained, nowhere)
    planned = plan(trained)
    assert planned["finalized_already"] is None
    keys = {each["key"].removeprefix(planned["prefix"]) for each in planned["objects"]}
    assert keys == EXPECTED
    fates = {each["key"].rpartition("/")[2]: each["fate"] for each in planned["objects"]}
    assert fates[f"completion-{COMPLETION}.dmp"] == "unknown"


def test_for_people_it_prints_objects_sizes_sentinel_and_the_end_of_the_machine(
    trained: Machine, nowhere: str
) -> None:
    cut_off(trained, nowhere)
    trained.environment["COLUMNS"] = "200"
    result = trained.agent("finalize", "--dry-run", seconds=20)
    assert result.code == 0
    for name in EXPECTED:
        assert name in result.out
    assert "16 bytes" in result.out
    assert '"completion_status": "interrupted"' in result.out
    assert "would go down" in result.out


@pytest.mark.parametrize(
    ("settings", "down"),
    [({}, True), ({"auto_terminate": False}, False)],
)
def test_it_says_whether_the_machine_would_go_down(
    trained: Machine, nowhere: str, settings: dict[str, object], *, down: bool
) -> None:
    trained.configure(**settings)
    cut_off(trained, nowhere)
    assert plan(trained)["poweroff"] is down
    trained.environment["COLUMNS"] = "200"
    said = trained.agent("finalize", "--dry-run").out
    assert ("would go down" in said) is down


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize("begun", [True, False])
def test_nothing_is_written_anywhere(
    machine: Machine, bucket: Bucket, proxy: FaultProxy, options: list[str], *, begun: bool
) -> None:
    if begun:
        assert machine.agent("restore").code == 0
    machine.write_artifact("report.txt", b"best fitness 0.99")
    proxy.forget()
    before, listed = machine.files(), bucket.contents()

    assert machine.agent("finalize", "--dry-run", *options).code == 0

    assert machine.files() == before
    assert bucket.contents() == listed
    assert not [request for request in proxy.requests if request.changes]
    assert machine.poweroffs() == 0


@pytest.fixture
def readable_copy(trained: Machine) -> Iterator[Path]:
    """Yield a copy of the machine's disk that everybody may read and nobody may write."""
    root = Path(tempfile.mkdtemp(prefix="dxnn-dry-run-"))
    shutil.copytree(trained.root, root / "machine")
    text = (root / "machine" / "dxnn.toml").read_text()
    (root / "machine" / "dxnn.toml").write_text(
        text.replace(str(trained.root), str(root / "machine"))
    )
    for path in [root, *root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield root / "machine"
    for path in [root, *root.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(root)


def test_it_needs_no_root_and_no_path_it_may_write(
    trained: Machine, readable_copy: Path, nowhere: str
) -> None:
    cut_off(trained, nowhere)
    # Root without root's powers is bound by the permissions of files like everybody else.
    powerless = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []
    result = subprocess.run(
        [*powerless, AGENT, "finalize", "--dry-run"],
        capture_output=True,
        text=True,
        cwd=readable_copy,
        env=trained.environment | {"COLUMNS": "200"},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert f"checkpoint-{NEWEST}.dmp" in result.stdout
    for place in (trained.log_file, trained.lock_file):
        assert str(readable_copy / place.name) in result.stdout + result.stderr
