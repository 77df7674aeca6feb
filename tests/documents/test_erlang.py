"""What erlang/README.md shows, from first to last."""

import shutil

import pytest

from tests.documents.shown import ROOT
from tests.documents.typist import Typist


@pytest.mark.types(
    "make all",
    "make trainer",
    "bin/dxnn-patch --dry-run trainer/benchmarker.erl",
    "bin/dxnn-build --startup 'prices:load()' ~/DXNN ~/trainer",
    "(umask 077 && head -c 16 /dev/urandom | base64 > ~/.dxnn.cookie)",
    "(cd build/trainer && DXNN_ERLANG_COOKIE_FILE=~/.dxnn.cookie"
    " ../../bin/dxnn-train --experiment xor)",
    "bin/dxnn-check --trainer build/trainer build/trainer/checkpoints/completion-*.dmp",
    "bin/dxnn-train --help",
    folder="erlang",
)
def test_the_commands(typist: Typist) -> None:
    shutil.copytree(ROOT / "erlang/trainer", typist.home / "DXNN")
    told = typist.type(*typist.names)
    for said in (
        "build/trainer is ready to run",
        "+completion_signal() ->",
        "start-up: prices:load()",
        "completion_signal: wrote ",
        "usage: dxnn-train",
    ):
        assert said in told
    assert list((typist.clone / "erlang/build/trainer/benchmarks").iterdir())
