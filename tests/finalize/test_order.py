"""What finalize sends first may be all that arrives, so the order is part of the contract."""

import base64
import hashlib

from tests.agent_log import parse_log
from tests.bucket import Bucket
from tests.fault_proxy import Exchange, FaultProxy
from tests.finalize.conftest import COMPLETION, EXPECTED, NEWEST, OLD, OLDER
from tests.machine import Machine

SEALS = {"_MANIFEST.json", "_SUCCESS"}


def sent(proxy: FaultProxy, run: str) -> list[Exchange]:
    exchanges = [e for e in proxy.exchanges if e.request.method == "PUT"]
    return [e for e in exchanges if e.request.key.startswith(run)]


def test_newest_checkpoint_first_and_the_sentinel_last(
    trained: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    assert trained.agent("finalize").code == 0
    run = bucket.only_run()
    arrived = [exchange.request.key.removeprefix(run) for exchange in sent(proxy, run)]
    groups = [
        {f"checkpoint-{NEWEST}.dmp", f"checkpoint-{NEWEST}.metadata.json"},
        {f"completion-{COMPLETION}.dmp", f"completion-{COMPLETION}.metadata.json"},
        {
            f"checkpoint-{stamp}.{suffix}"
            for stamp in (OLD, OLDER)
            for suffix in ("dmp", "metadata.json")
        },
        {"artifacts/benchmarks/report.txt", "artifacts/benchmarks/by run/1 é.txt"},
        {"dxnn-run.log"},
        {"_MANIFEST.json"},
        {"_SUCCESS"},
    ]
    for group in groups:
        now, arrived = arrived[: len(group)], arrived[len(group) :]
        assert set(now) == group
    assert arrived == []
    last = [exchange for exchange in proxy.exchanges if exchange.request.changes][-1]
    assert last.request.name == "_SUCCESS"
    assert last.request.headers["if-none-match"] == "*"


def test_the_log_in_s3_tells_of_the_uploads_before_it(trained: Machine, bucket: Bucket) -> None:
    assert trained.agent("finalize").code == 0
    run = bucket.only_run()
    uploaded = bucket.read(f"{run}dxnn-run.log").decode()
    assert trained.log_file.read_text().startswith(uploaded)
    states = [event.state for event in parse_log(uploaded)]
    assert "FINALIZE_START" in states
    assert states.count("UPLOAD_SUCCESS") == len(EXPECTED - {*SEALS, "dxnn-run.log"})


def test_states_of_a_whole_finalization(trained: Machine) -> None:
    assert trained.agent("finalize").code == 0
    states = trained.states()
    assert states[:3] == ["RESTORE_START", "RESTORE_NONE", "FINALIZE_START"]
    assert set(states[3:-2]) == {"UPLOAD_SUCCESS"}
    assert states[-2:] == ["FINALIZE_SUCCESS", "TERMINATING"]


def test_every_object_is_sent_with_a_sha256_that_s3_verifies(
    trained: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    assert trained.agent("finalize").code == 0
    run = bucket.only_run()
    exchanges = sent(proxy, run)
    assert exchanges
    for exchange in exchanges:
        body = bucket.read(exchange.request.key)
        expected = base64.b64encode(hashlib.sha256(body).digest()).decode()
        assert exchange.request.headers.get("x-amz-checksum-sha256") == expected


def test_artifacts_follow_their_globs(trained: Machine, bucket: Bucket) -> None:
    trained.configure(artifacts=["benchmarks/*.txt", "not-*.txt", "missing/**"])
    assert trained.agent("finalize").code == 0
    names = bucket.names(bucket.only_run())
    assert {name for name in names if name.startswith("artifacts/")} == {
        "artifacts/benchmarks/report.txt",
        "artifacts/not-an-artifact.txt",
    }


def test_a_completion_dump_gets_the_metadata_its_trainer_could_not_know(
    trained: Machine, bucket: Bucket
) -> None:
    assert trained.agent("finalize").code == 0
    run = bucket.only_run()
    metadata = bucket.json(f"{run}completion-{COMPLETION}.metadata.json")
    body = bucket.read(f"{run}completion-{COMPLETION}.dmp")
    assert metadata["sha256"] == hashlib.sha256(body).hexdigest()
    assert metadata["size"] == len(body)
    assert metadata["kind"] == "completion"
    assert metadata["parent_run_id"] is None
    assert metadata["tables"] == {"experiment": 1}
    assert run.endswith(f"run-{metadata['run_id']}/")
