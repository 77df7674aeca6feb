"""The trainer's environment: read from root's file, or inherited where there is none."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxnn_agent.errors import UsageError
from dxnn_agent.machine import trainer_environment, trainer_process
from dxnn_agent.machine.trainer_user import Owner
from dxnn_agent.settings import Settings
from dxnn_agent.settings_sources import load
from dxnn_agent.state.run_state import Phase, Run
from tests.terraform import environment_file

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="the file has to be root's")
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True)
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def written(variables: dict[str, str]) -> str:
    """Write what main.tf does: a backslash goes before four characters."""
    escaped = str.maketrans({each: f"\\{each}" for each in '\\"$`'})
    return "".join(f'{name}="{value.translate(escaped)}"\n' for name, value in variables.items())


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the place of root's file, with nothing there yet."""
    path = tmp_path / "trainer.env"
    monkeypatch.setattr(trainer_environment, "FILE", path)
    return path


@given(st.dictionaries(NAMES, VALUES))
def test_what_terraform_writes_is_read_as_it_was_meant(variables: dict[str, str]) -> None:
    assert trainer_environment.parse(written(variables), "file") == variables


@given(st.dictionaries(NAMES, st.text(st.characters(categories=["L", "P", "S", "Zs"]))))
def test_it_is_read_as_systemd_does(variables: dict[str, str]) -> None:
    text = written(variables)
    assert trainer_environment.parse(text, "file") == environment_file.parse(text)


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("", {}),
        ("# a comment\n; another\n\n   \nA=1\n", {"A": "1"}),
        ("A=1", {"A": "1"}),
        ("A= some words \n", {"A": "some words"}),
        ("A='$B \\'\n", {"A": "$B \\"}),
        ('  A="one" \n', {"A": "one"}),
        ('A="kept \\n, dropped \\\n"\n', {"A": "kept \\n, dropped "}),
        ('A="two\nlines"\nB=3\n', {"A": "two\nlines", "B": "3"}),
        ('A="1"\nA="2"\n', {"A": "2"}),
        ("A=\n", {"A": ""}),
    ],
)
def test_what_a_person_writes(text: str, variables: dict[str, str]) -> None:
    assert trainer_environment.parse(text, "file") == variables


@pytest.mark.parametrize(
    "line", ["export A=1", '1A="x"', "A", 'A="secret', 'A="secret"more', "A=sec'ret'", "A-B=secret"]
)
def test_what_is_no_variable_is_named_by_its_line(line: str) -> None:
    with pytest.raises(UsageError) as refused:
        trainer_environment.parse(f'FIRST="1"\n{line}\n', "/etc/dxnn/trainer.env")
    assert str(refused.value) == '/etc/dxnn/trainer.env: line 2 should be NAME="VALUE"'


@ROOT_ONLY
def test_with_the_file_nothing_of_the_agents_is_inherited(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_AGENT", "1")
    monkeypatch.setenv("PATH", "/opt/dxnn-agent/libexec:/usr/bin")
    file.write_text('AWS_REGION="nowhere"\n')
    user = Owner(["setpriv"], {"HOME": "/opt/dxnn", "USER": "dxnn", "LOGNAME": "dxnn"})
    assert trainer_environment.of(user) == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/opt/dxnn",
        "USER": "dxnn",
        "LOGNAME": "dxnn",
        "AWS_REGION": "nowhere",
    }


@ROOT_ONLY
def test_its_own_words_win_over_what_every_trainer_gets(file: Path) -> None:
    file.write_text('PATH="/opt/dxnn/bin:/bin"\nHOME="/var/tmp"\nLANG="de_DE.UTF-8"\n')
    seen = trainer_environment.of(Owner(["setpriv"], {"HOME": "/opt/dxnn"}))
    assert (seen["PATH"], seen["HOME"], seen["LANG"]) == (
        "/opt/dxnn/bin:/bin",
        "/var/tmp",
        "de_DE.UTF-8",
    )


