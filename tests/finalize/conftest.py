"""A machine whose trainer has ended and whose run is to be finalized."""

import pytest

from tests.bucket import Bucket
from tests.dump_files import leave_checkpoint, leave_completion
from tests.fault_proxy import FaultProxy
from tests.machine import Machine, NewMachine, copy_disk

OLDER, OLD, NEWEST, COMPLETION = (f"20250111-1430{second}Z" for second in (10, 20, 30, 40))

EXPECTED = {
    f"checkpoint-{OLDER}.dmp",
    f"checkpoint-{OLDER}.metadata.json",
    f"checkpoint-{OLD}.dmp",
    f"checkpoint-{OLD}.metadata.json",
    f"checkpoint-{NEWEST}.dmp",
    f"checkpoint-{NEWEST}.metadata.json",
    f"completion-{COMPLETION}.dmp",
    f"completion-{COMPLETION}.metadata.json",
    "artifacts/benchmarks/report.txt",
    "artifacts/benchmarks/by run/1 é.txt",
    "dxnn-run.log",
    "_MANIFEST.json",
    "_SUCCESS",
}
"""What the run of a trained machine consists of in S3, once it is finalized."""


def train(machine: Machine, bucket: Bucket, job: str = "xor") -> None:
    """Begin a run and leave what its trainer makes: nothing of that is in S3 yet."""
    assert machine.agent("restore").code == 0
    run_id = bucket.only_run(job).rpartition("run-")[2].rstrip("/")
    for stamp in (OLDER, OLD, NEWEST):
        leave_checkpoint(machine, run_id, stamp, f"population at {stamp}".encode(), job)
    leave_completion(machine, run_id, COMPLETION, b"final population", job)
    machine.write_artifact("report.txt", b"best fitness 0.99")
    machine.write_artifact("by run/1 é.txt", b"run 1")
    (machine.trainer_directory / "not-an-artifact.txt").write_bytes(b"stays here")


@pytest.fixture
def trained(machine_with: NewMachine, bucket: Bucket, proxy: FaultProxy) -> Machine:
    """Return a machine with three checkpoints, a completion dump and two artifacts, none sent."""
    machine = machine_with()
    train(machine, bucket)
    proxy.forget()
    return machine


@pytest.fixture
def twin(trained: Machine, machine_with: NewMachine) -> Machine:
    """Return another machine that is in the middle of the very same run."""
    machine = machine_with()
    copy_disk(trained, machine)
    return machine
