"""What docs/fleet.md shows, against an AWS on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal.cloud import cloud
from tests.documents.aws_proxy import aws_proxy
from tests.documents.typist import Typist
from tests.fleet.test_documented import blocks


def environment(directory: Path) -> Path:
    """Make a Python environment in which the agent's dependencies are installed already."""
    subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
    (packages,) = directory.glob("lib/python*/site-packages")
    (here,) = Path(sys.prefix).glob("lib/python*/site-packages")
    (packages / "installed.pth").write_text(f"{here}\n", encoding="utf-8")
    return directory


@pytest.mark.types(
    "pip install './agent[fleet]'",
    "dxnn-agent fleet synth sweep.toml",
    "terraform -chdir=cdktf.out/stacks/xor-seeds init",
    "terraform -chdir=cdktf.out/stacks/xor-seeds apply",
    "terraform output jobs",
    "python sweep.py",
)
def test_a_sweep(typist: Typist, tmp_path: Path) -> None:
    install, synth, init, apply, output, program = typist.names
    typist.environment["PATH"] = f"{environment(tmp_path / 'own')}/bin:{typist.environment['PATH']}"
    typist.environment |= {name: os.environ[name] for name in os.environ if name.startswith("PIP_")}
    typist.type(install)
    assert (tmp_path / "own/bin/dxnn-agent").exists()
    (typist.home / "sweep.toml").write_text(blocks("toml")[0], encoding="utf-8")
    assert "10 jobs in stack xor-seeds" in typist.type(synth, directory=typist.home)
    with cloud(tmp_path / "cloud") as here:
        here.ec2.register_image(
            Name="dxnn-agent-0.2.0-x86_64-20250111120000",
            Architecture="x86_64",
            RootDeviceName="/dev/xvda",
        )
        here.s3.create_bucket(Bucket="trainings")
        with aws_proxy(tmp_path / "proxy", here.endpoint) as reached:
            typist.environment |= reached
            assert "initialized" in typist.type(init, directory=typist.home)
            assert "Apply complete!" in typist.type(apply, directory=typist.home, answer="yes\n")
    told = typist.type(output, directory=typist.home / "cdktf.out/stacks/xor-seeds")
    assert "s3://trainings/dxnn/xor-seeds-b-5/" in told
    (typist.home / "sweep.py").write_text(blocks("python")[0], encoding="utf-8")
    typist.type(program, directory=typist.home)
    assert (typist.home / "cdktf.out/stacks/markets/cdk.tf.json").exists()
