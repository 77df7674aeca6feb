"""Bakes the image here: the real Packer and the files of `packer/`, unchanged, against a region.

An image is kept in the cache under a fingerprint of what it was baked from; an image that is there
is registered at once.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rehearsal.cloud import ROOT_KEY
from rehearsal.ec2 import api, base_image, cleanup, packages
from rehearsal.ec2 import region as regions
from rehearsal.ec2.cache import used
from rehearsal.ec2.layers import Layers
from rehearsal.ec2.region import Region
from rehearsal.errors import RehearsalError

CHECKOUT = Path(__file__).resolve().parents[2]

# What Packer uploads, and the directory it runs in.
_MODULE = sorted(path.name for path in CHECKOUT.glob("*.tf"))
_UPLOADED = ("agent", "erlang", "packer", *_MODULE)
_NOT_UPLOADED = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*", "_build", "*.beam")
# Debian's Packer 1.6.6 has its plugins built in, and refuses the block that later ones need.
_NOT_FOR_DEBIAN = "plugins.pkr.hcl"


def host_packages(trainer_packages: tuple[str, ...] = (), checkout: Path = CHECKOUT) -> Path:
    """Fetch what the image installs, by the host's network; give what machines mount as PACKAGES.

    To be called before the region has its own network.
    """
    lines = (checkout / "packer/packages.txt").read_text(encoding="utf-8").splitlines()
    names = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    requirements = [checkout / "packer" / f"requirements{kind}.txt" for kind in ("", "-build")]
    return packages.ensure(base_image.ensure(), [*names, *trainer_packages], requirements)


def image(
    region: Region,
    variables: Mapping[str, str],
    show: Callable[[str], object],
    *,
    cache: Path = base_image.CACHE,
) -> str:
    """Give the id of an image baked with these Packer variables, newly or from the cache.

    `show` is called with each line that Packer prints. Raises RehearsalError.
    """
    with _uploaded(region.directory / "checkout") as checkout:
        fingerprint = _fingerprint(checkout, variables)
        name = f"image-{fingerprint}"
        with (cache / "images.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept = cache / name
            if not kept.is_dir():
                baked = _bake(region, checkout, variables, show)
                _keep(region.disk_of(baked), kept)
                return baked
            disk = (*sorted(used(kept).iterdir(), reverse=True), base_image.ensure(cache))
    # As Packer names it, for the module goes by that; the fingerprint stands for the time.
    called = f"{_image_name(variables)}-0-x86_64-{int(fingerprint, 16)}"
    image_id = region.register(called, disk)
    region.client("ec2").create_tags(
        Resources=[image_id],
        Tags=[{"Key": key, "Value": value} for key, value in _tags(variables).items()],
    )
    return image_id


def bake(region: Region, variables: Mapping[str, str], show: Callable[[str], object]) -> str:
    """Bake an image as `image` does, but newly in any case, and leave the cache alone."""
    with _uploaded(region.directory / "checkout") as checkout:
        return _bake(region, checkout, variables, show)


def _bake(
    region: Region,
    checkout: Path,
    variables: Mapping[str, str],
    show: Callable[[str], object],
) -> str:
    if shutil.which("packer") is None:
        raise RehearsalError("packer not found: apt-get install packer")
    home = region.directory / "packer"
    home.mkdir(exist_ok=True)
    chosen = {
        "region": regions.NAME,
        "ec2_endpoint": api.ENDPOINT,
        "ssh_interface": "private_ip",
        **variables,
    }
    given = [f"-var={name}={value}" for name, value in chosen.items()]
    with subprocess.Popen(
        # As the documents have it: from the checkout's root, with a relative path.
        ["packer", "build", "-color=false", *given, "packer/"],
        cwd=checkout,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "TMPDIR": str(home),
            "PACKER_CACHE_DIR": str(home / "cache"),
            "CHECKPOINT_DISABLE": "1",
            "AWS_ACCESS_KEY_ID": ROOT_KEY,
            "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
            "AWS_POLL_DELAY_SECONDS": "1",
            **dict([cleanup.mark(region.directory).split("=", 1)]),
        },
    ) as packer:
        lines = []
        for line in packer.stdout or ():
            lines.append(line.rstrip())
            show(lines[-1])
    if packer.returncode != 0:
        said = [line for line in lines if "error" in line.lower()] or [f"exit {packer.returncode}"]
        raise RehearsalError(f"packer build failed: {said[0]}")
    images = region.client("ec2").describe_images(
        Owners=["self"], Filters=[{"Name": "tag:Image", "Values": [_image_name(variables)]}]
    )["Images"]
    newest: str = max(images, key=lambda one: one["CreationDate"])["ImageId"]
    return newest


def _image_name(variables: Mapping[str, str]) -> str:
    return variables.get("image_name", "dxnn-agent")


def _tags(variables: Mapping[str, str]) -> dict[str, str]:
    """What the template tags an image with, by which it is found and known."""
    return {
        "Image": _image_name(variables),
        "Trainer": variables.get("dxnn") or "xor",
        "TrainerRef": variables.get("dxnn_ref") or "HEAD",
    }


@contextlib.contextmanager
def _uploaded(directory: Path) -> Iterator[Path]:
    """Copy what Packer uploads, as of now."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for name in _UPLOADED:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=_NOT_UPLOADED, symlinks=True)
        else:
            shutil.copy2(source, directory / name)
    (directory / "packer" / _NOT_FOR_DEBIAN).unlink()
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _fingerprint(checkout: Path, variables: Mapping[str, str]) -> str:
    digest = hashlib.sha256(f"{base_image.fingerprint()} {sorted(variables.items())}".encode())
    trainer = Path(variables.get("dxnn") or checkout)
    for root in dict.fromkeys((checkout, trainer)):
        for path in sorted(root.rglob("*")) if root.is_dir() else ():
            if path.is_file() and ".git" not in path.parts:
                digest.update(f"\n{path.relative_to(root)} {path.stat().st_mode}\n".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _keep(disk: Layers, directory: Path) -> None:
    making = directory.with_name("image.making")
    for one in (making, directory):
        shutil.rmtree(one, ignore_errors=True)
    making.mkdir()
    for number, layer in enumerate(reversed(disk[:-1])):  # the last is the base tree
        subprocess.run(
            ["cp", "--archive", "--reflink=auto", str(layer), str(making / f"{number}")],
            check=True,
            stdin=subprocess.DEVNULL,
        )
    making.rename(directory)
