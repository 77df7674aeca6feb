"""A bad value of any variable, or of any attribute of a job, is refused in one sentence.

Most rounds plan variables.tf and rules.tf alone, which takes no provider and a second. A round
gives every variable a bad value at once: Terraform reports them all.
"""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dxnn_agent.errors import UsageError
from dxnn_agent.settings import Settings
from dxnn_agent.settings_sources import load
from tests.terraform.aws import Aws
from tests.terraform.engine import ROOT, Terraform, working_copy

Values = dict[str, object]

_COUNT: list[object] = [0, -1, 1.5]
_WORDS: list[object] = [[], [""], ["train", None]]
_KEY = (
    "should be a key's ARN, and not an alias's, such as arn:aws:kms:us-east-1:123456789012:key/…."
)
_KEYS: list[object] = ["", "alias/mine", "arn:aws:kms:us-east-1:123456789012:alias/mine"]

# What an attribute of a job refuses too: the values, and what is said to be right.
SHARED: dict[str, tuple[list[object], str]] = {
    "artifacts": (
        [[""], ["/etc/**"], ["../secrets"], ["a/../../b"], [None]],
        "artifacts should be globs below trainer_directory, such as benchmarks/**",
    ),
    "checkpoint_command": (
        _WORDS,
        "checkpoint_command should be a list of at least one word, none of them empty",
    ),
    "checkpoint_deadline_seconds": (
        _COUNT,
        "checkpoint_deadline_seconds should be a whole number, at least 1",
    ),
    "checkpoint_interval_seconds": (
        [-1, 0.5],
        (
            "checkpoint_interval_seconds should be a whole number, at least 0, "
            "which turns periodic checkpoints off"
        ),
    ),
    "checkpoint_keep": (_COUNT, "checkpoint_keep should be a whole number, at least 1"),
    "cloud_init": (
        [["runcmd: []"], ["#cloud-config", ""], [" #!/bin/sh"]],
        "cloud_init should be texts that begin with #cloud-config or #!",
    ),
    "container_name": (
        ["", "-dxnn", "dxnn app", "dxnn\n", "é", "x" * 129],
        (
            "container_name should be letters, digits, dots, dashes and underscores, at most 128, "
            "beginning with a letter or digit"
        ),
    ),
    "environment": (
        [{"1ST": "a"}, {"": "a"}, {"A-B": "a"}, {"DXNN_JOB_ID": "a"}],
        (
            "environment: a name should be letters, digits and underscores, not beginning with a "
            "digit, nor with DXNN_, which are the agent's own"
        ),
    ),
    "extra_volumes": (
        [
            [{"device_name": "sdf", "size": 8}],
            [{"device_name": "/dev/sda", "size": 8}],
            [{"device_name": "/dev/sdf", "size": 0}],
            [{"device_name": "/dev/sdf", "size": 1.5}],
        ],
        "extra_volumes should have devices such as /dev/sdf and whole numbers of GiB",
    ),
    "instance_profile": (
        ["", "a/b", "arn:aws:iam::123456789012:instance-profile/mine", "x" * 129],
        (
            "instance_profile should be an instance profile's name, "
            "of 1 to 128 letters, digits and _+=,.@-"
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
        "instance_types should be 1 to 40 different types, such as c6i.large",
    ),
    "max_failed_runs": (_COUNT, "max_failed_runs should be a whole number, at least 1"),
    "max_fruitless_runs": (_COUNT, "max_fruitless_runs should be a whole number, at least 1"),
    "max_job_hours": ([-1, -0.5], "max_job_hours should be at least 0, which means no limit"),
    "on_upload_failure": (["", "stop", "Keep"], "on_upload_failure should be keep or terminate"),
    "policy_arns": (
        [["ReadOnlyAccess"], ["arn:aws:iam::123456789012:role/mine"], [None]],
        "policy_arns should be policies' ARNs, such as arn:aws:iam::123456789012:policy/prices",
    ),
    "poll_interval_seconds": (
        [0, -1, 60.5],
        "poll_interval_seconds should be more than 0 and at most 60",
    ),
    "restore_give_up_seconds": (
        [-1, 0.5],
        "restore_give_up_seconds should be a whole number, at least 0, which means for ever",
    ),
    "security_group_ids": (
        [["default"], [f"sg-0123456{n}" for n in range(5)], [None]],
        "security_group_ids should be at most 4 security groups' ids, such as sg-0123456789abcdef0",
    ),
    "spot_max_price": ([0, -0.01], "spot_max_price should be more than 0"),
    "stalled_after_seconds": (
        [-1, 0.5],
        "stalled_after_seconds should be a whole number, at least 0, which means never",
    ),
    "trainer_command": (
        _WORDS,
        "trainer_command should be a list of at least one word, none of them empty",
    ),
    "trainer_directory": (
        ["", "dxnn", "./dxnn"],
        "trainer_directory should be an absolute path, such as /opt/dxnn",
    ),
    "volume_iops": ([2999, 3000.5], "volume_iops should be a whole number, at least 3000"),
    "volume_size": (
        [0, 1.5, 16385],
        "volume_size should be a whole number of GiB from 1 to 16384",
    ),
    "volume_throughput": (
        [124, 125.5],
        "volume_throughput should be a whole number, at least 125",
    ),
}

# What belongs to the deployment: the values, and what is said about them.
DEPLOYMENT: dict[str, tuple[list[object], str]] = {
    "alert_topic_arn": (
        ["", "alerts", "arn:aws:sqs:us-east-1:123456789012:alerts"],
        (
            "alert_topic_arn should be a topic's ARN, "
            "such as arn:aws:sns:us-east-1:123456789012:alerts."
        ),
    ),
    "ami_id": (
        ["", "newest", "ami-0123456789ABCDEF0"],
        "ami_id should be an image's id, such as ami-0123456789abcdef0.",
    ),
    "ami_owners": (
        [[], ["me"], ["12345678901"]],
        "ami_owners should be a list of at least one account: self, or a number of 12 digits.",
    ),
    "architecture": (["amd64", ""], "architecture should be x86_64 or arm64."),
    "egress": (
        [
            [{"description": "DNS", "from_port": 53, "to_port": 53}],
            [
                {
                    "description": "DNS",
                    "from_port": 54,
                    "to_port": 53,
                    "cidr_blocks": ["10.0.0.2/32"],
                }
            ],
            [None],
        ],
        (
            "egress: a rule should have ports from low to high, and say where to by cidr_blocks, "
            "ipv6_cidr_blocks, prefix_list_ids or security_groups."
        ),
    ),
    "image_name": (
        ["", "ab", "-mine", "mine *", "x" * 65],
        (
            "image_name should be 3 to 64 letters, digits, dots, dashes and underscores, beginning "
            "with a letter or digit, such as dxnn-agent."
        ),
    ),
    "instance_initiated_shutdown_behavior": (
        ["stop", ""],
        (
            "instance_initiated_shutdown_behavior should be terminate: a stopped instance would be "
            "paid for and never train again."
        ),
    ),
    "permissions_boundary_arn": (
        ["", "boundary", "arn:aws:iam::123456789012:role/boundary"],
        (
            "permissions_boundary_arn should be a policy's ARN, "
            "such as arn:aws:iam::123456789012:policy/boundary."
        ),
    ),
    "role_path": (
        ["", "training", "/training", "//", f"/{'x' * 128}/"],
        (
            "role_path should begin and end with a slash, such as /training/, "
            "and have at most 128 characters."
        ),
    ),
    "s3_bucket": (
        ["", "ab", "Trainings", "-trainings", "trainings-", "train_ings", "x" * 64, "trainings\n"],
        "s3_bucket should be a bucket's name: 3 to 63 lower-case letters, digits, dots and dashes.",
    ),
    "s3_kms_key_arn": (_KEYS, f"s3_kms_key_arn {_KEY}"),
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
            {"dxnn:job": "a"},
            {"": "a"},
            {"a;b": "c"},
            {"a": "x" * 257},
            {f"key-{n}": "" for n in range(48)},
        ],
        (
            "tags should be at most 47 keys of 1 to 128 characters with values of up to 256: "
            "letters, digits, spaces and _.:/=+-@; Name, dxnn: and aws: are taken."
        ),
    ),
    "volume_kms_key_arn": (_KEYS, f"volume_kms_key_arn {_KEY}"),
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
    *(
        (given, f"environment: a value should be a text without line breaks{told}.")
        for given, told in (
            ({"environment": {"A": "1\n2"}}, ""),
            ({"environment": {"A": None}}, ""),
            ({"jobs": {"a": {"environment": {"A": "1\r2", "B": "1"}}}}, '; jobs.a has ["A=…"]'),
        )
    ),
    *(
        (
            {"jobs": {"a": {}, "b": {"experiment": "x" * length}}},
            f"experiment should have 1 to 255 characters; jobs.b has {length}.",
        )
        for length in (0, 256)
    ),
    *(
        (
            {"jobs": {"good": {}, job_id: {}}},
            (
                "jobs: an id should be letters, digits, dots, dashes and underscores, beginning "
                f"with a letter or digit; there is {json.dumps(job_id, ensure_ascii=False)}."
            ),
        )
        for job_id in ("", "-a", "a b", "a/b", "é", "a\n", "a*")
    ),
    (
        {"name": "team", "jobs": {"x" * 59: {}, "x" * 60: {}}},
        (
            "jobs: team, a dash and an id should together have at most 64 characters; "
            f"there is {'x' * 60}."
        ),
    ),
    (
        {"jobs": {"xor": {}, "a": {}, "XOR": {}}},
        'jobs: ids should differ in more than upper and lower case; there are ["XOR","xor"].',
    ),
    *(
        (given, "ssh_cidr_blocks and ssh_key_name should be given together or not at all.")
        for given in ({"ssh_key_name": "mine"}, {"ssh_cidr_blocks": ["203.0.113.0/24"]})
    ),
    (
        {"volume_size": 0, "jobs": {"a": {"volume_size": 1.5}, "b": {}, "c": {"volume_size": -1}}},
        (
            "volume_size should be a whole number of GiB from 1 to 16384; "
            "jobs.a has 1.5; jobs.c has -1."
        ),
    ),
]

