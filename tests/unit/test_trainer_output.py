"""Of what a trainer prints, the last is kept, and no more than that."""

import os

import pytest

from dxnn_agent.machine.trainer_output import TrainerOutput


def after(*pieces: bytes) -> TrainerOutput:
    """Return what is known of a trainer that has printed so much and ended."""
    read_end, write_end = os.pipe()
    output = TrainerOutput(os.fdopen(read_end, "rb", buffering=0))
    for piece in pieces:
        os.write(write_end, piece)
    os.close(write_end)
    output.await_end(10)
    return output


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([], []),
        ([b"on", b"e\ntw", b"o"], ["one", "two"]),
        ([b"one\r\n\n \t\ntwo\n"], ["one", "two"]),
        ([b"\xff\xfe\x00\x07bell\n"], ["\ufffd\ufffd  bell"]),
        ([b"\x1b[1;31mred\x1b[0m\x1b[K\n"], ["red"]),
        (["\u00e9\u2028\U0001f9e0\n".encode()], ["\u00e9 \U0001f9e0"]),
    ],
)
def test_lines(pieces: list[bytes], lines: list[str]) -> None:
    assert after(*pieces).lines() == lines


def test_only_the_last_lines_are_kept_and_none_of_them_torn() -> None:
    output = after(*(b"%06d " % number + b"x" * 92 + b"\n" for number in range(1000)))
    lines = output.lines()
    assert 70 < len(lines) <= 82
    assert all(len(line) == 99 for line in lines)
    assert output.last_line() == "000999 " + "x" * 92


def test_a_line_that_is_longer_than_what_is_kept() -> None:
    assert after(b"x" * 20_000).last_line() == "x" * 300
