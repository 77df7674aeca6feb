"""What is wrong with a sweep is said in one sentence each, with key, value and file."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dxnn_agent.errors import UsageError
from dxnn_agent.fleet.command import app
from tests.fleet.sweeps import GRID, LIST, SOURCE, parse

HEAD = 'name = "s"\nvariables.s3_bucket = "trainings"\n'
GOOD = "grid.checkpoint_keep = [1]\n"
SIGNS = "should be letters and digits, and after the first also dots, dashes and underscores"

WRONG: list[tuple[str, str]] = [
    # Keys
    (HEAD + GOOD + "jbo.volume_size = 3", "jbo = {'volume_size': 3}: no such key of a sweep; "),
    (HEAD + GOOD + "job.volumesize = 3", "job.volumesize = 3: no such attribute of a job; did you"),
    (
        HEAD + GOOD + "variables.ami = 'x'",
        "variables.ami = 'x': no such variable; did you mean ami",
    ),
    (HEAD + GOOD + "variables.jobs.a = {}", "variables.jobs = {'a': {}}: jobs are made by [grid]"),
    (HEAD + "grid.seed = [1]", "grid.seed = [1]: no such attribute of a job; there are artifacts"),
    (HEAD + "[[jobs]]\njob_id = 'a'\nname = 'b'", "jobs[1].name = 'b': no such attribute"),
    # What has to be there
    (GOOD + "variables.s3_bucket = 'abc'", "name is missing"),
    (GOOD + "name = 's'", "variables.s3_bucket is missing"),
    (HEAD, "a sweep has either [grid] or [[jobs]], and neither is there"),
    (HEAD + GOOD + "[[jobs]]\njob_id = 'a'", "a sweep has either [grid] or [[jobs]], and both"),
    (HEAD + "[[jobs]]\nvolume_size = 3", "jobs[1].job_id is missing"),
    (HEAD + "jobs = []", "[[jobs]] is empty"),
    (HEAD + "[grid]", "[grid] is empty"),
    (HEAD + "[grid.environment]", "grid.environment = {}: should be a table of axes"),
    # Types
    ("name = 7\nvariables.s3_bucket = 'abc'\n" + GOOD, "name = 7: " + SIGNS),
    ("name = 'a b'\nvariables.s3_bucket = 'abc'\n" + GOOD, "name = 'a b': " + SIGNS),
    ("name = ''\nvariables.s3_bucket = 'abc'\n" + GOOD, "name = '': " + SIGNS),
    (HEAD + GOOD + "job = 3", "job = 3: should be a table, [job]"),
    (HEAD + "jobs = [3]", "jobs = [3]: should be a table, [[jobs]]"),
    (HEAD + "[jobs]\njob_id = 'a'", "jobs = {'job_id': 'a'}: should be a table, [[jobs]]"),
    (HEAD + "[[grid]]\nx = 1", "grid = [{'x': 1}]: should be a table, [grid]"),
    (HEAD + GOOD + "job.volume_size = '30'", "job.volume_size = '30': input should be a valid int"),
    (HEAD + GOOD + "job.instance_types = 'c6i.large'", "job.instance_types = 'c6i.large': input"),
    (HEAD + GOOD + "job.trainer_command = []", "job.trainer_command = []: list should have at"),
    (HEAD + GOOD + "job.on_upload_failure = 'panic'", "job.on_upload_failure = 'panic': input"),
    (HEAD + GOOD + "variables.tags.a = 1", "variables.tags = {'a': 1}: input should be a valid st"),
    (HEAD + GOOD + "variables.s3_prefix = '/a'", "variables.s3_prefix = '/a': should be a key pre"),
    (HEAD + GOOD + "job.environment = 3", "job.environment = 3: should be a table of variables"),
    (HEAD + GOOD + "job.environment.A = [1]", "job.environment.A = [1]: should be text, a number"),
    (HEAD + GOOD + "job.environment.A = 2026-01-01", "job.environment.A = datetime.date("),
    (HEAD + GOOD + "variables.environment.A = []", "variables.environment.A = []: should be text"),
    (HEAD + "[[jobs]]\njob_id = 7", "jobs[1].job_id = 7: should be text"),
    # Values
    (HEAD + GOOD + r'job.environment.A = "1\n2"', r"job.environment.A = '1\n2': should be one l"),
    (HEAD + GOOD + "job.environment.DXNN_A = 1", "job.environment.DXNN_A = 1: names that begin"),
    (
        HEAD + GOOD + "job.environment.a-b = 1",
        "job.environment.a-b = 1: should be letters, digits and underscores",
    ),
    (
        HEAD + "grid.environment.2A = [1]",
        "grid.environment.2A = [1]: should be letters, digits and underscores",
    ),
    # Axes
    (HEAD + "grid.experiment = []", "grid.experiment = []: should be a list of values, not empty"),
    (HEAD + "grid.experiment = 'a'", "grid.experiment = 'a': should be a list of values, not em"),
    (HEAD + "grid.experiment = ['a', 1]", "grid.experiment = 1: input should be a valid string"),
    (HEAD + "grid.experiment = ['a', '/']", "grid.experiment = '/': has no letter or digit"),
    (HEAD + "grid.environment.A = [[1]]", "grid.environment.A = [1]: should be text, a number"),
    (HEAD + "grid.environment.A = [{}]", "grid.environment.A = {}: should be text, a number"),
    (HEAD + "grid.environment = [{}]", "grid.environment = [{}]: should be a table of axes"),
    (
        HEAD + "grid.experiment = ['a']\njob.experiment = 'b'",
        "grid.experiment = ['a']: job.experiment says it for all jobs",
    ),
    (
        HEAD + "grid.environment.A = [1]\njob.environment.A = 2",
        "grid.environment.A = [1]: job.environment.A says it for all jobs",
    ),
    # Ranges
    (
        HEAD + "grid.checkpoint_keep = { from = 9, to = 1 }",
        "grid.checkpoint_keep = {'from': 9, 'to': 1}: a range goes upwards",
    ),
    (
        HEAD + "grid.checkpoint_keep = { from = 1, to = 9, step = 0 }",
        "grid.checkpoint_keep = {'from': 1, 'to': 9, 'step': 0}: a range goes upwards",
    ),
    (
        HEAD + "grid.checkpoint_keep = { from = 1, to = 1.5 }",
        "grid.checkpoint_keep = {'from': 1, 'to': 1.5}: from, to and step of a range should be",
    ),
    (
        HEAD + "grid.checkpoint_keep = { from = 1, to = true }",
        "grid.checkpoint_keep = {'from': 1, 'to': True}: from, to and step of a range should be",
    ),
    (
        HEAD + "grid.checkpoint_keep = { from = 1 }",
        "grid.checkpoint_keep = {'from': 1}: a range has from and to",
    ),
    (
        HEAD + "grid.checkpoint_keep = { from = 1, to = 2, by = 1 }",
        "grid.checkpoint_keep = {'from': 1, 'to': 2, 'by': 1}: a range has from and to",
    ),
    (
        HEAD + "grid.checkpoint_keep = { from = 1, to = 1000000000000 }",
        "grid.checkpoint_keep = {'from': 1, 'to': 1000000000000}: should have at most 5000 values",
    ),
    (
        HEAD + "grid.environment = { A = { from = 1, to = 5000 }, B = [1, 2] }",
        "[grid] makes 10000 jobs",
    ),
    # Ids
    (HEAD + "[[jobs]]\njob_id = '-a'", "job_id = '-a': " + SIGNS),
    (HEAD + "[[jobs]]\njob_id = 'a/b'", "job_id = 'a/b': " + SIGNS),
    (
        HEAD + f"[[jobs]]\njob_id = '{'a' * 60}'",
        f"job_id = '{'a' * 60}': 'dxnn-{'a' * 60}', which would name its resources, has 65 char",
    ),
    (
        HEAD + f"variables.name = 'long'\n[[jobs]]\njob_id = '{'a' * 60}'",
        f"job_id = '{'a' * 60}': 'long-{'a' * 60}', which would name its resources, has 65 char",
    ),
    (HEAD + "grid.checkpoint_keep = [1, 1]", "job_id = 's-1': more than one job has it"),
    (
        HEAD + "[[jobs]]\njob_id = 'a'\n[[jobs]]\njob_id = 'a'",
        "job_id = 'a': more than one job has it",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_one_mistake_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text)
    (line,) = str(refused.value).splitlines()
    assert f"({SOURCE})" in line
    assert line.replace(f" ({SOURCE})", "").startswith(sentence)


def test_ids_that_differ_by_case_alone_are_one_to_iam() -> None:
    with pytest.raises(UsageError) as refused:
        parse(HEAD + "[[jobs]]\njob_id = 'A'\n[[jobs]]\njob_id = 'a'")
    assert len(str(refused.value).splitlines()) == 2


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(UsageError) as refused:
        parse("nme = 's'\njob.volume_size = 'big'\ngrid.experiment = []")
    said = str(refused.value)
    assert len(said.splitlines()) == 5
    for key in ("nme", "name", "variables.s3_bucket", "job.volume_size", "grid.experiment"):
        assert f"{key} " in said


def test_an_id_may_be_as_long_as_a_role_s_name() -> None:
    made = parse(HEAD + f"[[jobs]]\njob_id = '{'a' * 59}'")
    assert len(made.jobs[0].job_id) == 59


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "can't be read: No such file"),
        ("name = ", "is not TOML: "),
        (GRID + LIST.replace("name", "other"), "is not TOML: "),
        (HEAD + "grid.experiment = []", "grid.experiment = [] (file "),
    ],
)
def test_nothing_is_written_before(tmp_path: Path, content: str | None, sentence: str) -> None:
    sweep = tmp_path / "sweep.toml"
    if content is not None:
        sweep.write_text(content, encoding="utf-8")
    before = list(tmp_path.iterdir())
    result = CliRunner().invoke(app, ["synth", str(sweep), "--output", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert result.stderr.startswith("dxnn-agent: ")
    assert sentence in result.stderr
    assert str(sweep) in result.stderr
    assert list(tmp_path.iterdir()) == before
