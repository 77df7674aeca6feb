"""How much training was at risk, told from what was seen."""

import pytest

from rehearsal import timeline
from rehearsal.timeline import Happening


def seen(at: float, state: str, text: str = "", instance: str = "one") -> Happening:
    return Happening(at, instance, state, text)


STORY = [
    seen(1.0, "launched"),
    seen(2.0, "RUN_START"),
    seen(6.0, "CHECKPOINT_START", "file=checkpoint-20250111-143016Z.dmp"),
    seen(6.5, "CHECKPOINT_OK", "file=checkpoint-20250111-143016Z.dmp"),
    seen(7.0, "UPLOAD_SUCCESS", "object=checkpoint-20250111-143016Z.dmp size=1"),
    seen(7.1, "UPLOAD_SUCCESS", "object=checkpoint-20250111-143016Z.metadata.json size=1"),
    seen(9.0, "CHECKPOINT_START", "file=checkpoint-20250111-143019Z.dmp"),
    seen(9.2, "RUN_EXIT"),
    seen(9.5, "UPLOAD_SUCCESS", "object=checkpoint-20250111-143019Z.dmp size=1"),
    seen(11.0, "down"),
]


@pytest.mark.parametrize(
    ("at", "risk"),
    [
        (1.5, None),  # not training yet
        (2.0, 0.0),
        (6.9, 4.9),  # on the disk is not in S3
        (7.0, 1.0),  # since it was taken, not since it arrived
        (9.1, 3.1),
        (9.4, 3.2),  # training has stopped
        (9.5, 0.2),
        (99.0, 0.2),  # what the interruption cost
    ],
)
def test_at_risk(at: float, risk: float | None) -> None:
    assert timeline.at_risk(STORY, "one", at) == (None if risk is None else pytest.approx(risk))


def test_another_instance_has_its_own_risk() -> None:
    story = [*STORY, seen(20.0, "RUN_START", instance="two")]
    assert timeline.at_risk(story, "two", 23.0) == pytest.approx(3.0)
    assert timeline.at_risk(story, "one", 23.0) == pytest.approx(0.2)


@pytest.mark.parametrize(("status", "risk"), [("normal", 0.0), ("interrupted", 4.0)])
def test_a_completed_run_has_lost_nothing(status: str, risk: float) -> None:
    story = [
        seen(2.0, "RUN_START"),
        seen(6.0, "RUN_EXIT"),
        seen(7.0, "FINALIZE_SUCCESS", f"run_id=x completion_status={status}"),
    ]
    assert timeline.at_risk(story, "one", 8.0) == pytest.approx(risk)


def test_the_most_at_risk_is_seen_right_before_a_checkpoint_arrives() -> None:
    assert timeline.most_at_risk(STORY) == pytest.approx(5.0, abs=1e-3)
    assert timeline.most_at_risk([]) == 0.0


def test_shipped_checkpoints_are_counted() -> None:
    assert timeline.shipped(STORY, "one") == 2
    assert timeline.shipped(STORY, "two") == 0
    assert timeline.shipped(STORY, "one", since="RUN_EXIT") == 1
    assert timeline.shipped(STORY, "one", since="training") == 0


def test_log_lines_become_happenings() -> None:
    line = "[UTC 2025-01-11T14:30:12Z] STATE: DETECTED reason=spot_interruption"
    assert timeline.of_log_line(3.0, "one", line) == seen(
        3.0, "DETECTED", "reason=spot_interruption"
    )
    assert timeline.of_log_line(3.0, "one", "generation 3") is None


def test_rows_say_what_matters_once() -> None:
    rows = timeline.rows(STORY)
    assert [row.what.partition(" ")[0] for row in rows] == [
        "launched",
        "RUN_START",
        "CHECKPOINT_OK",
        "UPLOAD_SUCCESS",
        "RUN_EXIT",
        "UPLOAD_SUCCESS",
        "down",
    ]
    assert rows[3].what == "UPLOAD_SUCCESS checkpoint-20250111-143016Z.dmp"


def test_words_leave_out_what_is_the_same_on_every_line() -> None:
    one = seen(1.0, "RUN_START", 'run_id=r container_name=c path="/a b" pid=7 parent_run_id=p')
    assert timeline.words(one) == "RUN_START parent_run_id=p"
