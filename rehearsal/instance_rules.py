"""The rules of docs/contract.md about what instances did; each names what speaks against it."""

from collections.abc import Callable, Iterator, Sequence

from rehearsal import contract
from rehearsal.evidence import InstanceEvidence
from rehearsal.runs import FAILED, LOG, Story

_TRAINS = ("RUN_START", "CHECKPOINT_START", "CHECKPOINT_OK", "UPLOAD_SUCCESS")
_ENDS = ("RUN_EXIT", "FINALIZE_START", "UPLOAD_SUCCESS", "FINALIZE_SUCCESS", "TERMINATING")


def _one_finalization(told: Story) -> Iterator[str]:
    for instance, run in told.pairs:
        states = _states(instance)
        for state in ("FINALIZE_SUCCESS", "TERMINATING"):
            if states.count(state) != 1:
                yield f"{run.run_id} has {states.count(state)} lines {state}"
        if FAILED in run.objects:
            yield f"{run.run_id} has {FAILED}"


def _restored(told: Story) -> Iterator[str]:
    for before, (instance, _) in zip(told.runs, list(told.pairs)[1:], strict=False):
        newest = before.newest_checkpoint
        if newest is None:
            yield f"{before.run_id} has no checkpoint"
        elif instance.restored != {newest: before.objects[newest].sha256}:
            yield f"{instance.instance_id} restored {instance.restored}, the newest is {newest}"


def _log_lines(told: Story) -> Iterator[str]:
    for instance, run in told.pairs:
        for line in instance.log.splitlines():
            if contract.log_state(line) is None:
                yield f"{run.run_id}: {line!r}"
        stored = run.objects.get(LOG)
        if stored and not instance.log.encode().startswith(stored.body):
            yield f"{run.run_id}: the log in S3 is not the beginning of the one on the instance"


def _log_story(told: Story) -> Iterator[str]:
    first = ("RESTORE_START", "RESTORE_NONE", *_TRAINS, "DETECTED", "CHECKPOINT_OK", *_ENDS)
    last = ("RESTORE_START", "RESTORE_OK", "RUN_START", *_ENDS)
    for (instance, run), expected in zip(told.pairs, (first, last), strict=True):
        missing = _first_missing(_states(instance), expected)
        if missing:
            yield f"{run.run_id}: no {missing} where one belongs"


def _first_missing(states: Sequence[str], expected: Sequence[str]) -> str | None:
    position = 0
    for state in expected:
        try:
            position = states.index(state, position) + 1
        except ValueError:
            return state
    return None


def _states(instance: InstanceEvidence) -> list[str]:
    found = (contract.log_state(line) for line in instance.log.splitlines())
    return [state for state in found if state]


def _credentials(told: Story) -> Iterator[str]:
    for instance in told.evidence.instances:
        if not instance.credentials_fetched:
            yield f"{instance.instance_id} never asked for its role's credentials"


def _down(told: Story) -> Iterator[str]:
    for instance in told.evidence.instances:
        if instance.reclaimed:
            yield f"{instance.instance_id} was still up when its notice's time had come"
        if instance.poweroffs != 1:
            yield f"{instance.instance_id} powered itself off {instance.poweroffs} times"
        if instance.ec2_state != "terminated":
            yield f"{instance.instance_id} is {instance.ec2_state}"


def _processes(told: Story) -> Iterator[str]:
    for instance in told.evidence.instances:
        if instance.processes:
            yield f"{instance.instance_id} still has {', '.join(map(str, instance.processes))}"


RULES: dict[str, Callable[[Story], Iterator[str]]] = {
    "exactly one finalization a run": _one_finalization,
    "the newest checkpoint of run one was restored, byte for byte": _restored,
    "every line of the logs is well formed": _log_lines,
    "the logs tell the story in its order": _log_story,
    "credentials came from the metadata service": _credentials,
    "each instance powered itself off once, in time, and was terminated": _down,
    "no process is left": _processes,
}
