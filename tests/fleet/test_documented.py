"""What docs/fleet.md shows works as it says."""

import json
import re
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from dxnn_agent.fleet.command import app
from dxnn_agent.fleet.sweep import MOST_JOBS
from tests.fleet.sweeps import parse

PAGE = (Path(__file__).parents[2] / "docs/fleet.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [text for its_language, text in fences if its_language == language]


def test_the_grid_and_what_is_printed(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text(blocks("toml")[0], encoding="utf-8")
    words = ["synth", str(tmp_path / "sweep.toml"), "--output", str(tmp_path / "cdktf.out")]
    result = CliRunner().invoke(app, words)
    said = result.stdout.replace(f"{tmp_path}/", "")
    printed = {line.rstrip() for line in said.splitlines()} | {"…"}
    assert blocks("console")[0].splitlines()[0] == "$ dxnn-agent fleet synth sweep.toml"
    assert set(blocks("console")[0].splitlines()[1:]) <= printed


def test_the_list() -> None:
    assert list(parse(blocks("toml")[1]).by_id) == ["eurusd", "gold"]


def test_the_mistakes(tmp_path: Path) -> None:
    text = blocks("toml")[0].replace("volume_size", "volumesize")
    text = text.replace("from = 1, to = 5", "from = 5, to = 1")
    (tmp_path / "sweep.toml").write_text(text, encoding="utf-8")
    result = CliRunner().invoke(app, ["synth", str(tmp_path / "sweep.toml")])
    assert result.exit_code == 2
    said = result.stderr.replace(f"{tmp_path}/", "").splitlines()
    assert said == blocks("console")[1].splitlines()[1:]


def test_the_program(tmp_path: Path) -> None:
    (tmp_path / "sweep.py").write_text(blocks("python")[0], encoding="utf-8")
    subprocess.run([sys.executable, "sweep.py"], cwd=tmp_path, check=True)
    stack = json.loads((tmp_path / "cdktf.out/stacks/markets/cdk.tf.json").read_text())
    assert list(stack["module"]["majors"]["jobs"]) == ["eurusd", "gbpusd", "usdjpy"]
    assert stack["terraform"]["backend"]["local"]["path"].endswith("/terraform.markets.tfstate")


def test_the_limit() -> None:
    assert f"at most {MOST_JOBS} jobs" in PAGE
