"""The way into the trainer's Erlang node: `erl_call`, with the cookie kept out of sight."""

import json
import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dxnn_agent.errors import CheckpointError, CheckpointTimeoutError, UsageError
from dxnn_agent.owner import Owner

_COOKIE_NAME = ".erlang.cookie"

# mnesia:backup/1 writes every table as of one moment; the live directory may be torn at any.
# https://www.erlang.org/doc/apps/mnesia/mnesia.html#backup/1
# The answer is JSON in which every text is a list of code points, so that nothing needs escaping.
_BACKUP = """
Text = fun(Letters) -> [$[, lists:join($,, [integer_to_list(L) || L <- Letters]), $]] end,
Field = fun(Name, Value) -> [$", Name, $", $:, Value] end,
Size = fun(T) -> integer_to_list(mnesia:table_info(T, size)) end,
Table = fun(T) -> [$[, Text(atom_to_list(T)), $,, Size(T), $]] end,
Failed = fun(Reason) -> Field("error", Text(lists:flatten(io_lib:format("~0tp", [Reason])))) end,
Answer =
    try mnesia:backup(%s) of
        ok ->
            Tables = lists:delete(schema, lists:sort(mnesia:system_info(tables))),
            [Field("otp_release", Text(erlang:system_info(otp_release))), $,,
             Field("node", Text(atom_to_list(node()))), $,,
             Field("tables", [$[, lists:join($,, [Table(T) || T <- Tables]), $]])];
        {error, Refusal} -> Failed(Refusal)
    catch
        _:Crash -> Failed(Crash)
    end,
io:put_chars([${, Answer, $}, $\\n]).
"""


def backup(node: str, cookie_file: Path, path: Path, seconds: float, user: Owner) -> dict[str, Any]:
    """Have mnesia write a consistent dump to `path` and return what the node says of itself.

    Asks as the trainer's user, who alone can read the cookie. Raises CheckpointError where there is
    no such node or mnesia refuses, CheckpointTimeoutError where it takes longer than `seconds`.
    """
    arguments = ["-name", node, "-timeout", str(max(1, round(seconds)))]
    arguments += ["-R", "-e", "-fetch_stdout", "-no_result_term"]
    expressions = _BACKUP % json.dumps([ord(letter) for letter in str(path)])
    with _home_with(cookie_file) as home:
        try:
            done = subprocess.run(
                user.command("erl_call", arguments),
                input=expressions,
                env=os.environ | user.environment | {"HOME": str(home)},
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired as error:
            raise CheckpointTimeoutError(
                f"Erlang node {node} did not finish its dump in {seconds:.0f} s"
            ) from error
        except OSError as error:
            raise CheckpointError(
                f"erl_call can't be run ({error.strerror}): install Erlang, or set "
                "checkpoint_command"
            ) from error
    try:
        answer = json.loads(done.stdout)
    except ValueError as error:
        said = (done.stderr or done.stdout).strip() or f"erl_call ended with {done.returncode}"
        raise CheckpointError(f"Erlang node {node} gave no dump: {said}") from error
    if "error" in answer:
        raise CheckpointError(f"mnesia of {node} gave no dump: {_text(answer['error'])}")
    return {
        "otp_release": _text(answer["otp_release"]),
        "node": _text(answer["node"]),
        "tables": {_text(name): size for name, size in answer["tables"]},
    }


def make_cookie(cookie_file: Path) -> None:
    """Make this machine's cookie, readable by its owner only, unless there is one."""
    try:
        cookie_file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(cookie_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    except FileExistsError:
        return
    except OSError as error:
        raise UsageError(
            f"erlang_cookie_file {cookie_file} can't be made: {error.strerror}"
        ) from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32))


@contextmanager
def _home_with(cookie_file: Path) -> Iterator[Path]:
    """A home folder in which erl_call finds the cookie: on its command line all could read it."""
    if cookie_file.name == _COOKIE_NAME:
        yield cookie_file.parent
        return
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o711)  # it holds no secret, and the trainer's user looks in
        with suppress(OSError):
            (Path(home) / _COOKIE_NAME).symlink_to(cookie_file)
        yield Path(home)


def _text(code_points: list[int]) -> str:
    return "".join(map(chr, code_points))
