"""Erlang as a trainer: its node is asked by `erl_call`, with the cookie kept out of sight."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dxnn_agent.errors import CheckpointError, CheckpointTimeoutError, UsageError
from dxnn_agent.machine import hand_over, programs, trainer_environment, trainer_user
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


_SAYS = "dxnn-train: "
_STALLED = f"{_SAYS}stalled: "
_STALLED_EXIT_CODE = 1


class ErlangTrainer:
    """A trainer whose state is in mnesia, under our launcher or under one of its own."""

    has_launcher = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def prepare(self) -> None:
        """Make the cookie of this machine. Raises UsageError."""
        make_cookie(self._settings.erlang_cookie_file)

    def dump(self, path: Path, seconds: float, _variables: Mapping[str, str]) -> Mapping[str, Any]:
        """Have mnesia write a consistent dump, and give what the node says of it and of itself.

        Asks as the trainer's user, who alone can read the cookie, and in that user's environment.
        Raises CheckpointError where there is no such node or mnesia refuses,
        CheckpointTimeoutError, or UsageError where there is no erl_call.
        """
        node = self._settings.erlang_node
        milliseconds = max(0, round((seconds - _ANSWERED_WITHIN_SECONDS) * 1000))
        expressions = _BACKUP % ([ord(letter) for letter in str(path)], milliseconds)
        printed = self._ask(expressions, seconds)
        try:
            answer = json.loads(printed.stdout)
        except ValueError as error:
            why = (printed.stderr or printed.stdout).strip()
            why = why or f"erl_call ended with {printed.returncode}"
            raise CheckpointError(f"Erlang node {node} gave no dump: {why}") from error
        if "error" in answer:
            raise CheckpointError(f"mnesia of {node} gave no dump: {answer['error']}")
        return dict(answer)

    def _ask(self, expressions: str, seconds: float) -> "subprocess.CompletedProcess[str]":
        node = self._settings.erlang_node
        user = trainer_user.of(self._settings.trainer_directory)
        program = erl_call()
        arguments = ["-name", node, "-timeout", str(max(1, round(seconds)))]
        arguments += ["-R", "-e", "-fetch_stdout", "-no_result_term"]
        # Erlang's own variables, such as ERL_EPMD_PORT, say where the node is found.
        environment = trainer_environment.of(user)
        with (
            _home_with(self._settings.erlang_cookie_file) as home,
            hand_over.to(user, [program, *arguments], environment | {"HOME": str(home)}) as command,
        ):
            try:
                return subprocess.run(
                    **command,
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

    def why_unfit(self, dump: Path, described: Mapping[str, Any]) -> str | None:
        """Say why the trainer that lies here could not start from a dump of mnesia.

        None where it could, and where nobody can tell: `dxnn-check`, beside the launcher, looks
        whether the dump has the fields of the trainer's records and whether what it names is there;
        the latter only where that was not checked when the dump was taken. What lies beside a
        trainer's own program may be the trainer's, and is not run with the agent's rights.
        """
        launcher = shutil.which(self._settings.trainer_command[0])
        program = Path(launcher).with_name(_CHECK) if launcher else None
        directory = self._settings.trainer_directory
        if program is None or not program.is_file() or _is_the_trainers(program, directory):
            return None
        checked = described.get("checked")
        references_hold = isinstance(checked, list) and "references" in checked
        depth = ["--schema-only"] if references_hold else []
        try:
            done = subprocess.run(
                [program, *depth, "--trainer", directory, dump],
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
        last = lines[-1] if lines else f"{_CHECK} ended with {done.returncode}"
        return last.removeprefix(f"{_CHECK}: ")

    def why_stalled(self, exit_code: int, lines: Sequence[str]) -> str | None:
        """What `dxnn-train` said last, where that was that its trainer stands still."""
        own = [line for line in lines if line.startswith(_SAYS)]
        if exit_code != _STALLED_EXIT_CODE or not own or not own[-1].startswith(_STALLED):
            return None
        return own[-1].removeprefix(_STALLED)

    def found(self) -> str:
        """Where `erl_call` is, and of which release. Raises UsageError where it is missing."""
        program = erl_call()
        release = "io:put_chars(erlang:system_info(otp_release)), halt()."
        programs.output(
            ["erl", "-noinput", "-eval", "ok = application:load(mnesia), halt()."], "mnesia"
        )
        return f"{program}, OTP {programs.output(['erl', '-noinput', '-eval', release], 'erl')}"


def _is_the_trainers(program: Path, directory: Path) -> bool:
    """Whether the trainer's user, if another than the agent's, may have put a program there."""
    user = directory.stat().st_uid if directory.is_dir() else os.geteuid()
    owners = {program.stat().st_uid, program.parent.stat().st_uid}
    return user in owners and user != os.geteuid()


def erl_call() -> str:
    """Find the program that talks to a node. Raises UsageError where there is none."""
    program = shutil.which("erl_call", path=trainer_environment.path())
    if program is None:
        raise UsageError(
            "erl_call is missing: it is in Debian's package erlang-base; another trainer than "
            "Erlang's needs checkpoint_command"
        )
    return program


def make_cookie(cookie_file: Path, owner: int = -1) -> None:
    """Make this machine's cookie, for its owner only, unless there is one; whole or not at all.

    `owner` is the trainer's user id, where whoever makes it is another. Raises UsageError.
    """
    if cookie_file.exists():
        return
    temporary = cookie_file.with_name(f"{cookie_file.name}.{os.getpid()}.tmp")
    try:
        cookie_file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(descriptor)
            os.fchown(descriptor, owner, -1)
        temporary.rename(cookie_file)
    except OSError as error:
        raise UsageError(
            f"erlang_cookie_file {cookie_file} can't be made: {error.strerror}"
        ) from error


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
