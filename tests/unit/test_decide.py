"""The plan: what is sent, in which order, and what the sentinel will say."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxnn_agent import settings_sources
from dxnn_agent.finalization.decide import decide
from dxnn_agent.finalization.facts import Facts, Held, WrittenSentinel
from dxnn_agent.finalization.plan import Fate, FinalizePlan, Stage
from dxnn_agent.state.dumps import Dump
from dxnn_agent.state.files import LocalFile
from dxnn_agent.state.job_history import Streak
from dxnn_agent.state.outcome import CompletionStatus, Outcome
from dxnn_agent.state.run_state import Phase, Run
from dxnn_agent.store.keys import DumpName

RUN = Run("20250111-143012Z", "xor", "secret", Phase.EXITED, instance_id="i-1")
PREFIX = "dxnn/xor/run-20250111-143012Z/"
NOW = datetime(2025, 1, 11, tzinfo=UTC)
SHA = "ab" * 32
COMPLETED = Outcome(CompletionStatus.NORMAL, 0, "training_completed")
INTERRUPTED = Outcome(CompletionStatus.INTERRUPTED, 143, "spot_interruption")
NO_STREAK = Streak(0, 0)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def dump(kind: str, label: str, **described: Any) -> tuple[Dump, str | None]:
    name = DumpName(kind, label)
    return Dump(name, Path("/ckpt") / name.file, 10, NOW, described), SHA


def make(
    local: list[tuple[Dump, str | None]],
    artifacts: Mapping[str, LocalFile] | None = None,
    stored: Mapping[str, Held] | None = None,
    *,
    sentinel: WrittenSentinel | None = None,
    outcome: Outcome = COMPLETED,
    streak: Streak = NO_STREAK,
    options: Mapping[str, object] | None = None,
) -> FinalizePlan:
    required = {"s3_bucket": "bkt", "job_id": "xor", "container_name": "c"}
    return decide(
        settings_sources.load(required | dict(options or {}), {}),
        Facts(
            run=RUN,
            outcome=outcome,
            bucket="bkt",
            sentinel=sentinel,
            stored=stored,
            dumps=tuple(local),
            artifacts=artifacts or {},
            streak=streak,
        ),
    )


def names(made: FinalizePlan, *fates: Fate) -> list[str]:
    wanted = fates or tuple(Fate)
    return [p.key.removeprefix(PREFIX) for p in made.objects if p.fate in wanted]


def test_the_order_is_the_contracts() -> None:
    made = make(
        [
            dump("completion", "20250111-143300Z"),
            dump("checkpoint", "20250111-143200Z"),
            dump("checkpoint", "20250111-143100Z"),
        ],
        {"artifacts/benchmarks/a": LocalFile(Path("/a"), 1, SHA)},
        {},
    )
    assert names(made) == [
        "checkpoint-20250111-143200Z.dmp",
        "checkpoint-20250111-143200Z.metadata.json",
        "completion-20250111-143300Z.dmp",
        "completion-20250111-143300Z.metadata.json",
        "checkpoint-20250111-143100Z.dmp",
        "checkpoint-20250111-143100Z.metadata.json",
        "artifacts/benchmarks/a",
        "dxnn-run.log",
        "_MANIFEST.json",
        "_SUCCESS",
    ]


def test_what_is_there_with_the_same_checksum_is_not_sent() -> None:
    one = dump("checkpoint", "20250111-143200Z")
    key = f"{PREFIX}{one[0].name.file}"
    assert names(make([one], stored={key: Held(10, SHA)}), Fate.THERE) == [one[0].name.file]
    assert names(make([one], stored={key: Held(10, "cd" * 32)}), Fate.THERE) == []


def test_without_an_answer_of_s3_it_says_that_it_does_not_know() -> None:
    made = make([dump("checkpoint", "20250111-143200Z")], stored=None)
    assert names(made, Fate.SEND) == ["dxnn-run.log", "_MANIFEST.json", "_SUCCESS"]
    assert len(names(made, Fate.UNKNOWN)) == 2


def test_a_finalized_run_gets_nothing_more() -> None:
    late = {"artifacts/late": LocalFile(Path("/a"), 1, SHA)}
    written = WrittenSentinel({"status": "success"}, by_this_machine=True)
    made = make([], late, {f"{PREFIX}dxnn-run.log": Held(5, "")}, sentinel=written)
    assert names(made, Fate.SEND, Fate.UNKNOWN) == []
    assert names(made, Fate.LEFT) == ["artifacts/late", "_MANIFEST.json"]


def test_checkpoints_that_only_s3_has_belong_to_the_run() -> None:
    """The manifest lists every object of the run, also what the disk dropped long ago."""
    key = f"{PREFIX}checkpoint-20250111-100000Z.dmp"
    made = make([], stored={key: Held(9, SHA), f"{PREFIX}_FAILED_UPLOAD": Held(1, SHA)})
    assert names(made, Fate.THERE) == ["checkpoint-20250111-100000Z.dmp"]


def test_a_dump_of_an_earlier_run_goes_to_its_own_prefix() -> None:
    old = dump("checkpoint", "20250110-100000Z", job_id="xor", run_id="20250110-090000Z")
    made = make([old], stored={})
    assert made.objects[0].key.startswith("dxnn/xor/run-20250110-090000Z/checkpoint-")


def test_a_dump_of_another_job_stays_where_it_is() -> None:
    assert names(make([dump("checkpoint", "20250110-100000Z", job_id="other")], stored={})) == [
        "dxnn-run.log",
        "_MANIFEST.json",
        "_SUCCESS",
    ]


def test_an_artifact_that_cannot_be_read_is_skipped_and_counted() -> None:
    bad = {"artifacts/secret": LocalFile(Path("/s"), 0, None, "Permission denied")}
    made = make([], bad, {})
    assert [(p.fate, p.problem) for p in made.objects if p.stage is Stage.ARTIFACTS] == [
        (Fate.SKIP, "Permission denied")
    ]
    assert made.sentinel_content()["skipped"] == 1


def test_the_sentinel_has_the_contracts_keys_in_its_order() -> None:
    assert list(make([]).sentinel_content()) == [
        "run_id",
        "finalized_at",
        "status",
        "completion_status",
        "exit_code",
        "reason",
        "job_id",
        "container_name",
        "instance_id",
        "parent_run_id",
        "manifest_sha256",
        "notice_time",
        "margin_seconds",
        "agent_version",
        "skipped",
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["checkpoint", "completion"]),
            st.from_regex(r"[A-Za-z0-9-]{1,8}", fullmatch=True),
        ),
        unique=True,
    )
)
def test_every_dump_is_planned_once_and_stages_never_go_back(which: list[tuple[str, str]]) -> None:
    made = make([dump(kind, label) for kind, label in which], stored={})
    keys = [planned.key for planned in made.objects]
    assert len(keys) == len(set(keys)) == 2 * len(which) + 3
    stages = [planned.stage for planned in made.objects]
    assert stages == sorted(stages)
    newest = [p for p in made.objects if p.stage is Stage.NEWEST_CHECKPOINT]
    assert len(newest) == (2 if any(kind == "checkpoint" for kind, _ in which) else 0)


@pytest.mark.parametrize(
    ("outcome", "streak", "options", "because", "gives_up"),
    [
        (COMPLETED, Streak(0, 0), {}, "the job is complete", False),
        (INTERRUPTED, Streak(0, 0), {}, None, False),
        (INTERRUPTED, Streak(2, 2), {}, None, False),
        (INTERRUPTED, Streak(), {}, None, False),
        (INTERRUPTED, Streak(3, 0), {}, "runs in a row without a checkpoint: 3", True),
        (
            INTERRUPTED,
            Streak(1, 0),
            {"max_fruitless_runs": 1},
            "runs in a row without a checkpoint: 1",
            True,
        ),
        (INTERRUPTED, Streak(0, 3), {}, "runs in a row that the trainer itself ended: 3", True),
        (
            INTERRUPTED,
            Streak(5, 5),
            {"max_failed_runs": 5},
            "runs in a row that the trainer itself ended: 5",
            True,
        ),
        (
            INTERRUPTED,
            Streak(3, 3),
            {"relaunch_on_interruption": False},
            "relaunch_on_interruption is false",
            False,
        ),
    ],
)
def test_when_no_machine_is_to_follow(
    outcome: Outcome,
    streak: Streak,
    options: dict[str, object],
    because: str | None,
    *,
    gives_up: bool,
) -> None:
    made = make([], outcome=outcome, streak=streak, options=options)
    assert (made.on_success.last_because, made.gives_up) == (because, gives_up)
    assert made.as_json()["last_because"] == because
    assert made.as_json()["gives_up"] is gives_up


ARTIFACT = {"artifacts/benchmarks/a": LocalFile(Path("/a"), 1, SHA)}


@pytest.mark.parametrize(
    ("outcome", "artifacts", "globs", "warning"),
    [
        (
            COMPLETED,
            {},
            ["benchmarks/**", "*.tsv"],
            (
                "no artifact: nothing that benchmarks/** or *.tsv names has changed since the run "
                "began"
            ),
        ),
        (COMPLETED, ARTIFACT, ["benchmarks/**"], None),
        (COMPLETED, {}, [], None),
        (INTERRUPTED, {}, ["benchmarks/**"], None),
    ],
)
def test_a_completed_run_without_an_artifact_is_warned_of(
    outcome: Outcome,
    artifacts: dict[str, LocalFile],
    globs: list[str],
    warning: str | None,
) -> None:
    made = make([], artifacts, outcome=outcome, options={"artifacts": globs})
    assert made.warning == warning
    assert made.as_json()["warning"] == warning
