"""The module's variables, the agent's settings and the documentation say the same."""

import json

import pytest

from docs import module_page
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

VARIABLES = {each.name: each for each in module_page.variables(ROOT / "variables.tf")}
ATTRIBUTES = module_page.attributes(VARIABLES["jobs"].type)


def test_the_page_is_what_the_files_say() -> None:
    assert module_page.PAGE.read_text(encoding="utf-8") == module_page.page(), "type `make docs`"


def test_the_page_has_every_input_and_output() -> None:
    page = module_page.page()
    for folder in (ROOT, ROOT / "bootstrap"):
        names = [each.name for each in module_page.variables(folder / "variables.tf")]
        names += module_page.outputs(folder / "outputs.tf")
        assert [name for name in names if f"\n| `{name}` | " not in page] == []
    assert (
        "\n| `volume_size` | `number` | `20` | yes | Size of the root volume in GiB; "
        "at least the image's. |\n"
    ) in page


@pytest.mark.parametrize("key", sorted(Settings.model_fields.keys() - _NOT_THE_MODULES - _OF_A_JOB))
def test_every_setting_is_a_variable_with_the_same_default(key: str) -> None:
    written = VARIABLES[key].default
    preset = Settings.model_fields[key].get_default()
    if written is None:
        assert preset is None
    else:
        assert json.loads(written) == (preset if preset is None else json.loads(_json(preset)))


def _json(value: object) -> str:
    return json.dumps(value, default=str)


def test_a_job_has_every_setting_that_may_differ() -> None:
    settings = Settings.model_fields.keys() - _NOT_THE_MODULES - _OF_A_JOB - _OF_A_DEPLOYMENT
    assert settings <= ATTRIBUTES.keys()


def test_a_jobs_attribute_is_the_variable_of_the_same_name() -> None:
    types = {name: VARIABLES[name].type for name in ATTRIBUTES if name != "experiment"}
    assert {"experiment": "string", **types} == ATTRIBUTES
