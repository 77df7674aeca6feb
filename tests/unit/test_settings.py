"""Settings: where values come from, and the sentence for each that is wrong."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxnn_agent import settings_sources
from dxnn_agent.errors import UsageError
from dxnn_agent.settings import Settings

REQUIRED = {"s3_bucket": "a-bucket", "job_id": "xor", "container_name": "dxnn-app"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refusal(
    options: Mapping[str, object], environ: Mapping[str, str], config: Path | None = None
) -> str:
    with pytest.raises(UsageError) as caught:
        settings_sources.load(options, environ, config)
    return str(caught.value)


def test_defaults_are_the_contracts() -> None:
    loaded = settings_sources.load(REQUIRED, {})
    assert loaded.poll_interval_seconds == 2
    assert loaded.checkpoint_deadline_seconds == 60
    assert loaded.checkpoint_interval_seconds == 300
    assert loaded.on_upload_failure == "keep"
    assert loaded.lock_file == Path("/var/lock/dxnn.finalize.lock")
    assert loaded.poweroff_command == ["poweroff"]


def test_option_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    config = tmp_path / "a.toml"
    config.write_text("checkpoint_keep = 5\ns3_prefix = 'file'\njob_id = 'file'\n")
    loaded = settings_sources.load(
        {**REQUIRED, "job_id": "option"},
        {"DXNN_S3_PREFIX": "environment", "DXNN_JOB_ID": "environment"},
        config,
    )
    assert (loaded.job_id, loaded.s3_prefix, loaded.checkpoint_keep) == ("option", "environment", 5)


def test_the_file_in_this_folder_is_read() -> None:
    Path("dxnn.toml").write_text("checkpoint_keep = 7\n")
    assert settings_sources.load(REQUIRED, {}).checkpoint_keep == 7


@pytest.mark.parametrize(
    ("key", "toml"),
    [
        ("poll_interval_seconds", '"2"'),
        ("spot_enabled", "1"),
        ("checkpoint_keep", "true"),
        ("trainer_command", '"erl"'),
        ("trainer_command", "[]"),
        ("trainer_command", "[1]"),
        ("state_dir", "1979-05-27"),
        ("log_file", "3"),
        ("artifacts", '["../secrets"]'),
        ("artifacts", '["/etc/*"]'),
        ("on_upload_failure", '"retry"'),
        ("instance_initiated_shutdown_behavior", '"stop"'),
        ("checkpoint_interval_seconds", "-1"),
        ("poll_interval_seconds", "nan"),
        ("job_id", '"a/b"'),
        ("s3_bucket", '"Upper"'),
        ("s3_prefix", '"/dxnn"'),
        ("erlang_node", '"dxnn"'),
    ],
)
def test_a_wrong_value_in_the_file_is_named_with_its_source(
    key: str, toml: str, tmp_path: Path
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(f"{key} = {toml}\n")
    options = {name: value for name, value in REQUIRED.items() if name != key}
    said = refusal(options, {}, config)
    assert said.startswith(f"{key} = ")
    assert f"(file {config})" in said


def test_a_wrong_value_in_the_environment_is_named_with_its_source() -> None:
    said = refusal({**REQUIRED}, {"DXNN_CHECKPOINT_KEEP": "many"})
    assert said.startswith("checkpoint_keep = 'many' (environment variable DXNN_CHECKPOINT_KEEP): ")


def test_an_unknown_key_gets_a_hint(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text("s3_buket = 'x'\n")
    assert "did you mean s3_bucket?" in refusal({**REQUIRED}, {}, config)
    assert "did you mean job_id?" in refusal({**REQUIRED}, {"DXNN_JOBID": "x"})


def test_what_children_are_told_is_no_unknown_setting() -> None:
    told = {"DXNN_RUN_ID": "x", "DXNN_RESTORE_PATH": "/x", "DXNN_CHECKPOINT_PATH": "/x"}
    assert settings_sources.load(REQUIRED, told).job_id == "xor"


@pytest.mark.parametrize("missing", sorted(REQUIRED))
def test_a_missing_value_says_what_requires_it(missing: str) -> None:
    given_values = {key: value for key, value in REQUIRED.items() if key != missing}
    said = refusal(given_values, {})
    assert said.startswith(f"{missing} is missing: it is required when ")
    assert "\n" not in said


def test_without_spot_and_restore_nothing_is_required() -> None:
    loaded = settings_sources.load({"spot_enabled": False, "restore_from_s3_on_boot": False}, {})
    assert (loaded.job_id, loaded.s3_bucket) == ("adhoc", None)


def test_a_broken_file_is_one_sentence(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_bytes(b"job_id = \xff")
    assert refusal({}, {}, config).startswith(f"settings file {config} is not TOML: ")
    config.write_text("job_id = ")
    assert refusal({}, {}, config).startswith(f"settings file {config} is not TOML: ")
    assert "can't be read" in refusal({}, {}, tmp_path / "none.toml")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1))
def test_a_list_arrives_as_it_was_given_in_json(words: list[str]) -> None:
    loaded = settings_sources.load(REQUIRED, {"DXNN_TRAINER_COMMAND": json.dumps(words)})
    assert loaded.trainer_command == words


@given(st.sampled_from(sorted(Settings.model_fields)), st.text())
def test_any_text_is_taken_or_refused_in_words(key: str, text: str) -> None:
    """Whatever somebody puts into the environment, the answer is settings or one UsageError."""
    variable = f"DXNN_{key.upper()}"
    others = {name: value for name, value in REQUIRED.items() if name != key}
    try:
        settings_sources.load(others, {variable: text})
    except UsageError as refused:
        said = str(refused)
    else:
        return
    assert f"{key} = {text!r} (environment variable {variable}): " in said
