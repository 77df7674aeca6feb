"""A job's lineage: which of its runs bore fruit, read from keys alone."""

from dxnn_agent.state import job_history

PREFIX = "dxnn/xor/"
LOG = "dxnn-run.log"
DUMP = "checkpoint-20250111-143200Z.dmp"


def past(**runs: str) -> list[job_history.PastRun]:
    """Return runs 20250111-14300<n>Z from `r1="names of objects"`."""
    keys = [
        f"{PREFIX}run-20250111-14300{run[1:]}Z/{name}"
        for run, names in runs.items()
        for name in names.split()
    ]
    return job_history.runs([*keys, f"{PREFIX}notes.txt", "dxnn/xor2/run-x/a"], PREFIX)


NOW = "20250111-143009Z"


def test_runs_come_oldest_first() -> None:
    assert past(r2=f"{LOG} _SUCCESS", r1=f"{LOG} {DUMP} _FAILED_UPLOAD") == [
        job_history.PastRun("20250111-143001Z", fruitful=True, finalized=False),
        job_history.PastRun("20250111-143002Z", fruitful=False, finalized=True),
    ]


def test_fruitless_runs_are_counted_back_to_the_last_dump() -> None:
    assert job_history.fruitless_before([], NOW) == 0
    assert job_history.fruitless_before(past(r1=LOG, r2=LOG), NOW) == 2
    assert job_history.fruitless_before(past(r1=LOG, r2=DUMP, r3=LOG), NOW) == 1
    assert job_history.fruitless_before(past(r1=LOG, r2="completion-x.dmp"), NOW) == 0


def test_a_dump_no_newer_than_those_before_is_no_fruit() -> None:
    older, newer = "checkpoint-20250111-143100Z.dmp", "checkpoint-20250111-143300Z.dmp"
    assert job_history.fruitless_before(past(r1=DUMP, r2=DUMP, r3=older), NOW) == 2
    assert job_history.fruitless_before(past(r1=DUMP, r2=older, r3=newer), NOW) == 0
    assert job_history.fruitless_before(past(r1=DUMP, r2="checkpoint-by-hand.dmp"), NOW) == 0


def test_this_run_and_later_ones_do_not_count() -> None:
    assert job_history.fruitless_before(past(r1=LOG, r9=LOG), NOW) == 1


def test_metadata_or_artifacts_alone_are_no_fruit() -> None:
    names = f"{LOG} checkpoint-20250111-143200Z.metadata.json artifacts/{DUMP}"
    assert job_history.fruitless_before(past(r1=names), NOW) == 1


def test_a_run_was_cut_off_where_it_has_no_success() -> None:
    assert not job_history.cut_off_before([], NOW)
    assert job_history.cut_off_before(past(r1="_SUCCESS", r2=LOG), NOW)
    assert job_history.cut_off_before(past(r2=f"{LOG} _FAILED_UPLOAD"), NOW)
    assert not job_history.cut_off_before(past(r1=LOG, r2=f"{LOG} _SUCCESS"), NOW)


def test_failed_runs_are_counted_back_to_one_that_ended_otherwise() -> None:
    runs = past(r1="_SUCCESS", r2="_SUCCESS", r3="_SUCCESS", r4="_SUCCESS", r9="_SUCCESS")
    reasons = {
        "20250111-143001Z": "trainer_exit_1",
        "20250111-143002Z": "spot_interruption",
        "20250111-143003Z": "trainer_stalled",
        "20250111-143004Z": "trainer_exit_137",
    }
    asked: list[str] = []

    def reason_of(run_id: str) -> str | None:
        asked.append(run_id)
        return reasons.get(run_id)

    assert job_history.failed_before(runs, NOW, reason_of, 9) == 2
    assert job_history.failed_before(runs[1:], "20250111-143003Z", reason_of, 9) == 0
    del asked[:]
    assert job_history.failed_before(runs, NOW, reason_of, 1) == 1
    assert asked == ["20250111-143004Z"]  # and no more than it takes


def test_a_run_that_says_nothing_ends_the_row_of_failed_ones() -> None:
    def failed(_: str) -> str | None:
        return "trainer_exit_1"

    runs = past(r1="_SUCCESS", r2=f"{LOG} _FAILED_UPLOAD", r3="_SUCCESS")
    assert job_history.failed_before(runs, NOW, failed, 9) == 1
    assert job_history.failed_before(past(r1="_SUCCESS"), NOW, lambda _: None, 9) == 0
