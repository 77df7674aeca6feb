"""Large files: sent in parts, each verified by S3, in memory that does not grow with them."""

import os
import subprocess

import pytest

from tests.bucket import Bucket
from tests.fault_proxy import FaultProxy, Request, before, corrupt
from tests.machine import AGENT, Machine
from tests.programs import python
from tests.s3_servers import S3Server

MEBIBYTE = 1 << 20
pytestmark = pytest.mark.refusing_s3


def is_part(request: Request) -> bool:
    return request.method == "PUT" and "partNumber" in request.query


def test_a_part_that_is_corrupted_on_its_way_is_refused_and_sent_again(
    trained: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    content = os.urandom(40 * MEBIBYTE)
    trained.write_artifact("large.bin", content)
    proxy.inject(is_part, corrupt, times=1)

    assert trained.agent("finalize").code == 0

    assert 400 in [e.status for e in proxy.exchanges if is_part(e.request)]
    assert len(trained.events("UPLOAD_RETRY")) == 1
    run = bucket.only_run()
    assert bucket.read(f"{run}artifacts/benchmarks/large.bin") == content
    bucket.check_manifest(run)
    parts = [request for request in proxy.requests if is_part(request)]
    assert len(parts) > 1
    assert all("x-amz-checksum-sha256" in part.headers for part in parts)


def test_a_small_object_that_is_corrupted_is_refused_and_sent_again(
    trained: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    proxy.inject(lambda r: r.method == "PUT" and r.name == "report.txt", corrupt, times=1)
    assert trained.agent("finalize").code == 0
    assert len(trained.events("UPLOAD_RETRY")) == 1
    run = bucket.only_run()
    assert bucket.read(f"{run}artifacts/benchmarks/report.txt") == b"best fitness 0.99"


def test_a_large_file_is_not_sent_twice(
    trained: Machine, bucket: Bucket, proxy: FaultProxy
) -> None:
    """Also an object that went up in parts is recognised by a finalize that starts again."""
    trained.write_artifact("large.bin", os.urandom(20 * MEBIBYTE))
    victim = trained.start("finalize")

    def is_manifest(request: Request) -> bool:
        return request.method == "PUT" and request.name == "_MANIFEST.json"

    proxy.inject(is_manifest, before(victim.kill))
    assert victim.result().code == -9
    proxy.heal()
    assert trained.agent("finalize").code == 0
    assert [key for key in proxy.sent if key.endswith("/large.bin")] == [
        f"{bucket.only_run()}artifacts/benchmarks/large.bin"
    ]


def peak_memory(machine: Machine) -> int:
    """Run finalize and return its peak resident size in MiB.

    A small process starts it, because a child starts with the peak of the one that forked it.
    """
    measure = python(
        """
        import resource, subprocess, sys
        code = subprocess.run(sys.argv[1:], check=False).returncode
        print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, code)
        """,
        AGENT,
        "finalize",
    )
    ended = subprocess.run(
        measure,
        capture_output=True,
        text=True,
        cwd=machine.root,
        env=machine.environment,
        check=True,
    )
    word, kibibytes, code = ended.stdout.splitlines()[-1].split()
    assert (word, code) == ("peak", "0"), ended.stdout + ended.stderr
    return int(kibibytes) // 1024


def test_memory_does_not_grow_with_the_file(
    trained: Machine, twin: Machine, bucket: Bucket, s3_server: S3Server
) -> None:
    run = bucket.only_run()
    peaks = []
    for machine, size in ((trained, 10), (twin, 500)):
        machine.environment["AWS_ENDPOINT_URL_S3"] = s3_server.endpoint  # the proxy would buffer
        large = machine.trainer_directory / "benchmarks" / "large.bin"
        with large.open("wb") as file:
            file.write(os.urandom(MEBIBYTE))
            file.truncate(size * MEBIBYTE)
        peaks.append(peak_memory(machine))
        head = bucket.client.head_object(
            Bucket=bucket.name, Key=f"{run}artifacts/benchmarks/large.bin"
        )
        assert head["ContentLength"] == size * MEBIBYTE
        for name in bucket.names(run) - {"dxnn-run.log"}:
            bucket.delete(f"{run}{name}")
    small, large_peak = peaks
    assert large_peak < small + 48
