"""What CONTRIBUTING.md shows to type, in a clone that git knows."""

import subprocess

import pytest

from tests.documents.typist import Typist


@pytest.mark.types(
    "make setup",
    ".venv/bin/pre-commit install",
    "make test-python TESTS=tests/unit/test_keys.py",
)
def test_whoever_begins(typist: Typist) -> None:
    setup, install, one_file = typist.names
    subprocess.run(["git", "init", "--quiet", str(typist.clone)], check=True)
    typist.type(setup)
    typist.type(install)
    hook = (typist.clone / ".git/hooks/pre-commit").read_text(encoding="utf-8")
    assert "pre-commit" in hook
    assert " passed" in typist.type(one_file)
