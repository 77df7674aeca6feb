"""What holds for every job that has come to its end, whatever happened to it on the way."""

import tempfile
from collections import Counter
from pathlib import Path

from rehearsal import contract, experiment, s3_rules
from rehearsal.evidence import Evidence
from rehearsal.runs import DUMP, FAILED, SUCCESS, StoredRun, Story
from tests.machines.jobs import GENERATIONS, REPORT, RUNS, Job
from tests.machines.positions import EVALUATIONS, Position, positions

_OF_EACH_RUN = (
    "objects lie where the layout says, and no others",
    "the manifest lists every object with the size and SHA-256 that S3 holds",
    "every dump has its metadata, and they agree",
)
_OF_A_RUN_IN_ONE_GO = (
    "log, manifest and _SUCCESS were written last, in that order",
    "nothing was written twice, _SUCCESS least of all",
)


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
        (run, EVALUATIONS * generation)
        for run in range(1, RUNS + 1)
        for generation in range(1, GENERATIONS + 1)
    ]
    assert [(int(run), int(evaluations)) for run, evaluations in rows] == everything
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
        assert not positions(output)
    else:
        assert positions(output)[0] == at, "it resumed where the dump was taken"
        assert f"population monitor started at {at[1] * EVALUATIONS} evaluations" in output
        check_same_population(job, parent.objects[newest].body)


def check_same_population(job: Job, dump: bytes) -> None:
    """Check that the job's last dump goes on with the population that an earlier one holds."""
    last = job.runs[-1].newest_dump
    assert last is not None
    assert experiment.continued(read(dump), read(last.body)) == []


def read(dump: bytes) -> experiment.Experiment:
    """Read the experiment that a dump holds."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "dump"
        file.write_bytes(dump)
        return experiment.read(file)


def position(dump: bytes) -> Position:
    """Read from a dump how far its training had come."""
    found = read(dump)
    runs = [*found.ended, *([found.under_way] if found.under_way else [])]
    return len(runs), runs[-1].evaluations // EVALUATIONS


def report(job: Job) -> str:
    """A completed job's report: a line for each generation.

    Where a trainer was told to stop when it had just finished, the next one writes it once more.
    """
    found = [run.objects[REPORT] for run in finalized(job) if REPORT in run.objects]
    return found[-1].body.decode()