def test_without_the_file_all_is_inherited(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not file.exists()
    monkeypatch.setenv("OF_THE_AGENT", "1")
    assert trainer_environment.of(Owner()) == dict(os.environ)


def settings() -> Settings:
    return load({"s3_bucket": "bucket", "job_id": "job", "container_name": "name"}, {})


@ROOT_ONLY
def test_what_the_contract_tells_wins(file: Path) -> None:
    file.write_text(
        'DXNN_JOB_ID="other"\nDXNN_RUN_ID="other"\nDXNN_CHECKPOINT_DIR="/other"\n'
        'DXNN_RESTORE_PATH="/other"\nDXNN_OF_THE_USER="kept"\n'
    )
    run = Run("20250111-143012Z", "job", "claim", Phase.CLAIMED)
    seen = trainer_process.environment(settings(), run.environment(), Owner())
    assert (seen["DXNN_JOB_ID"], seen["DXNN_RUN_ID"]) == ("job", "20250111-143012Z")
    assert seen["DXNN_CHECKPOINT_DIR"] == "/var/lib/dxnn/checkpoints"
    assert seen["DXNN_OF_THE_USER"] == "kept"
    assert "DXNN_RESTORE_PATH" not in seen


@ROOT_ONLY
def test_its_programs_are_looked_for_where_its_path_says(file: Path, tmp_path: Path) -> None:
    program = tmp_path / "train"
    program.touch(0o755)
    with pytest.raises(UsageError, match="there is no program 'train'"):
        trainer_process.program(["train"], tmp_path, "trainer_command")
    file.write_text(f'PATH="{tmp_path}"\n')
    assert trainer_process.program(["train"], tmp_path, "trainer_command") == str(program)


@ROOT_ONLY
@pytest.mark.parametrize("mode", [0o660, 0o606, 0o646])
def test_nobody_but_root_may_write_it(file: Path, mode: int) -> None:
    file.touch()
    file.chmod(mode)
    with pytest.raises(UsageError, match="nobody else's to write"):
        trainer_environment.read(file)


@ROOT_ONLY
def test_it_is_roots(file: Path) -> None:
    file.touch(0o600)
    os.chown(file, 65534, 65534)
    with pytest.raises(UsageError, match="it should be root's"):
        trainer_environment.read(file)


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_it_is_a_file(file: Path, kind: str) -> None:
    if kind == "link":
        file.symlink_to("/etc/hostname")
    elif kind == "folder":
        file.mkdir()
    else:
        os.mkfifo(file)
    with pytest.raises(UsageError, match=r"trainer\.env"):
        trainer_environment.read(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_program_gets_it_when_it_is_its_users_and_no_sooner() -> None:
    """The loader complains once for each program that starts with a library that is not there."""
    setpriv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    seen = {"LD_PRELOAD": "/not/there.so", "PYTHONPATH": "/not/there", "WORD": "ä \udcff\n"}
    started = trainer_process.launch(
        Owner(setpriv), ["/bin/true"], seen, Path("/"), subprocess.PIPE
    )
    told = started.communicate()[0].decode()
    assert (started.returncode, told.count("cannot be preloaded")) == (0, 1), told
    del seen["LD_PRELOAD"]
    started = trainer_process.launch(
        Owner(setpriv), ["/usr/bin/env", "-0"], seen, Path("/"), subprocess.PIPE
    )
    told_bytes = started.communicate()[0]
    words = [os.fsencode(f"{name}={value}") for name, value in seen.items()]
    assert sorted(told_bytes.split(b"\0")[:-1]) == sorted(words)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_program_that_can_not_be_started_says_so() -> None:
    user = Owner(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    started = trainer_process.launch(user, ["/no/program"], {}, Path("/"), subprocess.PIPE)
    told = started.communicate()[0].decode()
    assert (started.returncode, told) == (126, "/no/program: No such file or directory\n")
