"""The Debian 13 tree that every machine here starts from, in the place of Debian's official AMI.

It is made once by debootstrap and kept in a cache directory whose name holds a fingerprint of how
it is made: a recipe that changes makes a new tree.
"""

import fcntl
import hashlib
import inspect
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from rehearsal.ec2.cache import used
from rehearsal.errors import RehearsalError

CACHE = Path("/var/cache/dxnn-rehearsal")
SUITE = "trixie"

# Where a machine that is being baked finds what the host fetched for it; see packages.py.
PACKAGES = "/var/cache/rehearsal"

# debootstrap's own choice of an archive; the machines themselves reach none.
_ARCHIVE = "etc/apt/sources.list.debootstrap"

# How systemd-nspawn runs a single command in a tree, with the host's network.
INSTALLER = (
    *("--quiet", "--register=no", "--keep-unit", "--pipe", "--resolv-conf=replace-host"),
    *("--machine=dxnn-install", "--setenv=DEBIAN_FRONTEND=noninteractive"),
)
# A lock on a tree that has one of its own would leave a file behind.
NSPAWN = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_NSPAWN_LOCK": "0"}

# What the AMI has of what the image or this rehearsal uses.
_SYSTEM = (
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "libnss-myhostname",
    "iproute2",
    "ca-certificates",
)
_LOGIN = ("cloud-init", "openssh-server", "sudo", "curl")

# On EC2 cloud-init asks the metadata service; in a container it can't recognise EC2, so it gets the
# same user data as files. The machine's network is set up from outside.
_CLOUD_CONFIG = """\
datasource_list: [NoCloud]
network: {config: disabled}
system_info:
  default_user:
    name: admin
    gecos: Debian
    groups: [adm, sudo]
    sudo: ["ALL=(ALL) NOPASSWD:ALL"]
    shell: /bin/bash
    lock_passwd: true
"""

_FILES = {
    "etc/cloud/cloud.cfg.d/90_rehearsal.cfg": _CLOUD_CONFIG,
    "etc/apt/sources.list": f"deb [trusted=yes] file:{PACKAGES}/apt ./\n",
    "etc/apt/apt.conf.d/90rehearsal": 'Acquire::Languages "none";\n',
    "etc/pip.conf": f"[global]\nno-index = true\nfind-links = {PACKAGES}/wheels\n",
    "etc/fstab": "",
    "etc/hostname": "localhost\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost\n",
    "etc/machine-id": "",
}
# Where machines find their user data, and the packages; a mount leaves no trace in a machine's
# own layer when its directory is there already.
_DIRECTORIES = ("var/lib/cloud/seed/nocloud", PACKAGES.lstrip("/"))
_REMOVED = (
    "etc/ssh/ssh_host_*",
    "etc/resolv.conf",
    "var/lib/dbus/machine-id",
    "var/cache/apt/*.bin",
    "var/cache/apt/archives/*.deb",
    "var/lib/apt/lists/*",
    "var/log/*.log",
    "var/log/apt/*",
)
# Waiting for what is not here, or writing where nobody looks.
_MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "systemd-timesyncd.service")


def fingerprint() -> str:
    """Hash the recipe: what is put in and taken out, how, and for which processor."""
    recipe = (SUITE, _SYSTEM, _LOGIN, _FILES, _DIRECTORIES, _REMOVED, _MASKED)
    how = inspect.getsource(_make)
    return hashlib.sha256(f"{recipe}{how}{platform.machine()}".encode()).hexdigest()[:12]


def ensure(cache: Path = CACHE) -> Path:
    """Give the base tree, made first where there is none; needs root, and then the network.

    Raises RehearsalError with what was missing or failed.
    """
    tree = cache / f"base-{fingerprint()}"
    if tree.is_dir():
        return used(tree)
    missing = [one for one in ("debootstrap", "systemd-nspawn") if shutil.which(one) is None]
    if missing:
        raise RehearsalError(
            f"{' and '.join(missing)} not found: apt-get install debootstrap systemd-container"
        )
    if os.geteuid() != 0:
        raise RehearsalError("only root can make the base tree of the machines: use sudo")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "base.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.is_dir():
            print(f"Making a Debian {SUITE} tree in {tree}, once: a minute or two", file=sys.stderr)
            making = cache / "base.making"
            shutil.rmtree(making, ignore_errors=True)
            _make(making, cache / "base.log")
            making.rename(tree)
    return tree


def archive(base: Path) -> str:
    """Give the URL of the Debian archive from which a base tree was made."""
    return (base / _ARCHIVE).read_text(encoding="utf-8").split()[1]


def _make(tree: Path, log: Path) -> None:
    log.write_bytes(b"")
    _run(
        [
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(_SYSTEM)}",
            SUITE,
            str(tree),
        ],
        log,
    )
    (tree / _ARCHIVE).write_text(
        (tree / "etc/apt/sources.list").read_text(encoding="utf-8"), encoding="utf-8"
    )
    inside = [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--pipe",
        "-D",
        str(tree),
    ]
    inside += ["--resolv-conf=replace-host", "--setenv=DEBIAN_FRONTEND=noninteractive"]
    # Its dependencies want /proc while they are configured, which debootstrap does not mount.
    _run([*inside, "apt-get", "install", "--yes", "--no-install-recommends", *_LOGIN], log)
    for pattern in _REMOVED:
        for path in tree.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name in _DIRECTORIES:
        (tree / name).mkdir(parents=True, exist_ok=True)
    for name, text in _FILES.items():
        (tree / name).write_text(text, encoding="utf-8")
    for unit in _MASKED:
        (tree / "etc/systemd/system" / unit).symlink_to("/dev/null")
    _run([*inside, "systemctl", "enable", "systemd-networkd.service"], log)


def _run(command: list[str], log: Path) -> None:
    with log.open("ab") as output:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
            env={**os.environ, **NSPAWN},
        )
    if ended.returncode != 0:
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [
            "no output"
        ]
        raise RehearsalError(
            f"{command[0]} failed while the base tree was made ({log}): {last[-1]}"
        )
