"""What happened when in a rehearsal, and how much training was at risk at that moment."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LINE = re.compile(r"\[UTC [^\]]*\] STATE: (?P<state>[A-Z_]+)(?P<fields>.*)")
_CHECKPOINT = re.compile(r"checkpoint-[A-Za-z0-9._-]+?\.dmp(?![A-Za-z0-9.])")
_DUMP = re.compile(r"(?:checkpoint|completion)-[A-Za-z0-9._-]+?\.dmp(?![A-Za-z0-9.])")

_SAME_FOR_ALL = re.compile(
    r" (?:run_id|job_id|container_name|instance_id|pid|path|restore_path)=(?:\"[^\"]*\"|\S+)"
)
_UPLOADS = "UPLOAD_SUCCESS"


@dataclass(frozen=True)
class Happening:
    """Something that was seen `at` so many seconds after the start, on the instance of that name.

    `state` is a log state of the agent's, or one of the rehearsal's own, in lower case; `text` is
    the rest, for people.
    """

    at: float
    instance: str
    state: str
    text: str = ""


@dataclass(frozen=True)
class Row:
    """A line of the timeline; `at_risk` is None where nothing was training yet."""

    at: float
    instance: str
    what: str
    at_risk: float | None


def of_log_line(at: float, instance: str, line: str) -> Happening | None:
    """Take a line of the run's log for what it says; None where it is not one."""
    found = _LINE.fullmatch(line)
    return Happening(at, instance, found["state"], found["fields"].strip()) if found else None


def at_risk(happenings: Iterable[Happening], instance: str, at: float) -> float | None:
    """Tell how many seconds of an instance's training would be lost if it vanished `at` a moment.

    Training since the newest checkpoint that had reached S3 by then was taken, or since the trainer
    started; it stops growing when the trainer exits, and a run finalized as `normal` has lost
    nothing. None before the trainer started.
    """
    training_since: float | None = None
    taken: dict[str, float] = {}
    until = at
    for one in happenings:
        if one.instance != instance or one.at > at:
            continue
        checkpoint = _CHECKPOINT.search(one.text)
        if one.state == "RUN_START":
            training_since = one.at
        elif one.state == "CHECKPOINT_START" and checkpoint:
            taken[checkpoint[0]] = one.at
        elif one.state == _UPLOADS and checkpoint and checkpoint[0] in taken:
            training_since = max(training_since or 0.0, taken[checkpoint[0]])
        elif one.state == "RUN_EXIT":
            until = one.at
        elif one.state == "FINALIZE_SUCCESS" and "completion_status=normal" in one.text:
            return 0.0
    return None if training_since is None else max(0.0, until - training_since)


def most_at_risk(happenings: Sequence[Happening]) -> float:
    """Tell the most seconds of training that were at risk at any moment, on any instance."""
    # What is at risk only ever falls at a happening, so it is highest right before one.
    moments = ((one.instance, one.at - 1e-6) for one in happenings)
    return max((at_risk(happenings, *moment) or 0.0 for moment in moments), default=0.0)


def shipped(happenings: Iterable[Happening], instance: str, since: str = "launched") -> int:
    """Count the checkpoints of an instance that have reached S3 since it came to a state."""
    counting, count = False, 0
    for one in happenings:
        if one.instance == instance:
            counting = counting or one.state == since
            arrived = one.state == _UPLOADS and _CHECKPOINT.search(one.text)
            count += bool(counting and arrived)
    return count


def last(happenings: Sequence[Happening], instance: str, state: str) -> Happening | None:
    """Find the last happening of a state on an instance."""
    found = (one for one in reversed(happenings) if (one.instance, one.state) == (instance, state))
    return next(found, None)


def rows(happenings: Sequence[Happening]) -> list[Row]:
    """List what a timeline shows, oldest first."""
    return [
        Row(one.at, one.instance, words(one), at_risk(happenings, one.instance, one.at))
        for one in sorted(filter(shows, happenings), key=lambda one: one.at)
    ]


def shows(one: Happening) -> bool:
    """Tell whether people are shown a happening: not what the next one says anyway."""
    if one.state == _UPLOADS:
        return bool(_DUMP.search(one.text))
    return one.state not in {"CHECKPOINT_START", "RESTORE_START"}


def words(one: Happening) -> str:
    """Put a happening into one short line."""
    dump = _DUMP.search(one.text) if one.state == _UPLOADS else None
    if dump:
        return f"{one.state} {dump[0]}"
    return f"{one.state}{_SAME_FOR_ALL.sub('', f' {one.text}')}".strip()
