"""Finalize is killed between any two of its steps and started again: nothing shows in S3.

Its steps towards the outside are its S3 requests. Each test kills it at the first request, then
(from the same beginning) at the second, and so on until it survives.
"""

import subprocess
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from tests.bucket import Bucket, sha256
from tests.dump_files import leave_checkpoint, leave_completion
from tests.fault_proxy import Action, FaultProxy, Request, after, before
from tests.finalize.conftest import COMPLETION, NEWEST
from tests.machine import Machine
from tests.programs import python

OBJECTS = {
    f"checkpoint-{NEWEST}.dmp",
    f"checkpoint-{NEWEST}.metadata.json",
    f"completion-{COMPLETION}.dmp",
    f"completion-{COMPLETION}.metadata.json",
    "artifacts/benchmarks/report.txt",
    "dxnn-run.log",
    "_MANIFEST.json",
    "_SUCCESS",
}

Victim = Future[subprocess.Popen[bytes]]


def shoot(victim: Victim) -> None:
    process = victim.result(timeout=30)
    process.kill()
    process.wait()


def kill_at(
    machine: Machine, proxy: FaultProxy, index: int, when: Callable[[Callable[[], None]], Action]
) -> bool:
    """Run finalize and kill it at its request number `index`; return whether it came that far."""
    victim: Victim = Future()
    count = iter(range(1_000_000))

    def is_the_one(_: Request) -> bool:
        return next(count) == index

    proxy.inject(is_the_one, when(lambda: shoot(victim)))
    started = machine.start("finalize")
    victim.set_result(started.process)
    result = started.result()
    proxy.heal()
    assert result.code in {0, -9}
    return result.code == -9


@pytest.fixture
def small(machine: Machine, bucket: Bucket, proxy: FaultProxy) -> Machine:
    """Return a machine with one object of every sort to send: each costs four kills."""
    assert machine.agent("restore").code == 0
    run_id = bucket.only_run().rpartition("run-")[2].rstrip("/")
    leave_checkpoint(machine, run_id, NEWEST, b"population")
    leave_completion(machine, run_id, COMPLETION, b"final population")
    machine.write_artifact("report.txt", b"best fitness 0.99")
    proxy.forget()
    return machine


def check_finalized_once(machine: Machine, bucket: Bucket, proxy: FaultProxy) -> None:
    run = bucket.only_run()
    assert bucket.names(run) == OBJECTS
    bucket.check_manifest(run)
    assert bucket.read(f"{run}artifacts/benchmarks/report.txt") == b"best fitness 0.99"
    sent = Counter(key.removeprefix(run) for key in proxy.sent)
    # The second attempt adds to the log, and the manifest describes the log.
    assert {name for name, times in sent.items() if times > 1} <= {
        "dxnn-run.log",
        "_MANIFEST.json",
    }
    assert machine.poweroffs() == 1


@pytest.mark.parametrize("first", range(2))
@pytest.mark.parametrize("when", [before, after])
def test_killed_at_any_request_and_started_again(
    small: Machine,
    bucket: Bucket,
    proxy: FaultProxy,
    first: int,
    when: Callable[[Callable[[], None]], Action],
) -> None:
    beginning, disk = bucket.contents(), small.snapshot()
    kills = 0
    for index in range(first, 200, 2):
        killed = kill_at(small, proxy, index, when)
        assert small.agent("finalize").code == 0
        check_finalized_once(small, bucket, proxy)
        if not killed:
            break
        kills += 1
        small.rewind(disk)
        bucket.rewind(beginning)
        proxy.forget()
    assert kills >= len(OBJECTS) // 2


def test_killed_again_and_again(small: Machine, bucket: Bucket, proxy: FaultProxy) -> None:
    index = 0
    while kill_at(small, proxy, index, after):
        index += 2
    check_finalized_once(small, bucket, proxy)


def test_killed_when_the_sentinel_is_there_but_the_machine_still_on(
    small: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    victim: Victim = Future()
    proxy.inject(lambda r: r.method == "PUT" and r.name == "_SUCCESS", after(lambda: shoot(victim)))
    started = small.start("finalize")
    victim.set_result(started.process)
    assert started.result().code == -9
    assert small.poweroffs() == 0
    finalized = {key: sha256(body) for key, body in bucket.contents().items()}

    assert small.agent("finalize").code == 0

    assert small.states()[-2:] == ["FINALIZE_SKIPPED", "TERMINATING"]
    assert {key: sha256(body) for key, body in bucket.contents().items()} == finalized
    assert small.poweroffs() == 1
    assert small.agent("finalize").code == 0
    assert small.poweroffs() == 1


def test_killed_by_its_own_poweroff(small: Machine, bucket: Bucket, proxy: FaultProxy) -> None:
    """A machine that goes down takes finalize with it: that is how it ends in real life."""
    small.configure(
        poweroff_command=python(
            """
            import os, signal, sys
            with open(sys.argv[1], "a") as marks:
                marks.write("off\\n")
            os.kill(os.getppid(), signal.SIGKILL)
            """,
            str(small.root / "poweroffs"),
        )
    )
    assert small.agent("finalize").code == -9
    finalized = bucket.contents()
    proxy.forget()
    assert small.agent("finalize").code in {0, -9}
    assert "FINALIZE_SKIPPED" in small.states()
    assert bucket.contents() == finalized
    assert proxy.stored == []
