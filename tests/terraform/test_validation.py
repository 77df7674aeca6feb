"""A bad value of any variable, or of any attribute of a job, is refused in one sentence.

Most rounds plan variables.tf alone, which takes no provider and a second. A round gives every
variable a bad value at once: Terraform reports them all.
"""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from dxnn_agent.errors import UsageError
from dxnn_agent.settings import Settings
from dxnn_agent.settings_sources import load
from tests.terraform.aws import Aws
from tests.terraform.engine import ROOT, Terraform, working_copy

Values = dict[str, object]

_COUNT = [0, -1, 1.5]
_WORDS: list[object] = [[], [""], ["train", None]]

# What an attribute of a job refuses too: the values, and what is said about them.
SHARED: dict[str, tuple[list[object], str]] = {
    "artifacts": (
        [[""], ["/etc/**"], ["../secrets"], ["a/../../b"], [None]],
        "artifacts should be globs below trainer_directory, such as benchmarks/**.",
    ),
    "checkpoint_command": (
        _WORDS,
        "checkpoint_command should be a list of at least one word, none of them empty.",
    ),
    "checkpoint_deadline_seconds": (
        [*_COUNT],
        "checkpoint_deadline_seconds should be a whole number, at least 1.",
    ),
    "checkpoint_interval_seconds": (
        [-1, 0.5],
        (
            "checkpoint_interval_seconds should be a whole number, at least 0; "
            "0 turns periodic checkpoints off."
        ),
    ),
    "checkpoint_keep": ([*_COUNT], "checkpoint_keep should be a whole number, at least 1."),
    "container_name": (
        ["", "-dxnn", "dxnn app", "dxnn\n", "é", "x" * 129],
        (
            "container_name should be letters, digits, dots, dashes and underscores, at most 128, "
            "beginning with a letter or digit."
        ),
    ),
    "environment": (
        [{"1ST": "a"}, {"": "a"}, {"A-B": "a"}, {"DXNN_JOB_ID": "a"}],
        (
            "environment: a name should be letters, digits and underscores, not beginning with a "
            "digit, nor with DXNN_, which are the agent's own."
        ),
    ),
    "instance_types": (
        [
            [],
            ["c6i"],
            ["C6I.large"],
            ["c6i.large", "c6i.large"],
            [f"c{n}.large" for n in range(41)],
        ],
        "instance_types should be 1 to 40 different types, such as c6i.large.",
    ),
    "max_failed_runs": ([*_COUNT], "max_failed_runs should be a whole number, at least 1."),
    "max_fruitless_runs": ([*_COUNT], "max_fruitless_runs should be a whole number, at least 1."),
    "on_upload_failure": (["", "stop", "Keep"], "on_upload_failure should be keep or terminate."),
    "poll_interval_seconds": (
        [0, -1, 60.5],
        "poll_interval_seconds should be more than 0 and at most 60.",
    ),
    "stalled_after_seconds": (
        [-1, 0.5],
        "stalled_after_seconds should be a whole number, at least 0; 0 means never.",
    ),
    "trainer_command": (
        _WORDS,
        "trainer_command should be a list of at least one word, none of them empty.",
    ),
    "trainer_directory": (
        ["", "dxnn", "./dxnn"],
        "trainer_directory should be an absolute path, such as /opt/dxnn.",
    ),
    "volume_size": (
        [0, 1.5, 16385],
        "volume_size should be a whole number of GiB from 1 to 16384.",
    ),
}