# At the edge, and right: to Terraform and, where they are its settings, to the agent alike.
RIGHT: dict[str, list[object]] = {
    "artifacts": [[], ["a..b/**", "./..."], ["*"]],
    "checkpoint_command": [["save"], ["save", " ", '"$x"\\\n']],
    "checkpoint_deadline_seconds": [1, 100000],
    "checkpoint_interval_seconds": [0, 1],
    "checkpoint_keep": [1],
    "cloud_init": [[], ["#!/bin/sh\n", "#cloud-config\n{}"]],
    "container_name": ["x" * 128, "0", "a._-"],
    "egress": [[]],
    "extra_volumes": [[], [{"device_name": "/dev/sdf", "size": 1, "iops": 3000}]],
    "instance_profile": ["a", "a_+=,.@-0"],
    "max_failed_runs": [1],
    "max_fruitless_runs": [1],
    "max_job_hours": [0, 0.5],
    "on_upload_failure": ["keep", "terminate"],
    "policy_arns": [
        [],
        ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws-cn:iam::123456789012:policy/a/b"],
    ],
    "poll_interval_seconds": [0.001, 60],
    "restore_give_up_seconds": [0, 1],
    "role_path": ["/", "/a/b/"],
    "s3_bucket": ["abc", "x" * 63, "0.-9"],
    "s3_prefix": ["", "a/b/c", "!_.*'()-"],
    "security_group_ids": [[], ["sg-01234567"]],
    "spot_max_price": [0.0001],
    "stalled_after_seconds": [0, 1],
    "trainer_command": [["<&>", "ü", "\t"]],
    "trainer_directory": ["/", "/home/me/my dxnn"],
    "volume_iops": [3000],
    "volume_throughput": [125],
}

