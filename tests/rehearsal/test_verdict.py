"""A verdict finds what is wrong, whatever of the contract it is, and nothing where all is right."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from rehearsal import verdict
from tests.rehearsal.good_story import FIRST, JOB_PREFIX, NEWEST, SECOND, Files, good_story, key

Tamper = Callable[[Files], Files]

LAYOUT = "objects lie where"
SENTINEL = "_SUCCESS has the contract's keys"
INTERRUPTED = "run one was interrupted"
COMPLETED = "run two completed"
PARENT = "run two names run one"
LAST = "written last"
ONCE = "nothing was written twice"
FINALIZATION = "exactly one finalization"
MANIFEST = "the manifest lists"
METADATA = "every dump has its metadata"
ARTIFACTS = "artifacts of the completed run"
RESTORED = "was restored, byte for byte"
LINES = "well formed"
STORY = "tell the story"
CREDENTIALS = "credentials came"
DOWN = "powered itself off once"
PROCESSES = "no process"
COMPLETION = "one completion dump"

SUCCESS = key(FIRST, "_SUCCESS")


def swapped(files: Files) -> Files:
    """Write the manifest of the first run after its sentinel."""
    writes = [one for one in files.writes if one != SUCCESS]
    manifest = writes.index(key(FIRST, "_MANIFEST.json"))
    return replace(files, writes=(*writes[:manifest], SUCCESS, *writes[manifest:]))


def artifact_first(files: Files) -> Files:
    """Write an artifact of the second run before its dumps."""
    name = key(SECOND, "artifacts/benchmarks/report")
    writes = [one for one in files.writes if one != name]
    start = writes.index(key(SECOND, "dxnn-run.log")) + 1
    return replace(files, writes=(*writes[:start], name, *writes[start:]))


def log_of_first(files: Files, change: Callable[[str], str]) -> Files:
    """Change the first instance's log, on its disk and in S3 alike."""
    log = change(files.instances[0].log)
    return files.with_instance(0, log=log).with_body(key(FIRST, "dxnn-run.log"), log.encode())


TAMPERINGS: list[tuple[str, Tamper, set[str]]] = [
    ("a stray object", lambda f: f.with_body("dxnn/other", b""), {LAYOUT}),
    ("an unknown name", lambda f: f.with_body(key(FIRST, "core"), b""), {LAYOUT, MANIFEST, ONCE}),
    ("a key missing", lambda f: f.with_json(SUCCESS, agent_version=...), {SENTINEL}),
    ("a key too many", lambda f: f.with_json(SUCCESS, mood="fine"), {SENTINEL}),
    ("a wrong type", lambda f: f.with_json(SUCCESS, exit_code="0"), {SENTINEL}),
    ("no such reason", lambda f: f.with_json(SUCCESS, reason="boredom"), {SENTINEL, INTERRUPTED}),
    (
        "no such time",
        lambda f: f.with_json(SUCCESS, finalized_at="2025-02-30T14:30:12Z"),
        {SENTINEL},
    ),
    ("another run's", lambda f: f.with_json(SUCCESS, run_id=SECOND), {SENTINEL}),
    ("another machine's", lambda f: f.with_json(SUCCESS, instance_id="i-3"), {SENTINEL}),
    ("no JSON", lambda f: f.with_body(SUCCESS, b"yes"), {SENTINEL, INTERRUPTED, MANIFEST}),
    ("not interrupted", lambda f: f.with_json(SUCCESS, completion_status="normal"), {INTERRUPTED}),
    ("no notice", lambda f: f.with_json(SUCCESS, notice_time=None), {INTERRUPTED}),
    ("too late", lambda f: f.with_json(SUCCESS, margin_seconds=-0.5), {INTERRUPTED}),
    ("failed", lambda f: f.with_json(key(SECOND, "_SUCCESS"), exit_code=1), {COMPLETED}),
    (
        "an orphan",
        lambda f: f.with_json(key(SECOND, "_SUCCESS"), parent_run_id=None),
        {PARENT, METADATA},
    ),
    ("the sentinel not last", swapped, {LAST}),
    ("artifacts before dumps", artifact_first, {LAST}),
    ("a second _SUCCESS", lambda f: replace(f, writes=(*f.writes, SUCCESS)), {LAST, ONCE}),
    (
        "a dump sent twice",
        lambda f: replace(f, writes=(f.writes[0], key(FIRST, f"{NEWEST}.dmp"), *f.writes[1:])),
        {ONCE},
    ),
    (
        "a failure beside the success",
        lambda f: replace(
            f.with_body(key(FIRST, "_FAILED_UPLOAD"), b"{}"),
            writes=(f.writes[0], key(FIRST, "_FAILED_UPLOAD"), *f.writes[1:]),
        ),
        {FINALIZATION},
    ),
    (
        "two finalizations",
        lambda f: log_of_first(f, lambda log: log + log.splitlines()[-2] + "\n"),
        {FINALIZATION, MANIFEST},
    ),
    (
        "an object not in the manifest",
        lambda f: replace(
            f.with_body(key(FIRST, "artifacts/late"), b"late"),
            writes=(f.writes[0], key(FIRST, "artifacts/late"), *f.writes[1:]),
        ),
        {MANIFEST, LAST},
    ),
    (
        "a manifest's object that is not there",
        lambda f: f.without(key(FIRST, "artifacts/benchmarks/report")),
        {MANIFEST},
    ),
    (
        "other bytes than the manifest says",
        lambda f: f.with_body(key(SECOND, "artifacts/benchmarks/report"), b"fat"),
        {MANIFEST},
    ),
    (
        "another manifest than the sentinel says",
        lambda f: f.with_json(key(FIRST, "_MANIFEST.json"), note="changed"),
        {MANIFEST},
    ),
    ("no manifest", lambda f: f.without(key(FIRST, "_MANIFEST.json")), {LAYOUT, MANIFEST}),
    (
        "metadata of another file",
        lambda f: f.with_json(key(FIRST, f"{NEWEST}.metadata.json"), sha256="0" * 64),
        {METADATA, MANIFEST},
    ),
    (
        "a dump without metadata",
        lambda f: f.without(key(FIRST, f"{NEWEST}.metadata.json")),
        {METADATA, MANIFEST},
    ),
    (
        "no artifacts",
        lambda f: f.without(key(SECOND, "artifacts/benchmarks/report")),
        {ARTIFACTS, MANIFEST},
    ),
    (
        "no completion dump",
        lambda f: f.without(key(SECOND, "completion-20250111-143120Z.dmp")),
        {COMPLETION, MANIFEST},
    ),
    (
        "an older checkpoint restored",
        lambda f: f.with_instance(1, restored={"checkpoint-20250111-143016Z.dmp": "0" * 64}),
        {RESTORED},
    ),
    ("nothing restored", lambda f: f.with_instance(1, restored={}), {RESTORED}),
    (
        "a torn log line",
        lambda f: log_of_first(f, lambda log: log + "[UTC 2025-01-11T14:3"),
        {LINES, MANIFEST},
    ),
    (
        "an unknown state",
        lambda f: log_of_first(f, lambda log: log + "[UTC 2025-01-11T14:30:12Z] STATE: NAPPING\n"),
        {LINES, MANIFEST},
    ),
    (
        "a value with a space and no quotes",
        lambda f: log_of_first(
            f, lambda log: log + "[UTC 2025-01-11T14:30:12Z] STATE: DETECTED a=b c\n"
        ),
        {LINES, MANIFEST},
    ),
    (
        "another log in S3",
        lambda f: f.with_instance(0, log=f.instances[0].log.replace("WATCH_START", "RUN_START")),
        {LINES},
    ),
    (
        "no checkpoint at the notice",
        lambda f: log_of_first(
            f,
            lambda log: "".join(
                line for line in log.splitlines(keepends=True) if "CHECKPOINT_OK" not in line
            ),
        ),
        {STORY, MANIFEST},
    ),
    (
        "credentials of its own",
        lambda f: f.with_instance(1, credentials_fetched=False),
        {CREDENTIALS},
    ),
    ("taken by EC2", lambda f: f.with_instance(0, reclaimed=True), {DOWN}),
    ("powered off twice", lambda f: f.with_instance(0, poweroffs=2), {DOWN}),
    ("still running", lambda f: f.with_instance(0, ec2_state="running"), {DOWN}),
    ("a process left", lambda f: f.with_instance(1, processes=(4711,)), {PROCESSES}),
]


