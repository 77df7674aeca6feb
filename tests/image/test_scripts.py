"""The provisioners: scripts that a person may run on any Debian machine."""

import fcntl
import os
import re
import subprocess
import threading
from pathlib import Path

import pytest

from tests.image.places import FILES, PACKER

SCRIPTS = [*sorted((PACKER / "scripts").iterdir()), FILES / "libexec" / "poweroff"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script(script: Path) -> None:
    assert os.access(script, os.X_OK)
    done = subprocess.run(
        ["shellcheck", str(script)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_script_is_part_of_the_build() -> None:
    build = (PACKER / "image.pkr.hcl").read_text(encoding="utf-8")
    assert [path.name for path in SCRIPTS[:-1] if path.name not in build] == []
    assert build.rindex("scripts/clean") > build.rindex("./check")


def test_a_ref_goes_with_a_url(tmp_path: Path) -> None:
    script = PACKER / "scripts" / "install-trainer"
    done = subprocess.run(
        [str(script), str(tmp_path), "main"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "a ref goes with a git URL" in done.stderr


@pytest.mark.parametrize("script", SCRIPTS[:-1], ids=lambda path: path.name)
def test_no_script_fills_the_memory(script: Path) -> None:
    """Where a trainer is big or a machine small, its /tmp does not hold it."""
    text = script.read_text(encoding="utf-8")
    if re.search(r"mktemp|\bpip\b", text):
        assert text.index("export TMPDIR=/var/tmp\n") < text.index("mktemp")


@pytest.fixture
def apt(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which the real apt has folders of its own, and nothing to install.

    Its lists are locked; `apt-get update` needs no network.
    """
    for name in ("lists/partial", "archives/partial", "bin", "etc"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "sources").touch()
    (tmp_path / "apt.conf").write_text(
        f'Dir::State::Lists "{tmp_path}/lists/";\nDir::Cache::archives "{tmp_path}/archives/";\n'
        f'Dir::Etc::sourcelist "{tmp_path}/sources";\nDir::Etc::sourceparts "-";\n'
        f'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'
    )
    # The one command that takes that lock; what it was told is kept.
    apt_get = tmp_path / "bin/apt-get"
    apt_get.write_text(
        f'#!/bin/sh\necho "$*" >>{tmp_path}/told\n'
        'case "$*" in *update) exec /usr/bin/apt-get "$@" ;; esac\n'
    )
    apt_get.chmod(0o755)
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "APT_CONFIG": str(tmp_path / "apt.conf")}


def test_packages_wait_until_the_lists_are_free(apt: dict[str, str], tmp_path: Path) -> None:
    """On a first boot, Debian's own update holds them when Packer comes."""
    with (tmp_path / "lists/lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        threading.Timer(3, fcntl.lockf, (lock, fcntl.LOCK_UN)).start()
        done = subprocess.run(
            [PACKER / "scripts/install-packages", "python3-numpy"],
            env=apt,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stderr) == (0, "")
    told = (tmp_path / "told").read_text().splitlines()
    assert len(told) > 3
    assert told[-1].endswith("python3-numpy")


def test_packages_do_not_wait_for_ever(apt: dict[str, str], tmp_path: Path) -> None:
    clock = tmp_path / "bin/date"
    clock.write_text(
        f"#!/bin/sh\nnow=$(cat {tmp_path}/now 2>/dev/null || echo 0)\n"
        f"echo $((now + 250)) | tee {tmp_path}/now\n"
    )
    clock.chmod(0o755)
    with (tmp_path / "lists/lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [PACKER / "scripts/install-packages"],
            env=apt,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode != 0
    assert "Could not get lock" in done.stderr
    assert len((tmp_path / "told").read_text().splitlines()) == 3


def test_another_failure_of_apt_is_told_at_once(apt: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "sources").write_text("no source\n")
    done = subprocess.run(
        [PACKER / "scripts/install-packages"],
        env=apt,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert "could not be read" in done.stderr
    assert len((tmp_path / "told").read_text().splitlines()) == 1
