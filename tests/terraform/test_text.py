"""The modules' text: its form, Terraform's own tests of it, and what checkov thinks of it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.terraform.engine import ROOT, Terraform

FILES = [
    file
    for pattern in (
        *("*.tf", "*.tfvars.example", "bootstrap/*.tf", "examples/*/*.tf"),
        "tests/*.tftest.hcl",
    )
    for file in sorted(ROOT.glob(pattern))
]
CHECKOV = Path(sys.prefix) / "checkov" / "bin" / "checkov"
_SKIP = re.compile(r"checkov:skip=(\w+)(?::(.*))?")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory that holds the repository's Terraform files and nothing else."""
    root = tmp_path_factory.mktemp("text") / "modules"
    for file in FILES:
        copy = root / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    return root


def test_the_form(repository: Path) -> None:
    example = repository / "terraform.tfvars.example"
    example.rename(example.with_suffix(""))  # fmt goes by the name
    ended = Terraform(repository).run("fmt", "-check", "-recursive", "-diff")
    example.with_suffix("").unlink()
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stdout + ended.stderr


def test_terraforms_own_tests(repository: Path) -> None:
    terraform = Terraform(repository)
    terraform.init()
    ended = terraform.run("test")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    counted = re.search(r"Success! (\d+) passed, 0 failed\.", ended.stdout)
    assert counted is not None, ended.stdout
    runs = sum(file.read_text().count('\nrun "') for file in (repository / "tests").iterdir())
    assert int(counted[1]) == runs > 0


@pytest.fixture(scope="module")
def report(repository: Path) -> dict[str, Any]:
    return checkov(repository)


def test_checkov_finds_nothing(report: dict[str, Any]) -> None:
    assert report["results"]["failed_checks"] == []
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 0


def test_every_skip_has_a_reason_and_an_effect(report: dict[str, Any]) -> None:
    written = {name: why for file in FILES for name, why in _SKIP.findall(file.read_text())}
    assert [name for name, why in written.items() if len(why.split()) < 4] == []
    skipped = {each["check_id"] for each in report["results"]["skipped_checks"]}
    assert written.keys() == skipped


def test_checkov_would_find_something(tmp_path: Path) -> None:
    directory = tmp_path / "bad"
    directory.mkdir()
    (directory / "main.tf").write_text(
        'resource "aws_launch_template" "one" {\n'
        "  metadata_options {\n"
        '    http_endpoint = "enabled"\n'
        '    http_tokens   = "optional"\n'
        "  }\n"
        "}\n"
    )
    failed = {each["check_id"] for each in checkov(directory)["results"]["failed_checks"]}
    assert "CKV_AWS_79" in failed


def checkov(directory: Path) -> dict[str, Any]:
    """Return checkov's report on the modules in a directory; it calls nobody."""
    ended = subprocess.run(
        [
            *(CHECKOV, "--directory", directory, "--framework", "terraform", "--output", "json"),
            *("--compact", "--skip-download", "--soft-fail"),
        ],
        cwd=directory,
        env={"PATH": os.defpath, "HOME": str(directory.parent), "LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    report: dict[str, Any] = json.loads(ended.stdout)
    return report
