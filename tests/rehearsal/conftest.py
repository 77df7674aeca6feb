"""Metadata services and clients that the rehearsal's tests start from."""

from collections.abc import Iterator

import pytest

from rehearsal.metadata_documents import Machine
from rehearsal.metadata_service import MetadataService
from rehearsal.metadata_state import Metadata
from tests.rehearsal.metadata_client import Client


@pytest.fixture
def metadata() -> Metadata:
    return Metadata(Machine(tags={"Name": "one", "dxnn:job": "xor"}, user_data="job_id=xor\n"))


@pytest.fixture
def service(metadata: Metadata) -> Iterator[MetadataService]:
    with MetadataService(lambda _address: metadata) as running:
        yield running


@pytest.fixture
def client(service: MetadataService) -> Client:
    return Client(service.endpoint)
