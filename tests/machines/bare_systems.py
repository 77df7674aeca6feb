"""Fresh trees of the systems that the README names, as they are before anything is set up.

A tree holds what debootstrap installs at least, `git` and `make`; and of this machine the
certificates that it trusts, and where its pip looks. It is made once and kept in the cache, with
what apt and pip have fetched for it.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rehearsal.ec2 import base_image, cache, cleanup, layers
from tests.documents.clone import copy

ROOT = Path(__file__).parents[2]

_SCRIPTS = Path("/usr/share/debootstrap/scripts")
_CERTIFICATES = Path("usr/local/share/ca-certificates")
_PIP = Path("etc/pip.conf")
_INCLUDED = "git,make,ca-certificates"
_HOME = "root/dxnn-agent"
# What an installer writes and debootstrap does not.
_HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n"
_FETCHED = {"apt": "/var/cache/apt/archives", "pip": "/root/.cache/pip"}
# What says how this machine reaches an index and by which way, and names no folder of it.
_PASSED_ON = ("PIP_INDEX_URL", "PIP_CERT", "PIP_DEFAULT_TIMEOUT", "http_proxy", "https_proxy")

# Debian has no package of Ubuntu's keys; this one is Ubuntu 24.04's own, and does not change.
_UBUNTU_KEYS = "pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb"
_UBUNTU_KEYS_SHA256 = "36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8"


_UBUNTU_SCRIPT = "gutsy"
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


@dataclass(frozen=True)
class System:
    """A release, and where it comes from."""

    suite: str
    components: str = "main"
    # By which of debootstrap's scripts, where it is older than the release.
    script: str = "sid"

    @property
    def is_ubuntu(self) -> bool:
        return self.script == _UBUNTU_SCRIPT

    @property
    def archive(self) -> str:
        """Where debootstrap itself would get it."""
        if self.is_ubuntu:
            named = re.findall(r"default_mirror (\S+)", (_SCRIPTS / self.script).read_text())
            return str(next(one for one in named if "//archive." in one))
        program = Path(shutil.which("debootstrap", path=_PATH) or "").read_text()
        (mirror,) = re.findall(r'(?m)^DEF_MIRROR="(\S+)"', program)
        return str(mirror)

    @property
    def is_reachable(self) -> bool:
        """Whether its archive can be had from here."""
        try:
            with urllib.request.urlopen(f"{self.archive}/dists/{self.suite}/InRelease", timeout=20):
                return True
        except OSError:
            return False


SYSTEMS = {
    "Debian 12": System("bookworm"),
    "Debian 13": System("trixie"),
    "Ubuntu 24.04": System("noble", "main,universe", _UBUNTU_SCRIPT),
}


def kept(system: System) -> Path:
    """Give the directory with a system's `tree` and what was fetched; made where there is none."""
    directory = base_image.CACHE / f"system-{system.suite}-{_fingerprint(system)}"
    directory.parent.mkdir(parents=True, exist_ok=True)
    with (directory.parent / f"{system.suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.is_dir():
            making = directory.with_name(f"making-{system.suite}")
            shutil.rmtree(making, ignore_errors=True)
            for name in ("tree", *_FETCHED):
                (making / name).mkdir(parents=True)
            _make(system, making / "tree")
            making.rename(directory)
    return cache.used(directory)


@contextmanager
def fresh(system: System) -> Iterator[Path]:
    """Mount a system whose changes are gone afterwards, with a clone of this checkout."""
    with cleanup.run_directory(base_image.CACHE / "runs") as directory:
        root = layers.mount((kept(system) / "tree",), directory / "system")
        copy(root / _HOME)
        yield root


def run(system: System, root: Path, *commands: str, seconds: float = 900) -> str:
    """Type commands in the clone, as root and in this machine's network; give what they print.

    The first that fails is the last, and an AssertionError.
    """
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    mark = cleanup.mark(root.parents[1])
    fetched = kept(system)
    ended = subprocess.run(
        [
            *["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--as-pid2", "--pipe"],
            *["--resolv-conf=replace-host", "--timezone=off", f"--machine=bare-{system.suite}"],
            *[f"--directory={root}", f"--chdir=/{_HOME}"],
            *[f"--bind={fetched / name}:{place}" for name, place in _FETCHED.items()],
            *[f"--setenv={name}={value}" for name, value in passed_on.items()],
            *["--", "/bin/sh", "-ec", "\n".join(commands)],
        ],
        env={"PATH": os.environ["PATH"], **base_image.NSPAWN, **dict([mark.split("=", 1)])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        timeout=seconds,
    )
    assert ended.returncode == 0, ended.stdout[-4000:]
    return ended.stdout


def _fingerprint(system: System) -> str:
    here = [(one.name, one.read_bytes()) for one in _certificates()]
    pip = _own_pip().read_bytes() if _own_pip().exists() else b""
    return hashlib.sha256(repr((system, _INCLUDED, _HOSTS, here, pip)).encode()).hexdigest()[:12]


def _certificates() -> list[Path]:
    return sorted(("/" / _CERTIFICATES).glob("*.crt"))


def _own_pip() -> Path:
    return "/" / _PIP


def _make(system: System, making: Path) -> None:
    script = _SCRIPTS / system.suite
    with tempfile.TemporaryDirectory() as keys:
        keyring = [f"--keyring={_ubuntu_keys(system, Path(keys))}"] if system.is_ubuntu else []
        _do(
            *["debootstrap", "--variant=minbase", f"--include={_INCLUDED}", *keyring],
            *[f"--components={system.components}", system.suite, str(making), system.archive],
            str(script if script.exists() else _SCRIPTS / system.script),
        )
    for one in _certificates():
        shutil.copy(one, making / _CERTIFICATES)
    if _own_pip().exists():
        shutil.copy(_own_pip(), making / _PIP)
    (making / "etc/hosts").write_text(_HOSTS)
    _do("chroot", str(making), "update-ca-certificates")


def _ubuntu_keys(system: System, directory: Path) -> Path:
    with urllib.request.urlopen(f"{system.archive}/{_UBUNTU_KEYS}", timeout=60) as answer:
        package = answer.read()
    assert hashlib.sha256(package).hexdigest() == _UBUNTU_KEYS_SHA256
    (directory / "package.deb").write_bytes(package)
    _do("dpkg-deb", "--extract", str(directory / "package.deb"), str(directory))
    return directory / "usr/share/keyrings/ubuntu-archive-keyring.gpg"


def _do(*command: str) -> str:
    ended = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-2000:]
    return ended.stdout
