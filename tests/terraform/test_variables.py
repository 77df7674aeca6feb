"""The module's variables, the agent's settings and the documentation say the same."""

import json
import re

import pytest

from dxnn_agent.settings import Settings
from tests.terraform.engine import ROOT

# The image decides these, and the module is about Spot instances.
_NOT_THE_MODULES = {
    *("checkpoint_dir", "state_dir", "log_file", "lock_file", "poweroff_command"),
    *("erlang_node", "erlang_cookie_file", "spot_enabled"),
}
# One for each job: the key of `jobs`.
_OF_A_JOB = {"job_id"}
# The same for all jobs of a deployment.
_OF_A_DEPLOYMENT = {"s3_bucket", "s3_prefix", "instance_initiated_shutdown_behavior"}


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(file: str, kind: str) -> dict[str, str]:
    """Return the bodies of a file's blocks of one kind, by name."""
    found = re.findall(rf'^{kind} "(\w+)" {{\n(.*?)^}}$', page(file), re.MULTILINE | re.DOTALL)
    return dict(found)


VARIABLES = blocks("variables.tf", "variable")
BOOTSTRAP = blocks("bootstrap/variables.tf", "variable")


def default(body: str) -> str | None:
    """Return a variable's default as it is written, which is JSON too; None where it has none."""
    found = re.search(r"^  default += (.*)$", body, re.MULTILINE)
    return found and found[1]


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_stands_in_the_table_with_its_default(name: str) -> None:
    written = default(VARIABLES[name])
    shown = "" if written is None else f" `{written}`"
    assert f"\n| `{name}` |{shown} | " in page("docs/deploying.md")


@pytest.mark.parametrize("name", BOOTSTRAP)
def test_every_variable_of_the_bucket_stands_in_the_table(name: str) -> None:
    written = default(BOOTSTRAP[name])
    shown = "" if written is None else f" `{written}`"
    assert f"\n| `{name}` |{shown} | " in page("docs/deploying.md")


@pytest.mark.parametrize("name", sorted(blocks("outputs.tf", "output")))
def test_every_output_is_told(name: str) -> None:
    assert f"`{name}`" in page("docs/deploying.md")


@pytest.mark.parametrize("key", sorted(Settings.model_fields.keys() - _NOT_THE_MODULES - _OF_A_JOB))
def test_every_setting_is_a_variable_with_the_same_default(key: str) -> None:
    written = default(VARIABLES[key])
    preset = Settings.model_fields[key].get_default()
    if written is None:
        assert preset is None
    else:
        assert json.loads(written) == (preset if preset is None else json.loads(_json(preset)))


def _json(value: object) -> str:
    return json.dumps(value, default=str)


def test_a_job_has_every_setting_that_may_differ() -> None:
    attributes = set(re.findall(r"^    (\w+) += optional\(", VARIABLES["jobs"], re.MULTILINE))
    settings = Settings.model_fields.keys() - _NOT_THE_MODULES - _OF_A_JOB - _OF_A_DEPLOYMENT
    assert attributes == settings | {"experiment", "environment", "instance_types", "volume_size"}