# What belongs to the deployment.
DEPLOYMENT: dict[str, tuple[list[object], str]] = {
    "ami_id": (
        ["", "newest", "ami-0123456789ABCDEF0"],
        "ami_id should be an image's id, such as ami-0123456789abcdef0.",
    ),
    "ami_owners": (
        [[], ["me"], ["12345678901"]],
        "ami_owners should be a list of at least one account: self, or a number of 12 digits.",
    ),
    "architecture": (["amd64", ""], "architecture should be x86_64 or arm64."),
    "instance_initiated_shutdown_behavior": (
        ["stop", ""],
        (
            "instance_initiated_shutdown_behavior should be terminate: a stopped instance would be "
            "paid for and never train again."
        ),
    ),
    "s3_bucket": (
        ["", "ab", "Trainings", "-trainings", "trainings-", "train_ings", "x" * 64, "trainings\n"],
        "s3_bucket should be a bucket's name: 3 to 63 lower-case letters, digits, dots and dashes.",
    ),
    "s3_prefix": (
        ["/dxnn", "dxnn/", "team//dxnn", "a b", "é", "$", "dxnn\n"],
        (
            "s3_prefix should be a key prefix without a slash at either end, such as dxnn or "
            "team/dxnn."
        ),
    ),
    "ssh_cidr_blocks": (
        [["office"], ["203.0.113.7"], ["203.0.113.7/24"], ["0.0.0.0/0"], ["::/0"]],
        (
            "ssh_cidr_blocks should be networks by their first address, such as 203.0.113.0/24 or "
            "2001:db8::/48, and not everybody's."
        ),
    ),
    "subnet_ids": (
        [["all"], [""], ["vpc-0123456789abcdef0"]],
        "subnet_ids should be subnets' ids, such as subnet-0123456789abcdef0.",
    ),
    "tags": (
        [
            {"Name": "mine"},
            {"name": "mine"},
            {"aws:team": "a"},
            {"": "a"},
            {"a;b": "c"},
            {"a": "x" * 257},
            {f"key-{n}": "" for n in range(50)},
        ],
        (
            "tags should be at most 49 keys of 1 to 128 characters with values of up to 256: "
            "letters, digits, spaces and _.:/=+-@; Name and aws: are taken."
        ),
    ),
}

# The rules of others look at these, and wait until they are right.
FIRST: dict[str, tuple[list[object], str]] = {
    "name": (
        ["", "-dxnn", "dx nn", "sg-dxnn", "x" * 63],
        (
            "name should be letters, digits, dots, dashes and underscores, at most 62, "
            "beginning with a letter or digit, and not with sg-, which EC2 keeps for itself."
        ),
    ),
    "ssh_key_name": (
        ["", "a\nb", "x" * 256],
        "ssh_key_name should be a key pair's name, of 1 to 255 characters.",
    ),
}

# One at a time: a variable with two rules, and what only a job has.
SINGLE: list[tuple[Mapping[str, object], str]] = [
    ({"environment": {"A": "1\n2"}}, "environment: a value should be a text without line breaks."),
    ({"environment": {"A": None}}, "environment: a value should be a text without line breaks."),
    (
        {"jobs": {"a": {"environment": {"A": "1\r2"}}}},
        "environment: a value should be a text without line breaks.",
    ),
    ({"jobs": {"a": {"experiment": ""}}}, "experiment should have 1 to 255 characters."),
    ({"jobs": {"a": {"experiment": "x" * 256}}}, "experiment should have 1 to 255 characters."),
    *(
        (
            {"jobs": {job_id: {}}},
            (
                "jobs: an id should be letters, digits, dots, dashes and underscores, "
                "beginning with a letter or digit."
            ),
        )
        for job_id in ("", "-a", "a b", "a/b", "é", "a\n", "a*")
    ),
    (
        {"name": "team", "jobs": {"x" * 60: {}}},
        'jobs: "team-" and an id should together have at most 64 characters.',
    ),
    (
        {"jobs": {"xor": {}, "XOR": {}}},
        "jobs: ids should differ in more than upper and lower case.",
    ),
    *(
        (given, "ssh_cidr_blocks and ssh_key_name should be given together or not at all.")
        for given in ({"ssh_key_name": "mine"}, {"ssh_cidr_blocks": ["203.0.113.0/24"]})
    ),
]

