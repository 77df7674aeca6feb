"""The way into the trainer's Erlang node: `erl_call`, with the cookie kept out of sight."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dxnn_agent import hand_over, trainer_environment
from dxnn_agent.errors import CheckpointError, CheckpointTimeoutError, UsageError
from dxnn_agent.owner import Owner
from dxnn_agent.settings import Settings

_COOKIE_NAME = ".erlang.cookie"

# Our launcher's node takes its dumps itself, and reads them back. Any other node is asked for what
# every mnesia can do: a backup of all tables as of one moment, which the live directory is not,
# with tables in memory as they are now; and how many records of each are in it.
# https://www.erlang.org/doc/apps/mnesia/mnesia.html#activate_checkpoint/1
_BACKUP = r"""
File = %s,
Letter = fun(C) when C >= 32, C < 127, C =/= $", C =/= $\\ -> C;
            (C) -> io_lib:format("\\u~4.16.0b", [C band 16#ffff]) end,
Text = fun(Letters) -> [$", lists:map(Letter, Letters), $"] end,
Object = fun(Members) ->
    [${, lists:join($,, [[Text(Name), $:, Value] || {Name, Value} <- Members]), $}] end,
Failed = fun(Why) -> [{"error", Text(lists:flatten(io_lib:format("~0tp", [Why])))}] end,
Take = fun({schema, Table, _} = Item, Held) -> {[Item], Held#{Table => #{}}};
          ({Table, Key} = Item, Held) ->
              {[Item], maps:update_with(Table, fun(Keys) -> maps:remove(Key, Keys) end, Held)};
          (Item, Held) ->
              Key = element(2, Item),
              Put = fun(Keys) -> Keys#{Key => [held | maps:get(Key, Keys, [])]} end,
              {[Item], maps:update_with(element(1, Item), Put, Held)} end,
Backup = fun() ->
    All = [{max, mnesia:system_info(tables)}, {ram_overrides_dump, true}],
    {ok, Checkpoint, _} = mnesia:activate_checkpoint(All),
    ok = mnesia:backup_checkpoint(Checkpoint, File),
    mnesia:deactivate_checkpoint(Checkpoint),
    {ok, Held} = mnesia:traverse_backup(File, mnesia_backup, none, read_only, Take, #{}),
    Tables = lists:sort(maps:to_list(maps:remove(schema, Held))),
    Size = fun(Keys) -> integer_to_list(length(lists:append(maps:values(Keys)))) end,
    Sizes = [{atom_to_list(T), Size(Keys)} || {T, Keys} <- Tables],
    [{"otp_release", Text(erlang:system_info(otp_release))},
     {"node", Text(atom_to_list(node()))}, {"tables", Object(Sizes)}] end,
case code:ensure_loaded(dxnn_checkpoint) of
    {module, _} -> io:put_chars(dxnn_checkpoint:take(File, %d));
    {error, _} -> io:put_chars([Object(try Backup() catch _:Why -> Failed(Why) end), $\n])
end.
"""
# What our node leaves of a dump's time to be read back in, so that its answer still arrives.
_ANSWERED_WITHIN_SECONDS = 1.0
_CHECK = "dxnn-check"
_CHECKED_WITHIN_SECONDS = 900


def backup(node: str, cookie_file: Path, path: Path, seconds: float, user: Owner) -> dict[str, Any]:
    """Have mnesia write a consistent dump to `path` and return what the node says of itself.

    Asks as the trainer's user, who alone can read the cookie, and in his environment. Raises
    CheckpointError where there is no such node or mnesia refuses, CheckpointTimeoutError where it
    takes longer than `seconds`, UsageError where there is no erl_call, or no telling what that
    environment is.
    """
    arguments = ["-name", node, "-timeout", str(max(1, round(seconds)))]
    arguments += ["-R", "-e", "-fetch_stdout", "-no_result_term"]
    milliseconds = max(0, round((seconds - _ANSWERED_WITHIN_SECONDS) * 1000))
    expressions = _BACKUP % ([ord(letter) for letter in str(path)], milliseconds)
    # Erlang's own variables, such as ERL_EPMD_PORT, say where the node is found.
    program = erl_call()
    own = trainer_environment.of(user)
    with (
        _home_with(cookie_file) as home,
        hand_over.to(user, [program, *arguments], own | {"HOME": str(home)}) as given,
    ):
        try:
            done = subprocess.run(
                **given,
                input=expressions,
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
            raise CheckpointError(f"{program} can't be run: {error.strerror}") from error
    try:
        answer = json.loads(done.stdout)
    except ValueError as error:
        said = (done.stderr or done.stdout).strip() or f"erl_call ended with {done.returncode}"
        raise CheckpointError(f"Erlang node {node} gave no dump: {said}") from error
    if "error" in answer:
        raise CheckpointError(f"mnesia of {node} gave no dump: {answer['error']}")
    return dict(answer)


def erl_call() -> str:
    """Find the program that talks to a node. Raises UsageError where there is none."""
    found = shutil.which("erl_call", path=trainer_environment.path())
    if found is None:
        raise UsageError(
            "erl_call is missing: it is in Debian's package erlang-base; another trainer than "
            "Erlang's needs checkpoint_command"
        )
    return found


def why_no_trainer_starts_from(dump: Path, settings: Settings, *, checked: bool) -> str | None:
    """Say why the trainer that lies here could not start from a dump of mnesia.

    None where it could, and where nobody can tell: `dxnn-check`, beside the launcher, looks whether
    the dump has the fields of the trainer's records and whether what it names is there; the latter
    only where that was not `checked` when the dump was taken.
    """
    launcher = shutil.which(settings.trainer_command[0])
    program = Path(launcher).with_name(_CHECK) if launcher else None
    if program is None or not program.is_file():
        return None
    depth = ["--schema-only"] if checked else []
    try:
        done = subprocess.run(
            [program, *depth, "--trainer", settings.trainer_directory, dump],
            env={"HOME": "/", **os.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_CHECKED_WITHIN_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{_CHECK} can't tell: {error}"
    if done.returncode == 0:
        return None
    lines = (done.stderr or done.stdout).strip().splitlines()
    said = lines[-1] if lines else f"{_CHECK} ended with {done.returncode}"
    return said.removeprefix(f"{_CHECK}: ")


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
