"""Every command that a document shows is typed by a test, and every typed one is shown."""

from pathlib import Path

import pytest

from tests.documents.claims import claims
from tests.documents.markdown import Shown, Wrong, read
from tests.documents.shown import ROOT, Command, commands, documents, wrong

# What no test types, for it runs the tests, or takes as long: where it is typed, and how.
TYPED_OTHERWISE = {
    Command("", "make demo"): (".ci/run", "\nmake demo\n"),
    Command("", "make lint"): (".ci/run", "\nmake lint\n"),
    Command("", "make test"): (".ci/run", "\nmake test\n"),
    Command("erlang", "make test"): ("Makefile", "\t$(MAKE) --directory erlang test\n"),
}


def test_there_are_documents() -> None:
    assert {Path("README.md"), Path("erlang/README.md"), Path("docs/image.md")} <= {*documents()}
    assert len(commands()) > 50


def test_what_a_document_shows_can_be_typed() -> None:
    assert wrong() == []


def test_every_command_is_typed() -> None:
    untyped = commands().keys() - claims().keys() - TYPED_OTHERWISE.keys()
    assert {one: [*commands()[one]] for one in sorted(untyped)} == {}


def test_every_command_that_is_typed_is_shown() -> None:
    claimed = claims()
    assert {one: claimed[one] for one in sorted(claimed.keys() - commands().keys())} == {}
    assert TYPED_OTHERWISE.keys() <= commands().keys()


@pytest.mark.parametrize("command", TYPED_OTHERWISE, ids=str)
def test_what_is_typed_otherwise_is_typed_there(command: Command) -> None:
    file, line = TYPED_OTHERWISE[command]
    assert line in (ROOT / file).read_text(encoding="utf-8")
    assert command not in claims()


def test_commands_of_a_shell_block() -> None:
    document = "Do\n\n```sh\n# first\nmake a    # says why\n\nmake b \\\n    C=1\n```\n"
    assert [*read(document)] == [Shown("make a    # says why", 5), Shown("make b \\\n    C=1", 7)]
    assert [one.name for one in read(document) if isinstance(one, Shown)] == [
        "make a",
        "make b C=1",
    ]


def test_commands_of_a_console_and_those_that_it_tells_to_type() -> None:
    document = "```console\n$ odd one\nmaking it\n\nNext:\n    terraform init\n```\n"
    assert [*read(document)] == [Shown("odd one", 2), Shown("terraform init", 6)]


@pytest.mark.parametrize("text", ["`make demo`", "| `make demo` |\n| --- |", "- `make demo`"])
def test_a_span_of_code_is_a_command(text: str) -> None:
    assert [*read(text)] == [Shown("make demo", 1)]


@pytest.mark.parametrize("text", ["`terraform`", "make demo", "`makes it`", "`--make demo`"])
def test_other_text_is_none(text: str) -> None:
    assert [*read(text)] == []


@pytest.mark.parametrize("text", ["```\n$ ls\n```", "    make demo", "`aws s3 ls s3://…`"])
def test_what_can_not_be_typed_is_wrong(text: str) -> None:
    (found,) = read(text)
    assert isinstance(found, Wrong)