WRONG_TYPES: Values = {
    "auto_terminate": "perhaps",
    "checkpoint_keep": "many",
    "environment": "A=1",
    "instance_types": "c6i.large",
    "public_ip_address": "maybe",
    "relaunch_on_interruption": "no",
    "restore_from_s3_on_boot": 1,
    "s3_bucket_lookup": "perhaps",
    "spot": "maybe",
    "use_rebalance_recommendation": [],
    "volume_size": "big",
}


def shown(variable: str, value: Any) -> str:
    """Return how a sentence tells a job's bad value."""
    if variable == "extra_volumes":
        value = [f"{each['device_name']} of {each['size']}" for each in value]
    if variable == "environment":
        value = list(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


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
    for name in ("rules.tf", "variables.tf"):
        shutil.copy(ROOT / name, directory)
    terraform = Terraform(directory)
    terraform.init()
    return terraform


def deployments(number: int) -> tuple[Values, Values]:
    """Return bad values of a round and, in a set each, what should be said about them."""
    values = {name: bad[number] for name, (bad, _) in DEPLOYMENT.items() if number < len(bad)}
    said: Values = {name: {DEPLOYMENT[name][1]} for name in values}
    if "ssh_cidr_blocks" in values:
        values["ssh_key_name"] = "mine"
    return values, said


def shared(number: int, job: str = "") -> tuple[Values, Values]:
    """Return the same of what jobs have too, where `job`, or else the variable, is wrong."""
    values = {name: bad[number] for name, (bad, _) in SHARED.items() if number < len(bad)}
    told = {name: f"; {job} has {shown(name, value)}" for name, value in values.items()}
    return values, {name: {f"{SHARED[name][1]}{told[name] if job else ''}."} for name in values}


ROUNDS = range(max(len(bad) for bad, _ in DEPLOYMENT.values()))
SHARED_ROUNDS = range(max(len(bad) for bad, _ in SHARED.values()))


@pytest.mark.parametrize("number", ROUNDS)
def test_bad_values_of_variables_are_refused(variables: Terraform, number: int) -> None:
    values, said = deployments(number)
    shared_values, shared_said = shared(number)
    assert refusals(variables, {**values, **shared_values}) == {**said, **shared_said}


@pytest.mark.parametrize("number", range(max(len(bad) for bad, _ in FIRST.values())))
def test_bad_values_that_others_wait_for_are_refused(variables: Terraform, number: int) -> None:
    values = {name: bad[number] for name, (bad, _) in FIRST.items() if number < len(bad)}
    refused = refusals(variables, values)
    assert {name: refused.get(name) for name in values} == {
        name: {FIRST[name][1]} for name in values
    }


@pytest.mark.parametrize("number", SHARED_ROUNDS)
def test_bad_attributes_of_a_job_are_refused(variables: Terraform, number: int) -> None:
    values, said = shared(number, "jobs.bad")
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
    said = set().union(*refusals(variables, {"jobs": {"a": None, "b": {}, "c": None}}).values())
    (sentence,) = said
    assert sentence == (
        "jobs should hold an object for each job, where {} takes every default; "
        "jobs.a is null; jobs.c is null."
    )


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


@pytest.mark.parametrize("name", sorted(RIGHT.keys() & Settings.model_fields.keys()))
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
    if where == "job":
        values, said = shared(0, "jobs.bad")
        values = {"jobs": {"good": {}, "bad": values}}
    else:
        values, said = deployments(0)
    deployment = working_copy(tmp_path / "deployment", ROOT, aws.endpoint)
    refused = refusals(deployment, values, "apply")
    assert {name: refused.get(name) for name in said} == said
    assert aws.left() == {}
