"""What `--dry-run` prints is what finalize does: every object, in order, and every branch."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxnn_agent.commands import finalize
from dxnn_agent.errors import ExitCode
from dxnn_agent.finalization import execute
from dxnn_agent.finalization.execute import IncompleteError
from dxnn_agent.finalization.plan import Stage
from dxnn_agent.log import Log
from dxnn_agent.machine import auto_scaling, power
from dxnn_agent.settings import Settings
from dxnn_agent.settings_sources import load
from dxnn_agent.state import run_state
from dxnn_agent.state.outcome import CompletionStatus, Outcome
from dxnn_agent.state.run_state import Phase, Run
from dxnn_agent.store.context import Context
from tests.bucket import Bucket, sha256
from tests.finalize.conftest import train
from tests.machine import AGENT, Machine, NewMachine, Result
from tests.recording_store import RecordingStore

RUN_ID = "20250111-143012Z"
PREFIX = f"dxnn/xor/run-{RUN_ID}/"
RETRY = ("--completion-status", "interrupted", "--exit-code", "9")


def plan_of(machine: Machine, *options: str) -> dict[str, Any]:
    result = machine.agent("finalize", "--dry-run", "--json", *options, seconds=30)
    assert result.code == 0, result.err
    loaded: dict[str, Any] = json.loads(result.out)
    return loaded


def test_a_run_that_is_finalized_ended_as_its_sentinel_says(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(auto_terminate=False)
    train(machine, bucket)
    assert machine.agent("finalize", "--completion-status", "normal").code == 0
    machine.configure(auto_terminate=True)
    planned = plan_of(machine, *RETRY)
    assert planned["action"] == "leave"
    assert planned["sentinel"] == bucket.sentinel(bucket.only_run())
    assert planned["last_because"] == "the job is complete"
    assert planned["poweroff"] is True
    assert machine.agent("finalize", *RETRY).code == 0
    assert machine.events("TERMINATING")[-1].values["last_because"] == "the job is complete"
    assert machine.poweroffs() == 1


def test_what_follows_a_failure_is_in_the_plan(
    machine_with: NewMachine, bucket: Bucket, nowhere: str
) -> None:
    machine = machine_with(auto_terminate=False, on_upload_failure="terminate")
    train(machine, bucket)
    machine.environment["AWS_ENDPOINT_URL_S3"] = nowhere
    notice = {"reason": "shutdown", "time": "2025-01-11T14:32:12Z", "told_to_stop": True}
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (machine.state_dir / "notice.json").write_text(json.dumps(notice | {"boot_id": boot}))
    planned = plan_of(machine)
    assert planned["poweroff"] is False
    assert planned["on_failure"] == {"policy": "terminate", "last_because": None, "poweroff": True}
    said = machine.agent("finalize", "--dry-run", env={"COLUMNS": "200"}).out
    assert "exit 3, and the machine would go down, by:" in said
    assert machine.agent("finalize").code == 3
    assert machine.poweroffs() == 1


def powerless(machine: Machine, *arguments: str) -> Result:
    """Run the agent as a user whom permissions bind, also where that is root."""
    drop = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*drop, AGENT, *arguments],
        cwd=machine.root,
        env=machine.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def test_an_artifact_that_cannot_be_read_is_skipped_and_named(
    trained: Machine, bucket: Bucket
) -> None:
    trained.write_artifact("secret.txt", b"nobody's")
    (trained.trainer_directory / "benchmarks" / "secret.txt").chmod(0)
    planned = json.loads(powerless(trained, "finalize", "--dry-run", "--json").out)
    [skipped] = [each for each in planned["objects"] if each["fate"] == "skip"]
    assert (skipped["key"].rpartition("/")[2], skipped["problem"]) == (
        "secret.txt",
        "Permission denied",
    )
    assert planned["sentinel"]["skipped"] == 1
    result = powerless(trained, "finalize")
    assert result.code == 0, result.err
    run = bucket.only_run()
    assert bucket.json(f"{run}_MANIFEST.json")["skipped"] == [
        {"key": "artifacts/benchmarks/secret.txt", "reason": "Permission denied"}
    ]
    sentinel = bucket.sentinel(run)
    assert (sentinel["status"], sentinel["skipped"]) == ("success", 1)


def test_without_a_bucket_there_is_nothing_to_do(machine_with: NewMachine) -> None:
    machine = machine_with(spot_enabled=False, s3_bucket=None)
    planned = plan_of(machine)
    assert (planned["action"], planned["because"]) == ("nothing", "no s3_bucket")
    assert "no s3_bucket" in machine.agent("finalize", "--dry-run").out
    assert machine.agent("finalize").code == 0
    assert machine.events("FINALIZE_SKIPPED")[-1].values["reason"] == "no s3_bucket"
    assert machine.poweroffs() == 0


def test_a_machine_with_nothing_on_it_stays_up(machine: Machine, bucket: Bucket) -> None:
    planned = plan_of(machine)
    assert (planned["action"], planned["poweroff"]) == ("nothing", False)
    assert machine.agent("finalize").code == 0
    assert machine.events("FINALIZE_SKIPPED")[-1].values["reason"].startswith("nothing to finalize")
    assert machine.poweroffs() == 0
    assert bucket.contents() == {}


@dataclass
class Deeds:
    """What was done to the machine and its group."""

    told_group: int = 0
    poweroffs: int = 0


@contextmanager
def recorded() -> Iterator[Deeds]:
    deeds = Deeds()

    def stand_down(_instance_id: str | None) -> str | None:
        deeds.told_group += 1
        return "group"

    def off(_command: Sequence[str]) -> None:
        deeds.poweroffs += 1

    with (
        mock.patch.object(auto_scaling, "stand_down", stand_down),
        mock.patch.object(power, "off", off),
    ):
        yield deeds


@contextmanager
def disk(**options: object) -> Iterator[Settings]:
    root = Path(tempfile.mkdtemp(prefix="dxnn-plan-"))
    places = {
        "s3_bucket": "bkt",
        "job_id": "xor",
        "container_name": "c",
        "trainer_directory": str(root),
        "checkpoint_dir": str(root / "checkpoints"),
        "state_dir": str(root / "state"),
        "log_file": str(root / "run.log"),
        "lock_file": str(root / "lock"),
    }
    (root / "checkpoints").mkdir()
    (root / "benchmarks").mkdir()
    (root / "state").mkdir()
    (root / "run.log").write_text("begun\n")
    try:
        yield load({**places, **options}, {})
    finally:
        shutil.rmtree(root)


def context_of(settings: Settings, store: RecordingStore) -> Context:
    log = Log(settings.log_file, show=lambda _: None)
    # A notice that has run out leaves one attempt for everything.
    return Context(settings, log, store, notice_time=lambda: datetime.now(UTC))


def fill(settings: Settings, checkpoints: int, artifacts: int, *, completion: bool) -> None:
    for second in range(checkpoints):
        file = settings.checkpoint_dir / f"checkpoint-20250111-14301{second}Z.dmp"
        file.write_bytes(b"population %d" % second)
    if completion:
        (settings.checkpoint_dir / "completion-20250111-143030Z.dmp").write_bytes(b"final")
    for number in range(artifacts):
        (settings.trainer_directory / "benchmarks" / f"{number}.txt").write_bytes(b"%d" % number)
    run = Run(RUN_ID, "xor", "claim", Phase.EXITED, instance_id="i-1")
    run_state.save(settings.state_dir, run)


def steps(objects: list[dict[str, Any]]) -> list[set[str]]:
    """The keys that go out, in sets of which each is over before the next begins."""
    going = [each for each in objects if each["fate"] in {"send", "unknown"}]
    step = lambda each: (each["stage"], each["content"] is not None)  # noqa: E731
    return [{each["key"] for each in group} for _, group in groupby(going, key=step)]


def in_steps(puts: list[str], planned: list[set[str]]) -> list[set[str]]:
    # One that was there already, and unlike, is written over at a second try.
    rest = iter(dict.fromkeys(puts))
    done = [{next(rest, "") for _ in step} for step in planned]
    return [*done, *({key} for key in rest)]


OUTCOMES = st.sampled_from(
    [
        Outcome(CompletionStatus.NORMAL, 0, "training_completed"),
        Outcome(CompletionStatus.INTERRUPTED, 143, "spot_interruption"),
        Outcome(CompletionStatus.INTERRUPTED, 1, "trainer_exit_1"),
    ]
)
FAILING = st.sampled_from([None, "checkpoint", "artifacts/", "dxnn-run.log", "_SUCCESS"])


@pytest.mark.timeout(600)
@given(
    checkpoints=st.integers(0, 3),
    artifacts=st.integers(0, 2),
    completion=st.booleans(),
    outcome=OUTCOMES,
    auto_terminate=st.booleans(),
    relaunch=st.booleans(),
    policy=st.sampled_from(["keep", "terminate"]),
    reads=st.booleans(),
    failing=FAILING,
    sent_before=st.booleans(),
    finalized_before=st.booleans(),
)
def test_the_plan_is_carried_out_as_it_is_printed(
    checkpoints: int,
    artifacts: int,
    outcome: Outcome,
    policy: str,
    failing: str | None,
    *,
    completion: bool,
    auto_terminate: bool,
    relaunch: bool,
    reads: bool,
    sent_before: bool,
    finalized_before: bool,
) -> None:
    options = {"auto_terminate": auto_terminate, "on_upload_failure": policy}
    store = RecordingStore(reads=reads, fails_at=lambda key: bool(failing and failing in key))
    with disk(relaunch_on_interruption=relaunch, **options) as settings, recorded() as deeds:
        fill(settings, checkpoints, artifacts, completion=completion)
        context = context_of(settings, store)
        if sent_before and checkpoints:
            body = (settings.checkpoint_dir / "checkpoint-20250111-143010Z.dmp").read_bytes()
            key = f"{PREFIX}checkpoint-20250111-143010Z.dmp"
            store.objects[key] = (body, {"sha256": sha256(body)})
        if finalized_before:
            store.objects[f"{PREFIX}_SUCCESS"] = (b"{}", {"signature": "another"})
        planned = finalize.dry_run(context, outcome).as_json()
        assert store.puts == []
        code = finalize.finalize(context, outcome)

        expected = steps(planned["objects"])
        done = in_steps(store.puts, expected)
        if planned["action"] == "nothing":
            assert (code, store.puts, deeds) == (ExitCode.DONE, [], Deeds())
        elif failing and any(failing in key for key in store.puts):
            assert code is ExitCode.UPLOAD_FAILED
            after = [key.removeprefix(PREFIX) for key in store.puts]
            assert after[-1] == "_FAILED_UPLOAD"
            failed = next(n for n, step in enumerate(expected) if any(failing in k for k in step))
            assert done[:failed] == expected[:failed]
            assert "_SUCCESS" not in after or failing == "_SUCCESS"
            assert deeds.poweroffs == planned["on_failure"]["poweroff"]
            assert deeds.told_group == (planned["on_failure"]["last_because"] is not None)
        elif not reads and finalized_before:
            # What could not be known: the conditional write is what tells.
            assert code is ExitCode.UPLOAD_FAILED
            assert deeds.poweroffs == planned["on_failure"]["poweroff"]
        else:
            assert (code, done) == (ExitCode.DONE, expected)
            assert store.puts[-1] == planned["sentinel_key"]
            assert deeds.poweroffs == planned["poweroff"]
            assert deeds.told_group == (planned["last_because"] is not None)


def test_another_order_in_the_plan_is_another_order_of_deeds() -> None:
    store = RecordingStore()
    outcome = Outcome(CompletionStatus.NORMAL, 0, "training_completed")
    with disk() as settings:
        fill(settings, 2, 1, completion=True)
        context = context_of(settings, store)
        plan = finalize.dry_run(context, outcome)
        first = {Stage.LOG: 0, Stage.ARTIFACTS: 1}
        turned = sorted(plan.objects, key=lambda one: (first.get(one.stage, 2), one.step))
        execute.upload_all(replace(plan, objects=tuple(turned)), context, "signature")
    names = [key.removeprefix(PREFIX) for key in store.puts]
    assert names[:2] == ["dxnn-run.log", "artifacts/benchmarks/0.txt"]
    assert names[-2:] == ["_MANIFEST.json", "_SUCCESS"]


def test_an_object_that_fails_is_named_as_missing() -> None:
    store = RecordingStore(fails_at=lambda key: "completion" in key)
    outcome = Outcome(CompletionStatus.NORMAL, 0, "training_completed")
    with disk() as settings:
        fill(settings, 1, 1, completion=True)
        context = context_of(settings, store)
        plan = finalize.dry_run(context, outcome)
        with pytest.raises(IncompleteError) as failed:
            execute.upload_all(plan, context, "signature")
    missing = [key.removeprefix(PREFIX) for key in failed.value.missing]
    assert missing == [
        "completion-20250111-143030Z.dmp",
        "completion-20250111-143030Z.metadata.json",
        "artifacts/benchmarks/0.txt",
    ]