def failed(files: Files, *, completion_dump: bool = True) -> set[str]:
    verdicts = verdict.judge(files.evidence(), JOB_PREFIX, completion_dump=completion_dump)
    return {one.rule for one in verdicts if one.held is False}


def test_a_good_story_holds() -> None:
    verdicts = verdict.judge(good_story().evidence(), JOB_PREFIX, completion_dump=True)
    assert [one for one in verdicts if one.held is not True] == []
    assert len(verdicts) == 18


@pytest.mark.parametrize(
    ("tamper", "rules"), [case[1:] for case in TAMPERINGS], ids=[case[0] for case in TAMPERINGS]
)
def test_tampering_is_found(tamper: Tamper, rules: set[str]) -> None:
    found = failed(tamper(good_story()))
    assert len(found) == len(rules), found
    for rule in rules:
        assert any(rule in one for one in found), (rule, found)


def test_every_rule_is_broken_by_some_tampering() -> None:
    verdicts = verdict.judge(good_story().evidence(), JOB_PREFIX, completion_dump=True)
    broken = {rule for _, _, rules in TAMPERINGS for rule in rules}
    for one in verdicts:
        assert any(rule in one.rule for rule in broken), one.rule


def test_a_missing_run_is_found() -> None:
    files = good_story()
    bodies = {k: body for k, body in files.bodies.items() if f"run-{SECOND}/" not in k}
    assert failed(replace(files, bodies=bodies)) == {"each instance has a run of its own in S3"}


def test_what_cannot_be_checked_is_said() -> None:
    verdicts = verdict.judge(good_story().evidence(), JOB_PREFIX, completion_dump=False)
    unchecked = [one for one in verdicts if one.held is None]
    assert [(COMPLETION in one.rule, bool(one.detail)) for one in unchecked] == [(True, True)]


def test_many_problems_are_told_in_short() -> None:
    files = good_story()
    for number in range(9):
        files = files.with_body(f"elsewhere/{number}", b"")
    verdicts = verdict.judge(files.evidence(), JOB_PREFIX, completion_dump=True)
    detail = next(one.detail for one in verdicts if LAYOUT in one.rule)
    assert detail.endswith("and 6 more")
