"""The package, built from the checkout and from its own sdist."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build(source: Path, target: str, directory: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(directory)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [built] = directory.iterdir()
    return built


def test_a_wheel_of_the_sdist_is_a_wheel_of_the_checkout(tmp_path: Path) -> None:
    for name in ("sdist", "wheel", "again"):
        (tmp_path / name).mkdir()
    wheel = build(ROOT / "agent", "wheel", tmp_path / "wheel")
    sdist = build(ROOT / "agent", "sdist", tmp_path / "sdist")
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "-C", str(tmp_path / "unpacked"), "-xf", str(sdist)], check=True)
    [unpacked] = (tmp_path / "unpacked").iterdir()
    again = build(unpacked, "wheel", tmp_path / "again")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert sorted(one.namelist()) == sorted(other.namelist())
        packed = {Path(name).name for name in one.namelist() if "/fleet/module/" in name}
    assert packed == {path.name for path in ROOT.glob("*.tf")}
