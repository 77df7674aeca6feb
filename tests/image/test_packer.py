"""packer/ as Debian's Packer and today's take it; the build itself is played on real machines."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests.image.places import PACKER, ROOT

pytestmark = pytest.mark.skipif(not shutil.which("packer"), reason="there is no Packer here")


def packer(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Packer without a network or an account; a laptop's own settings stay out."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "CHECKPOINT_DISABLE": "1"}
    return subprocess.run(
        ["packer", *arguments],
        cwd=cwd,
        env={**environment, "AWS_REGION": "eu-central-1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """Return the folder as Packer 1.6 takes it: without the one block that it refuses."""
    for path in (ROOT / "agent/src/dxnn_agent/__init__.py", *PACKER.glob("*.pkr.hcl")):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    for path in ROOT.glob("*.tf"):
        (tmp_path / path.name).touch()
    (tmp_path / "erlang" / "trainer").mkdir(parents=True)
    (tmp_path / "packer" / "plugins.pkr.hcl").unlink()
    return tmp_path / "packer"


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"dxnn": "https://github.com/qendro/DXNN-Trader-v2.git", "dxnn_ref": "main"},
        {"dxnn": str(ROOT / "erlang" / "trainer")},
        {"architecture": "arm64", "encrypt_boot": "false", "region": "eu-west-1"},
        {"apt_packages": '["python3-numpy"]'},
        {"ami_users": '["123456789012"]', "kms_key_id": "alias/images"},
        {"ami_users": '["123456789012"]', "encrypt_boot": "false"},
        {"ami_regions": '["eu-west-1"]'},
        {
            "ami_users": '["123456789012"]',
            "kms_key_id": "alias/images",
            "ami_regions": '["eu-west-1"]',
            "region_kms_key_ids": '{"eu-west-1" = "alias/copies"}',
        },
        {
            "ami_users": '["123456789012"]',
            "kms_key_id": "alias/images",
            "ami_regions": '["eu-central-1"]',
            "region": "eu-central-1",
        },
        {"image_name": "traders-2"},
        {"ssh_interface": "private_dns"},
    ],
)
def test_valid(template: Path, variables: dict[str, str]) -> None:
    options = [f"-var={name}={value}" for name, value in variables.items()]
    done = packer("validate", *options, str(template))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("folder", "named"),
    [
        (".", "packer/"),
        (".", "packer"),
        (".", "./packer"),
        ("packer", "."),
        ("erlang", "../packer/"),
        ("erlang/trainer", "../../packer"),
    ],
)
def test_valid_from_any_folder(template: Path, folder: str, named: str) -> None:
    """The first is what the README has a user type."""
    done = packer("validate", named, cwd=template.parent / folder)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"architecture": "sparc"}, "The architecture should be x86_64 or arm64."),
        ({"image_name": "Traders"}, "3 to 40 lower-case letters, digits and dashes, and not"),
        ({"image_name": "ab"}, "3 to 40 lower-case letters, digits and dashes, and not"),
        ({"image_name": "-traders"}, "3 to 40 lower-case letters, digits and dashes, and not"),
        ({"image_name": ""}, "3 to 40 lower-case letters, digits and dashes, and not"),
        ({"image_name": "a" * 41}, "3 to 40 lower-case letters, digits and dashes, and not"),
        # The image has no agent for it: Debian has no package of one.
        ({"ssh_interface": "session_manager"}, "public_ip, private_ip, public_dns or private_dns."),
    ],
)
def test_a_value_that_is_none(template: Path, variables: dict[str, str], why: str) -> None:
    options = [f"-var={name}={value}" for name, value in variables.items()]
    done = packer("validate", *options, str(template))
    assert done.returncode != 0
    assert why in " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"kms_key_id": "alias/images", "ami_regions": '["eu-west-1"]'},
        {"ami_regions": '["eu-west-1"]', "region_kms_key_ids": '{"eu-west-1" = "alias/copies"}'},
    ],
)
def test_no_account_can_use_another_ones_own_key(template: Path, variables: dict[str, str]) -> None:
    """AWS would say so only when everything has been baked and copied."""
    given = {"ami_users": '["123456789012"]', **variables}
    options = [f"-var={name}={value}" for name, value in given.items()]
    done = packer("validate", *options, str(template))
    assert done.returncode != 0
    assert "Cannot share AMI encrypted with default KMS key" in done.stdout + done.stderr


def test_form() -> None:
    done = packer("fmt", "-check", "-diff", str(PACKER))
    assert done.returncode == 0, done.stdout


def test_every_file_that_is_uploaded_is_there() -> None:
    text = (PACKER / "image.pkr.hcl").read_text(encoding="utf-8")
    uploaded = {part.split('"')[0] for part in text.split("${local.root}/")[1:]}
    assert {"agent", "erlang", "packer", *(path.name for path in ROOT.glob("*.tf"))} <= uploaded
    assert [name for name in uploaded if not (ROOT / name).exists()] == []


def test_only_the_plugins_file_asks_for_plugins() -> None:
    asking = [
        path.name
        for path in PACKER.glob("*.pkr.hcl")
        if "required_plugins" in path.read_text(encoding="utf-8")
    ]
    assert asking == ["plugins.pkr.hcl"]


def test_no_plugin_of_a_later_major_version_is_taken() -> None:
    text = (PACKER / "plugins.pkr.hcl").read_text(encoding="utf-8")
    (version,) = re.findall(r'version *= *"(.*)"', text)
    assert Version("1.8.2") in SpecifierSet(version)
    assert Version("2.0.0") not in SpecifierSet(version)


def test_nothing_is_uploaded_into_memory() -> None:
    """A tmpfs of half of 2 GiB is what /tmp is on the machine that is baked."""
    text = (PACKER / "image.pkr.hcl").read_text(encoding="utf-8")
    code = re.sub("#.*", "", text)
    assert code.count("/tmp") == code.count("/var/tmp")
    assert text.count('provisioner "shell"') == text.count('remote_folder = "/var/tmp"')
