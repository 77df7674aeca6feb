"""What every black-box test of the agent starts from: S3 servers, a proxy, a bucket, machines."""

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rehearsal.metadata_documents import Machine as Instance
from rehearsal.metadata_service import serve_one
from tests.auto_scaling_group import Group
from tests.bucket import Bucket
from tests.documents.claims import claim
from tests.documents.clone import clone, programs
from tests.documents.typist import Typist, end
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.loopback import HOST, free_ports, refusing_port
from tests.machine import Machine, NewMachine, new_machine
from tests.s3_servers import S3Server, moto, seaweedfs


@pytest.fixture(scope="session")
def moto_server() -> Iterator[S3Server]:
    with moto() as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def nowhere() -> Iterator[str]:
    """Yield the address of a service that refuses every connection."""
    with refusing_port() as port:
        yield f"http://{HOST}:{port}"


@pytest.fixture
def s3_server(request: pytest.FixtureRequest) -> S3Server:
    """Return moto, or SeaweedFS for tests marked with `refusing_s3`."""
    refusing = request.node.get_closest_marker("refusing_s3")
    server = request.getfixturevalue("seaweedfs_server" if refusing else "moto_server")
    assert isinstance(server, S3Server)
    return server


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    with fault_proxy(s3_server.port) as running:
        yield running


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    """Return a fresh bucket."""
    made = Bucket(s3_server, f"tests-{uuid.uuid4().hex}")
    made.create()
    return made


@pytest.fixture
def machine_with(
    tmp_path: Path, s3_server: S3Server, proxy: FaultProxy, bucket: Bucket
) -> Iterator[NewMachine]:
    """Return a function that makes a machine with the given settings, as EC2 knows it.

    At the end every log must be well formed, and whatever still runs is killed.
    """
    with ExitStack() as stack:
        made: list[Machine] = []

        def make(*, instance_id: str | None = None, **settings: object) -> Machine:
            number = len(made) + 1
            instance = Instance(instance_id=instance_id or f"i-{number:017x}")
            described = stack.enter_context(serve_one(instance))
            root = tmp_path / f"machine-{number}"
            machine = new_machine(root, s3_server, proxy.endpoint, bucket.name, described)
            machine.configure(**settings)
            made.append(machine)
            stack.callback(machine.events)
            stack.callback(machine.end)
            return machine

        yield make


@pytest.fixture
def machine(machine_with: NewMachine) -> Machine:
    return machine_with()


@pytest.fixture
def group(moto_server: S3Server) -> Group:
    made = Group(moto_server, f"dxnn-{uuid.uuid4().hex[:12]}")
    made.create()
    return made


@pytest.fixture
def typist(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Typist]:
    """Return who types the commands that the test claims: all of them, and no others."""
    marker = request.node.get_closest_marker("types")
    assert marker, "a test that types claims what"
    clone(tmp_path / "dxnn-agent")
    programs(tmp_path / "bin")
    (tmp_path / "home").mkdir()
    typing = Typist(
        tmp_path / "dxnn-agent",
        {
            "PATH": f"{tmp_path}/bin:{tmp_path}/dxnn-agent/.venv/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(tmp_path / "home"),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": f"{free_ports(1)[0]}",
            "CHECKPOINT_DISABLE": "1",  # Packer and Terraform would ask for newer versions
        },
        claim(marker.args, **marker.kwargs),
    )
    failed = request.session.testsfailed
    yield typing
    end(typing)
    if request.session.testsfailed == failed:
        assert typing.typed == {*typing.claimed}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "types(*commands, folder=''): types what documents show")
    config.addinivalue_line("markers", "refusing_s3: needs an S3 server that verifies what it gets")
    # A shell's background jobs ignore INT, and so would every command that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Whole lives, deployments and machines, with what they are made from: on a busy machine they take
# longer than the usual two minutes.
_LONG = {"documents", "machines", "rehearsal", "terraform"}
_LONG_SECONDS = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _LONG & {*item.path.relative_to(Path(__file__).parent).parts}:
            item.add_marker(pytest.mark.timeout(_LONG_SECONDS))


# What a machine can't have, whoever made it: an archive that is out of reach.
_MAY_BE_SKIPPED = ("can't be reached from here",)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI, which is root, a test that was skipped has failed: nobody would notice it."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or os.environ.get("CI") != "true" or os.geteuid() != 0:
        return
    reasons = [str(report.longrepr) for report in reporter.stats.get("skipped", [])]
    if [one for one in reasons if not any(known in one for known in _MAY_BE_SKIPPED)]:
        reporter.write_line("a test was skipped that should not be", red=True)
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