# At the edge, and right: to Terraform and to the agent alike.
RIGHT: dict[str, list[object]] = {
    "artifacts": [[], ["a..b/**", "./..."], ["*"]],
    "checkpoint_command": [["save"], ["save", " ", '"$x"\\\n']],
    "checkpoint_deadline_seconds": [1, 100000],
    "checkpoint_interval_seconds": [0, 1],
    "checkpoint_keep": [1],
    "container_name": ["x" * 128, "0", "a._-"],
    "max_failed_runs": [1],
    "max_fruitless_runs": [1],
    "on_upload_failure": ["keep", "terminate"],
    "poll_interval_seconds": [0.001, 60],
    "s3_bucket": ["abc", "x" * 63, "0.-9"],
    "s3_prefix": ["", "a/b/c", "!_.*'()-"],
    "stalled_after_seconds": [0, 1],
    "trainer_command": [["<&>", "ü", "\t"]],
    "trainer_directory": ["/", "/home/me/my dxnn"],
}

WRONG_TYPES: Values = {
    "auto_terminate": "perhaps",
    "checkpoint_keep": "many",
    "environment": "A=1",
    "instance_types": "c6i.large",
    "relaunch_on_interruption": "no",
    "restore_from_s3_on_boot": 1,
    "ssm_access": "maybe",
    "use_rebalance_recommendation": [],
    "volume_size": "big",
}


def refusals(
    terraform: Terraform, values: Mapping[str, object], command: str = "plan"
) -> dict[str, set[str]]:
    """Return what is said about each variable; empty when all is well."""
    terraform.configure(**{"s3_bucket": "trainings", "jobs": {"xor": {}}, **values})
    approve = ["-auto-approve"] if command == "apply" else []
    ran = terraform.run(command, "-json", "-input=false", *approve)
    said: dict[str, set[str]] = {}
    for line in ran.stdout.splitlines():
        diagnostic = json.loads(line).get("diagnostic")
        if diagnostic and diagnostic["severity"] == "error":
            sentence = diagnostic["detail"].split("\n\nThis was checked by")[0]
            said.setdefault(_variable(diagnostic), set()).add(sentence)
    assert bool(ran.returncode) == bool(said), ran.stdout + ran.stderr
    return said


def _variable(diagnostic: Mapping[str, str]) -> str:
    """Return the variable whose rule a diagnostic names, or all that it says."""
    rule = re.search(r"validation rule at variables\.tf:(\d+)", diagnostic["detail"])
    if rule is None:
        return json.dumps(diagnostic)
    above = (ROOT / "variables.tf").read_text(encoding="utf-8").splitlines()[: int(rule[1])]
    return str(re.findall(r'^variable "(\w+)"', "\n".join(above), re.MULTILINE)[-1])


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    directory = tmp_path_factory.mktemp("variables")
    shutil.copy(ROOT / "variables.tf", directory)
    terraform = Terraform(directory)
    terraform.init()
    return terraform


def expected(number: int, *groups: dict[str, tuple[list[object], str]]) -> tuple[Values, Values]:
    """Return the bad values of a round and, in a set each, what should be said about them."""
    chosen = {
        variable: (bad[number], sentence)
        for group in groups
        for variable, (bad, sentence) in group.items()
        if number < len(bad)
    }
    values = {variable: value for variable, (value, _) in chosen.items()}
    if "ssh_cidr_blocks" in values:
        values["ssh_key_name"] = "mine"
    return values, {variable: {sentence} for variable, (_, sentence) in chosen.items()}


ROUNDS = range(max(len(bad) for bad, _ in (SHARED | DEPLOYMENT).values()))
SHARED_ROUNDS = range(max(len(bad) for bad, _ in SHARED.values()))


@pytest.mark.parametrize("number", ROUNDS)
def test_bad_values_of_variables_are_refused(variables: Terraform, number: int) -> None:
    values, said = expected(number, SHARED, DEPLOYMENT)
    assert refusals(variables, values) == said


