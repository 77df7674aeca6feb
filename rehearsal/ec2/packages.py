"""What a machine installs while it is baked, fetched by the host beforehand: Debian's and Python's.

The machine finds it where its apt and pip look anyway (see base_image.py), so that the scripts that
install are those that run on AWS.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rehearsal.ec2 import base_image, layers
from rehearsal.ec2.cache import used
from rehearsal.errors import RehearsalError


def ensure(
    base: Path,
    debian: Sequence[str],
    requirements: Sequence[Path],
    cache: Path = base_image.CACHE,
) -> Path:
    """Give a directory with `apt` and `wheels`: fetched where it is not there yet, by the network.

    `debian` names packages, which come with what they need beside the base tree; `requirements`
    are files for pip, whose wheels are fetched for the base tree's Python. Raises RehearsalError.
    """
    texts = [one.read_text(encoding="utf-8") for one in requirements]
    wanted = (base.name, sorted(debian), texts)
    name = hashlib.sha256(repr(wanted).encode()).hexdigest()[:12]
    directory = cache / f"packages-{name}"
    with (cache / "packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.is_dir():
            print(f"Fetching packages into {directory}, once", file=sys.stderr)
            making = cache / "packages.making"
            layers.unmount(making / "disk")
            shutil.rmtree(making, ignore_errors=True)
            (making / "apt").mkdir(parents=True)
            (making / "wheels").mkdir()
            _fetch_debian(base, debian, making)
            for one in requirements:
                _fetch_wheels(base, one, making / "wheels")
            making.rename(directory)
    return used(directory)


def _fetch_debian(base: Path, names: Sequence[str], making: Path) -> None:
    disk = making / "disk"
    root = layers.mount((base,), disk)
    try:
        sources = root / "etc/apt/sources.list"
        archive, suite = base_image.archive(base), base_image.SUITE
        suites = (
            f"deb {archive} {suite} main",
            f"deb {archive} {suite}-updates main",
            f"deb {archive}-security {suite}-security main",
        )
        sources.write_text("\n".join(suites) + "\n", encoding="utf-8")
        inside = ["systemd-nspawn", *base_image.INSTALLER, f"--directory={root}"]
        inside += [f"--bind={making / 'apt'}:/var/cache/apt/archives"]
        _run([*inside, "apt-get", "--quiet", "update"])
        fetch = ["apt-get", "--quiet", "--yes", "--download-only", "--no-install-recommends"]
        _run([*inside, *fetch, "install", *names])
    finally:
        layers.unmount(disk)
        shutil.rmtree(disk)
    for left in ("lock", "partial"):
        path = making / "apt" / left
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    entries = [_entry(file) for file in sorted((making / "apt").glob("*.deb"))]
    (making / "apt" / "Packages").write_text("\n".join(entries), encoding="utf-8")


def _entry(file: Path) -> str:
    """Describe a package as the index of a repository does."""
    control = _run(["dpkg-deb", "--field", str(file)])
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    place = f"Filename: ./{file.name}\nSize: {file.stat().st_size}\nSHA256: {checksum}\n"
    return control.rstrip("\n") + "\n" + place


def _fetch_wheels(base: Path, requirements: Path, wheels: Path) -> None:
    python = next((base / "usr/bin").glob("python3.[0-9]*")).name.removeprefix("python")
    machine = os.uname().machine
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in (39, 34, 28, 17)]
    platforms += [f"manylinux2014_{machine}", "any"]
    _run(
        [
            *[sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"],
            *["--only-binary=:all:", f"--python-version={python}", "--implementation=cp"],
            *[f"--platform={one}" for one in platforms],
            *["--no-deps", f"--requirement={requirements}", f"--dest={wheels}"],
        ]
    )


def _run(command: Sequence[str]) -> str:
    ended = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **base_image.NSPAWN},
    )
    if ended.returncode != 0:
        last = (ended.stderr.strip() or ended.stdout.strip() or "no output").splitlines()[-1]
        raise RehearsalError(f"packages can't be fetched: {command[0]}: {last}")
    return ended.stdout
