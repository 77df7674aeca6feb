"""A dump whose bytes are right, but which no trainer could start from, is passed over."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rehearsal.trainers import LAUNCHER
from tests.bucket import Bucket
from tests.dump_files import put_checkpoint
from tests.machine import Machine, NewMachine
from tests.programs import python

pytestmark = pytest.mark.skipif(not shutil.which("erl"), reason="Erlang is not installed")

RUN = "20250101-000000Z"
OLDER, NEWER = "20250101-000500Z", "20250101-001000Z"

MAKE = r"""
[File, Fields, Records] = init:get_plain_arguments(),
Terms = fun(Text) -> {ok, Tokens, _} = erl_scan:string(Text ++ "."),
    {ok, Term} = erl_parse:parse_term(Tokens), Term end,
ok = mnesia:create_schema([node()]), ok = mnesia:start(),
[{atomic, ok} = mnesia:create_table(Name, [{disc_copies, [node()]}, {attributes, Of}])
    || {Name, Of} <- [{experiment, [id, progress_flag, pm_parameters]},
        {population, [id, specie_ids]}, {specie, [id, agent_ids]}, {agent, Terms(Fields)}]],
[ok = mnesia:dirty_write(Record) || Record <- [{experiment, x, in_progress, {pmp, test}},
    {population, test, [s1]}, {specie, s1, [a1]} | Terms(Records)]],
ok = mnesia:backup(File), halt().
"""
DESCRIPTION = """
{startup, []}.
{resume, true}.
{report_directory, none}.
{records, #{agent => [id, cx_id], pmp => [population_id]}}.
"""


def dump(
    directory: Path, fields: str = "[id, cx_id]", agents: str = "[{agent, a1, undefined}]"
) -> bytes:
    """Make a dump of an experiment in progress, whose population names agent a1."""
    directory.mkdir()
    made = directory / "made.dmp"
    command = ["erl", "-noinput", "-eval", MAKE, "-extra", str(made), fields, agents]
    subprocess.run(command, cwd=directory, check=True, timeout=60)
    return made.read_bytes()


@pytest.fixture
def dxnn(machine_with: NewMachine) -> Machine:
    """Give a machine whose trainer is a DXNN that dxnn-build has described."""
    machine = machine_with(checkpoint_command=None, trainer_command=[LAUNCHER])
    (machine.trainer_directory / "dxnn_trainer.config").write_text(DESCRIPTION)
    return machine


def check_passed_over(machine: Machine, why: str) -> None:
    assert machine.agent("restore").code == 0
    [skipped] = machine.events("RESTORE_SKIPPED")
    assert skipped.values["file"] == f"checkpoint-{NEWER}.dmp"
    assert skipped.values["parent_run_id"] == RUN
    assert skipped.values["error"] == why
    [done] = machine.events("RESTORE_OK")
    assert done.values["file"] == f"checkpoint-{OLDER}.dmp"


def test_one_that_names_what_it_does_not_hold(
    dxnn: Machine, bucket: Bucket, tmp_path: Path
) -> None:
    put_checkpoint(bucket, RUN, OLDER, dump(tmp_path / "whole"))
    put_checkpoint(bucket, RUN, NEWER, dump(tmp_path / "torn", agents="[]"))
    check_passed_over(dxnn, "specie s1 names in agent_ids the agent a1, which is not there")


def test_one_with_other_fields(dxnn: Machine, bucket: Bucket, tmp_path: Path) -> None:
    put_checkpoint(bucket, RUN, OLDER, dump(tmp_path / "same"))
    changed = dump(tmp_path / "changed", "[id, cx_id, fs]", "[{agent, a1, undefined, 1}]")
    put_checkpoint(bucket, RUN, NEWER, changed)
    check_passed_over(dxnn, "table agent: the code's record lacks fs")


def test_where_all_have_other_fields_nothing_starts(
    dxnn: Machine, bucket: Bucket, tmp_path: Path
) -> None:
    changed = dump(tmp_path / "changed", "[id, fs]", "[{agent, a1, 1}]")
    put_checkpoint(bucket, RUN, NEWER, changed)
    for command in ("restore", "run"):
        result = dxnn.agent(command)
        assert result.code == 5
        assert (
            "table agent: the code's record lacks fs and the code's record adds cx_id" in result.err
        )
        assert len(result.err.splitlines()[-1]) < 400
    assert bucket.names(f"dxnn/xor/run-{RUN}/"), "nothing is lost"


def test_what_was_checked_when_it_was_taken_is_not_checked_again(
    dxnn: Machine, bucket: Bucket, tmp_path: Path
) -> None:
    """Reading a large dump once more would cost the boot."""
    put_checkpoint(bucket, RUN, NEWER, dump(tmp_path / "torn", agents="[]"), checked=["references"])
    assert dxnn.agent("restore").code == 0
    assert dxnn.events("RESTORE_OK")


def test_what_is_no_backup_at_all(dxnn: Machine, bucket: Bucket, tmp_path: Path) -> None:
    put_checkpoint(bucket, RUN, OLDER, dump(tmp_path / "whole"))
    put_checkpoint(bucket, RUN, NEWER, b"whatever a hand has put here")
    assert dxnn.agent("restore").code == 0
    [skipped] = dxnn.events("RESTORE_SKIPPED")
    assert skipped.values["error"].startswith("it can't be read: ")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to somebody else")
@pytest.mark.parametrize("owner", [0, 65534])
def test_what_the_trainer_may_have_put_beside_its_program_is_not_run(
    dxnn: Machine, bucket: Bucket, tmp_path: Path, owner: int
) -> None:
    put_checkpoint(bucket, RUN, NEWER, dump(tmp_path / "whole"))
    directory = dxnn.trainer_directory
    ran = tmp_path / "ran"
    for name, script in (("train", "exit 0"), ("dxnn-check", f"id -u >{ran}")):
        program = directory / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    for path in (directory, *directory.iterdir()):
        os.chown(path, owner, owner)
    dxnn.configure(trainer_command=[str(directory / "train")])
    assert dxnn.agent("restore").code == 0
    assert ran.exists() is (owner == 0)


@pytest.mark.parametrize(("stalled", "anew"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_population_that_stood_still_twice_is_not_gone_on_with(
    dxnn: Machine, bucket: Bucket, tmp_path: Path, stalled: int, *, anew: bool
) -> None:
    put_checkpoint(bucket, RUN, NEWER, dump(tmp_path / "whole"))
    for number in range(stalled):
        run = f"dxnn/xor/run-2025010{number + 2}-000000Z/"
        bucket.put(f"{run}dxnn-run.log", b"stood still")
        bucket.put(f"{run}_SUCCESS", b'{"reason": "trainer_stalled"}')
    assert dxnn.agent("restore").code == 0
    told = dxnn.trainer_directory / "told"
    dxnn.configure(
        trainer_command=python(
            "import os, sys; open(sys.argv[1], 'w').write(str(dict(os.environ)))", str(told)
        )
    )
    assert dxnn.agent("run").code == 0
    assert ("DXNN_BEGIN_RUN_ANEW" in told.read_text()) is anew
