"""What is pinned for the image: all that the agent asks for, and nothing without a hash."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.image.places import PACKER, ROOT

_PIN = re.compile(r"^([a-z0-9-]+)==(\S+) \\$", re.MULTILINE)


def pins(file: Path) -> dict[str, str]:
    return dict(_PIN.findall(file.read_text(encoding="utf-8")))


def asked(*path: str) -> list[Requirement]:
    content = tomllib.loads((ROOT / "agent" / "pyproject.toml").read_text(encoding="utf-8"))
    for name in path:
        content = content[name]
    return [Requirement(str(text)) for text in content]


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("requirements.txt", ("project", "dependencies")),
        ("requirements-build.txt", ("build-system", "requires")),
    ],
)
def test_pins_satisfy_the_package(file: str, path: tuple[str, ...]) -> None:
    pinned = pins(PACKER / file)
    for requirement in asked(*path):
        assert requirement.name in pinned
        assert requirement.specifier.contains(pinned[requirement.name]), requirement


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-build.txt"])
def test_everything_is_pinned_and_hashed(file: str) -> None:
    text = (PACKER / file).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if not line.startswith(" "):
            assert _PIN.match(line), line
            assert following.startswith("    --hash=sha256:"), line


def test_the_kernel_dependent_part_is_there_for_both_architectures() -> None:
    """Wheels of pydantic-core are per architecture: each has a hash of its own."""
    text = (PACKER / "requirements.txt").read_text(encoding="utf-8")
    hashes = text.partition("pydantic-core==")[2].split("==")[0].count("--hash")
    assert hashes > 20
