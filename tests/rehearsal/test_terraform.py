"""The engine answers as `terraform` would, without a network, however many call it at once."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rehearsal import terraform
from tests.terraform.engine import ROOT
from tests.waiting import wait_until

PROVIDER = """
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 3.39"
    }
  }
}
"""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "rehearsal.terraform", *arguments]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=ROOT,
        env={"PATH": os.defpath, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_it_is_terraform() -> None:
    ended = run("version")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("Terraform v1.")


def test_errors_go_to_stderr_with_terraforms_exit_codes(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('output "a" {\n  value = 1 +\n}\n')
    ended = run(f"-chdir={tmp_path}", "validate", "-no-color")
    assert ended.returncode == 1
    assert "Invalid expression" in ended.stderr
    (tmp_path / "main.tf").write_text('output "a" {\n  value = 1\n}\n')
    planned = run(f"-chdir={tmp_path}", "plan", "-detailed-exitcode")
    assert (planned.returncode, planned.stderr) == (2, "")


def test_the_provider_comes_from_the_packages(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(PROVIDER)
    # Also for whoever has a configuration of their own, as others would be asked then.
    elsewhere = tmp_path / "elsewhere.rc"
    elsewhere.write_text("provider_installation {\n  direct {}\n}\n")
    ended = run(f"-chdir={tmp_path}", "init", "-no-color", TF_CLI_CONFIG_FILE=str(elsewhere))
    assert ended.returncode == 0, ended.stderr
    assert f"Installed hashicorp/aws v{terraform.PROVIDER_VERSION}" in ended.stdout
    (installed,) = tmp_path.glob(".terraform/providers/registry.terraform.io/hashicorp/aws/*/*")
    assert installed.is_symlink()  # 170 MB that nobody copies


def test_the_provider_is_unpacked_once_whoever_is_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terraform, "_HERE", tmp_path / "made" / "on-demand")
    with ThreadPoolExecutor(2) as pool:
        mirrors = {pool.submit(terraform._mirror) for _ in range(2)}
        (mirror,) = {made.result() for made in mirrors}
    assert list(mirror.parent.iterdir()) == [mirror]
    (binary,) = (path for path in mirror.rglob("*") if path.is_file())
    assert os.access(binary, os.X_OK)
    before = binary.stat()
    assert terraform._mirror() == mirror
    assert binary.stat() == before


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('output "a" {\n  value = 1\n}\n')
    said = tmp_path / "said"
    with said.open("wb") as out:
        process = subprocess.Popen(
            command(f"-chdir={tmp_path}", "apply", "-no-color"),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
        )
    try:
        wait_until(lambda: "Enter a value" in said.read_text(), "the question")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) != 0
    finally:
        process.kill()
        process.wait()
    state = tmp_path / "terraform.tfstate"  # it may have been opened, to lock it
    assert not state.exists() or '"value"' not in state.read_text()
