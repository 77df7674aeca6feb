"""Rules about instances that follow each other, and about what is left when they are gone."""

import pytest

from rehearsal.chain import rules
from rehearsal.chain.rules import States

FIRST = [(1.0, "pending"), (3.0, "running"), (9.0, "shutting-down"), (10.0, "terminated")]
SECOND = [(10.2, "pending"), (12.0, "running")]


def test_the_second_comes_when_the_first_is_gone() -> None:
    assert list(rules.succession(FIRST, SECOND)) == []


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        (FIRST, [(9.5, "pending")], "the second came 0.5 s before the first was gone"),
        (FIRST[:-1], SECOND, "one of them never was"),
        (FIRST, [], "one of them never was"),
    ],
)
def test_any_other_order_is_told(first: States, second: States, problem: str) -> None:
    assert list(rules.succession(first, second)) == [problem]


def test_a_completed_jobs_group_wants_and_has_nothing() -> None:
    group = {"AutoScalingGroupName": "xor", "DesiredCapacity": 0, "Instances": []}
    assert list(rules.at_zero(group)) == []
    assert list(rules.at_zero(group | {"DesiredCapacity": 1})) == ["xor desires 1"]
    assert list(rules.at_zero(group | {"Instances": [{"InstanceId": "i-1"}]})) == ["xor has i-1"]


def test_what_is_left_is_told_by_kind() -> None:
    assert list(rules.nothing({})) == []
    assert list(rules.nothing({"volumes": ["vol-1", "vol-2"]})) == ["volumes: vol-1, vol-2"]
