"""What holds for every job that has come to its end, whatever happened to it on the way."""

import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from rehearsal import contract, s3_rules
from rehearsal.evidence import Evidence
from rehearsal.progress import Position, xor_positions
from rehearsal.runs import DUMP, FAILED, SUCCESS, StoredRun, Story
from tests.machines.jobs import GENERATIONS, REPORT, RUNS, Job

_OF_EACH_RUN = (
    "objects lie where the layout says, and no others",
    "the manifest lists every object with the size and SHA-256 that S3 holds",
    "every dump has its metadata, and they agree",
)
_OF_A_RUN_IN_ONE_GO = (
    "log, manifest and _SUCCESS were written last, in that order",
    "nothing was written twice, _SUCCESS least of all",
)

# Prints run and generation of the population in a mnesia backup. What changed while it was written
# is there once as it came, once as {Table, Key} to be deleted, and once as it was: the last holds.
_POSITION = """
[File] = init:get_plain_arguments(),
{ok, Found} = mnesia:traverse_backup(File, mnesia_backup, dummy, read_only,
    fun(Record, Positions) when element(1, Record) =:= population, tuple_size(Record) > 3 ->
            {[Record], [{element(3, Record), element(4, Record)} | Positions]};
       (Record, Positions) -> {[Record], Positions}
    end, []),
{Run, Generation} = hd(Found),
io:format("~b ~b", [Run, Generation]), halt().
"""


def finalized(job: Job) -> list[StoredRun]:
    """A job's runs that have their `_SUCCESS`."""
    return [run for run in job.runs if SUCCESS in run.objects]


def check_runs(job: Job, *, in_one_go: bool = True) -> None:
    """Check what each finalized run has in S3; `in_one_go` says that nobody had to try again."""
    found = finalized(job)
    objects = tuple(one for run in found for one in run.objects.values())
    told = Story(Evidence(objects, tuple(job.s3.stored), ()), tuple(found))
    for rule in (*_OF_EACH_RUN, *(_OF_A_RUN_IN_ONE_GO if in_one_go else ())):
        problems = list(s3_rules.RULES[rule](told))
        assert not problems, f"{rule}: {problems}"
    for run in found:
        assert contract.wrong_keys(run.sentinel, contract.SENTINEL) == []
        assert FAILED not in run.objects or not in_one_go


def check_finalized_once(job: Job, *, told: bool = True) -> None:
    """Check that each run's sentinel was written once, by one process; `told` says: which said so.

    Whoever is killed right after writing it has no time to.
    """
    written = Counter(job.puts(f"/{SUCCESS}"))
    assert written == Counter(f"{run.prefix}{SUCCESS}" for run in finalized(job))
    said = Counter(one.values["run_id"] for one in job.events if one.state == "FINALIZE_SUCCESS")
    runs = Counter(run.run_id for run in finalized(job))
    assert said == runs if told else said <= runs


def check_completed(job: Job) -> None:
    """Check that the last run completed the job, and that its training missed no generation."""
    *others, last = finalized(job)
    assert (last.sentinel["completion_status"], last.sentinel["exit_code"]) == ("normal", 0)
    assert last.sentinel["reason"] == "training_completed"
    assert {run.sentinel["completion_status"] for run in others} <= {"interrupted"}
    assert job.runs[-1] == last, "nothing was begun after it"
    rows = [line.split("\t")[:2] for line in report(job).splitlines()[1:]]
    everything = [
        (run, generation) for run in range(1, RUNS + 1) for generation in range(1, GENERATIONS + 1)
    ]
    assert [(int(run), int(generation)) for run, generation in rows] == everything
    assert job.desired == 0
    assert {one.states[-1] for one in job.trainees} == {"terminated"}


def check_down_by_itself(job: Job, number: int) -> None:
    """Check that an instance powered itself off once, and before EC2 took it."""
    trainee = job.trainees[number - 1]
    told = job.clients["ec2"].describe_instances(InstanceIds=[trainee.id])
    (described,) = told["Reservations"][0]["Instances"]
    assert described["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    asked = [line for line in trainee.machine.lines() if "The agent asked for poweroff" in line]
    assert len(asked) == 1


def check_continued(job: Job, run: StoredRun, parent: StoredRun) -> None:
    """Check that a run restored its parent's newest dump and went on from there."""
    newest = max(filter(DUMP.fullmatch, parent.objects), key=lambda name: name.partition("-")[2])
    (restored,) = (
        one
        for one in job.events
        if one.state == "RESTORE_OK" and one.values["run_id"] == run.run_id
    )
    assert restored.values["parent_run_id"] == parent.run_id == run.sentinel["parent_run_id"]
    assert restored.values["file"] == newest
    (trainee,) = (one for one in job.trainees if one.id == run.sentinel["instance_id"])
    output = [one.text for one in trainee.output if one.at >= restored.at.timestamp()]
    at = position(parent.objects[newest].body)
    if newest.startswith("completion"):  # the trainer was told to stop when it had just finished
        assert not xor_positions(output)
    else:
        assert xor_positions(output)[0] == at, "it resumed where the dump was taken"
        assert f"resumed at generation {at[1]}" in output


def position(dump: bytes) -> Position:
    """Read from a dump how far its training had come."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "dump"
        file.write_bytes(dump)
        told = subprocess.run(
            ["erl", "-noshell", "-eval", _POSITION, "-extra", str(file)],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        ).stdout
    run, generation = map(int, told.split())
    return run, generation


def report(job: Job) -> str:
    """A completed job's report: a line for each generation."""
    (found,) = (run.objects[REPORT] for run in finalized(job) if REPORT in run.objects)
    return found.body.decode()
