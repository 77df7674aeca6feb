"""With a notice, everything is planned against the time at which EC2 takes the machine."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.bucket import Bucket
from tests.fault_proxy import FaultProxy, slow_down
from tests.machine import NewMachine
from tests.processes import runs
from tests.programs import dumps_slowly, trains_for_ever, trains_until_told


def seconds_between(earlier: datetime, later: datetime) -> float:
    return (later - earlier).total_seconds()


def parse(moment: str) -> datetime:
    return datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def test_attempts_and_sleeps_are_cut_short(
    machine_with: NewMachine, bucket: Bucket, proxy: FaultProxy
) -> None:
    machine = machine_with(trainer_command=trains_until_told())
    proxy.inject(lambda r: r.method == "PUT" and r.name == "report.txt", slow_down)
    running, watching = machine.start("run"), machine.start("watch")
    machine.trainer_pid()
    machine.wait_for("WATCH_START")
    taken_at = machine.metadata.notice(in_seconds=25)

    codes = {running.result().code, watching.result().code}

    failed = machine.wait_for("FINALIZE_FAILED")
    assert 3 in codes
    assert failed.at < taken_at
    attempts = [r for r in proxy.requests if r.method == "PUT" and r.name == "report.txt"]
    # After the first process has failed, the second one tries as well.
    finalizers = len(machine.events("FINALIZE_FAILED"))
    assert 2 * finalizers <= len(attempts) < 7 * finalizers
    sentinel = bucket.json(f"{bucket.only_run()}_FAILED_UPLOAD")
    assert sentinel["missing"] == ["artifacts/benchmarks/report.txt"]
    assert parse(sentinel["notice_time"]) == taken_at.replace(microsecond=0)
    assert 0 < sentinel["margin_seconds"] < 25


def test_the_margin_that_was_left_stands_in_the_sentinel(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(trainer_command=trains_until_told())
    running, watching = machine.start("run"), machine.start("watch")
    machine.trainer_pid()
    machine.wait_for("WATCH_START")
    taken_at = machine.metadata.notice()
    assert {running.result().code, watching.result().code} == {0}
    sentinel = bucket.sentinel(bucket.only_run())
    assert parse(sentinel["notice_time"]) == taken_at.replace(microsecond=0)
    left = seconds_between(parse(sentinel["finalized_at"]), taken_at)
    assert sentinel["margin_seconds"] == pytest.approx(left, abs=2)
    assert 90 < sentinel["margin_seconds"] < 120


@pytest.mark.parametrize(
    ("deadline", "notice", "longest"),
    [
        pytest.param(4, 120, 8, id="cut at checkpoint_deadline_seconds"),
        pytest.param(60, 30, 25, id="cut at what the notice leaves"),
    ],
)
def test_a_checkpoint_that_hangs_is_cut_and_finalize_still_happens(
    machine_with: NewMachine, bucket: Bucket, deadline: int, notice: int, longest: int
) -> None:
    machine = machine_with(
        trainer_command=trains_until_told(), checkpoint_deadline_seconds=deadline
    )
    machine.configure(checkpoint_command=dumps_slowly(str(machine.root / "never")))
    running, watching = machine.start("run"), machine.start("watch")
    machine.trainer_pid()
    machine.wait_for("WATCH_START")
    taken_at = machine.metadata.notice(in_seconds=notice)

    assert {running.result().code, watching.result().code} == {0}

    detected = machine.wait_for("DETECTED").at
    cut = machine.wait_for("CHECKPOINT_TIMEOUT").at
    assert min(deadline, 4) - 1 <= seconds_between(detected, cut) <= longest
    assert machine.wait_for("FINALIZE_SUCCESS").at < taken_at
    assert not runs(int((machine.root / "never.pid").read_text()))
    names = bucket.names(bucket.only_run())
    assert "_SUCCESS" in names
    assert not [name for name in names if name.endswith(".dmp")]
    assert bucket.sentinel(bucket.only_run())["completion_status"] == "interrupted"


def test_a_periodic_checkpoint_that_hangs_does_not_hold_up_a_notice(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(trainer_command=trains_until_told(), checkpoint_deadline_seconds=3)
    machine.configure(checkpoint_command=dumps_slowly(str(machine.root / "never")))
    running, watching = machine.start("run"), machine.start("watch")
    machine.trainer_pid()
    machine.wait_for("WATCH_START")
    machine.start("checkpoint")
    machine.wait_for("CHECKPOINT_START")
    taken_at = machine.metadata.notice(in_seconds=40)

    assert {running.result().code, watching.result().code} == {0}

    assert machine.wait_for("FINALIZE_SUCCESS").at < taken_at - timedelta(seconds=20)
    assert bucket.sentinel(bucket.only_run())["reason"] == "spot_interruption"


def test_a_trainer_that_does_not_stop_is_killed_in_time(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(trainer_command=_deaf())
    running, watching = machine.start("run"), machine.start("watch")
    trainer = machine.trainer_pid()
    machine.wait_for("WATCH_START")
    taken_at = machine.metadata.notice(in_seconds=30)

    assert {running.result().code, watching.result().code} == {0}

    assert not runs(trainer)
    sentinel = bucket.sentinel(bucket.only_run())
    assert sentinel["exit_code"] == 137
    assert sentinel["reason"] == "spot_interruption"
    assert machine.wait_for("FINALIZE_SUCCESS").at < taken_at - timedelta(seconds=1)
    assert machine.poweroffs() == 1


def _deaf() -> list[str]:
    """Return a trainer that ignores TERM and INT."""
    python, *options, code = trains_for_ever()
    ignore = "import signal\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\n"
    return [python, *options, ignore + code]


def test_a_notice_that_is_already_over_still_gets_a_try(
    machine_with: NewMachine, bucket: Bucket
) -> None:
    machine = machine_with(trainer_command=trains_until_told())
    running, watching = machine.start("run"), machine.start("watch")
    machine.trainer_pid()
    machine.wait_for("WATCH_START")
    machine.metadata.notice(in_seconds=1)
    watching.result()
    running.result()
    assert bucket.sentinel(bucket.only_run())["margin_seconds"] <= 1
    assert machine.poweroffs() == 1