@pytest.mark.parametrize("number", range(max(len(bad) for bad, _ in FIRST.values())))
def test_bad_values_that_others_wait_for_are_refused(variables: Terraform, number: int) -> None:
    values, said = expected(number, FIRST)
    refused = refusals(variables, values)
    assert {name: refused.get(name) for name in said} == said


@pytest.mark.parametrize("number", SHARED_ROUNDS)
def test_bad_attributes_of_a_job_are_refused(variables: Terraform, number: int) -> None:
    values, said = expected(number, SHARED)
    assert refusals(variables, {"jobs": {"good": {}, "bad": values}}) == said


@pytest.mark.parametrize(("values", "sentence"), SINGLE)
def test_other_bad_values_are_refused(
    variables: Terraform, values: Mapping[str, object], sentence: str
) -> None:
    assert set().union(*refusals(variables, values).values()) == {sentence}


def test_wrong_types_are_refused(variables: Terraform) -> None:
    said = " ".join(refusals(variables, dict(WRONG_TYPES)))
    assert [name for name in WRONG_TYPES if f"var.{name}" not in said] == []


def test_a_job_that_is_null_is_refused(variables: Terraform) -> None:
    # Beside it Terraform says of every attribute that it can't be had of nothing.
    said = set().union(*refusals(variables, {"jobs": {"a": None}}).values())
    assert "jobs should hold an object for each job; {} takes every default." in said


@pytest.mark.parametrize("number", range(max(map(len, RIGHT.values()))))
@pytest.mark.parametrize("where", ["deployment", "job"])
def test_right_values_are_taken(variables: Terraform, number: int, where: str) -> None:
    values = {name: right[number] for name, right in RIGHT.items() if number < len(right)}
    if where == "job":
        values = {"jobs": {"xor": {key: values[key] for key in values if key in SHARED}}}
    assert refusals(variables, values) == {}


def test_every_variable_has_its_bad_values() -> None:
    text = (ROOT / "variables.tf").read_text(encoding="utf-8")
    switches = {name for name in WRONG_TYPES if not SHARED.keys() & {name}}
    tested = SHARED.keys() | DEPLOYMENT.keys() | FIRST.keys() | switches | {"jobs"}
    assert set(re.findall(r'^variable "(\w+)"', text, re.MULTILINE)) == tested


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_the_agent_takes_and_refuses_the_same(name: str, tmp_path: Path) -> None:
    bad, _ = (SHARED | DEPLOYMENT)[name]
    for value in RIGHT[name]:
        assert accepted(name, value, tmp_path), value
    # A relative directory means something on a laptop, and nothing in a machine that boots.
    for value in [] if name == "trainer_directory" else bad:
        assert not accepted(name, value, tmp_path), value


def accepted(name: str, value: object, directory: Path) -> bool:
    """Whether the agent takes a value from a file, written as the module writes it."""
    file = directory / "agent.toml"
    given = {"s3_bucket": "trainings", "container_name": "dxnn", "job_id": "xor", name: value}
    file.write_text("".join(f"{key} = {json.dumps(given[key])}\n" for key in given))
    try:
        load({}, {}, file)
    except UsageError:
        return False
    return name in Settings.model_fields


@pytest.mark.parametrize("where", ["deployment", "job"])
def test_nothing_is_created(aws: Aws, tmp_path: Path, where: str) -> None:
    values, said = expected(0, SHARED, DEPLOYMENT)
    if where == "job":
        values, said = expected(0, SHARED)
        values = {"jobs": {"good": {}, "bad": values}}
    deployment = working_copy(tmp_path / "deployment", ROOT, aws.endpoint)
    refused = refusals(deployment, values, "apply")
    assert {name: refused.get(name) for name in said} == said
    assert aws.left() == {}
