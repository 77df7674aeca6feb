"""The default way: ask an Erlang node that runs mnesia for a backup."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bucket import Bucket
from tests.loopback import free_ports
from tests.machine import Machine, NewMachine
from tests.waiting import wait_until

NODE = "trainer@127.0.0.1"
COOKIE = "cookie-of-the-tests"
START = (
    "ok = mnesia:create_schema([node()]), ok = mnesia:start(), "
    "{atomic, ok} = mnesia:create_table(agent, [{disc_copies, [node()]}]), "
    "[ok = mnesia:dirty_write({agent, N, lists:duplicate(10, N)}) || N <- lists:seq(1, 500)], "
    'ok = file:write_file("ready", <<>>).'
)
COUNT = (
    "{ok, _} = application:ensure_all_started(mnesia), [Dump] = init:get_plain_arguments(), "
    "{ok, N} = mnesia:traverse_backup(Dump, mnesia_backup, none, read_only, "
    "fun({agent, _, _} = R, A) -> {[R], A + 1}; (R, A) -> {[R], A} end, 0), "
    'io:format("~p", [N]), halt().'
)

pytestmark = pytest.mark.skipif(not shutil.which("erl_call"), reason="Erlang is not installed")


@pytest.fixture
def node(machine_with: NewMachine) -> Iterator[Machine]:
    """Yield a machine in a run, with a node beside it whose table `agent` has 500 records."""
    machine = machine_with(checkpoint_command=None, erlang_node=NODE)
    cookie = machine.root / "erlang.cookie"
    cookie.write_text(COOKIE)
    cookie.chmod(0o400)
    machine.environment["ERL_EPMD_PORT"] = str(free_ports(1)[0])
    machine.environment["ERL_EPMD_ADDRESS"] = "127.0.0.1"
    assert machine.agent("restore").code == 0
    erl = subprocess.Popen(
        [
            *("erl", "-noinput", "-name", NODE, "-setcookie", COOKIE),
            *("-kernel", "inet_dist_use_interface", "{127,0,0,1}"),
            *("-mnesia", "dir", f'"{machine.root / "mnesia"}"', "-eval", START),
        ],
        cwd=machine.trainer_directory,
        env=machine.environment,
    )
    wait_until((machine.trainer_directory / "ready").exists, "mnesia")
    yield machine
    erl.send_signal(signal.SIGTERM)
    erl.wait(20)


def records_in(dump: Path) -> int:
    counted = subprocess.run(
        ["erl", "-noinput", "-eval", COUNT, "-extra", str(dump)],
        cwd=dump.parent.parent,
        capture_output=True,
        check=True,
    )
    return int(counted.stdout)


def test_a_consistent_dump_by_mnesia(node: Machine, bucket: Bucket) -> None:
    assert node.agent("checkpoint").code == 0
    run = bucket.only_run()
    [name] = [name for name in bucket.names(run) if name.endswith(".dmp")]
    metadata = bucket.json(f"{run}{name.removesuffix('.dmp')}.metadata.json")
    assert metadata["node"] == NODE
    assert metadata["otp_release"].isdigit()
    assert metadata["tables"]["agent"] == 500
    fetched = node.root / "checkpoints" / "fetched"
    fetched.write_bytes(bucket.read(f"{run}{name}"))
    assert records_in(fetched) == 500


def test_a_node_that_is_not_there(machine_with: NewMachine) -> None:
    machine = machine_with(checkpoint_command=None, erlang_node="nobody@127.0.0.1")
    machine.environment["ERL_EPMD_PORT"] = str(free_ports(1)[0])
    assert machine.agent("restore").code == 0
    result = machine.agent("checkpoint", seconds=30)
    assert result.code == 6
    assert "nobody@127.0.0.1" in machine.events("CHECKPOINT_ERROR")[0].values["error"]
    assert not list(machine.checkpoint_dir.glob("*.dmp"))


def test_a_wrong_cookie(node: Machine) -> None:
    wrong = node.root / "wrong.cookie"
    wrong.write_text("wrong")
    wrong.chmod(0o400)
    node.configure(erlang_cookie_file=str(wrong))
    assert node.agent("checkpoint", seconds=30).code == 6
    assert "CHECKPOINT_ERROR" in node.states()


def test_a_node_without_mnesia(node: Machine) -> None:
    subprocess.run(
        ["erl_call", "-c", COOKIE, "-name", NODE, "-a", "mnesia stop"],
        env=node.environment,
        check=True,
        capture_output=True,
    )
    assert node.agent("checkpoint", seconds=30).code == 6
    assert "CHECKPOINT_ERROR" in node.states()
    assert not list(node.checkpoint_dir.glob("*.dmp"))


def test_the_cookie_is_in_no_command_line(node: Machine) -> None:
    """Any user of the machine may read command lines."""
    node.configure(checkpoint_deadline_seconds=5)
    seen: list[str] = []
    command = node.start("checkpoint")
    while command.process.poll() is None:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = process.read_bytes().decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if "erl_call" in line:
                seen.append(line)
    assert command.result().code == 0
    assert seen
    assert not [line for line in seen if COOKIE in line]
