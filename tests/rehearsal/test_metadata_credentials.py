"""The AWS SDK finds an instance's credentials in the metadata service by itself."""

import json
import os
import subprocess
import sys

from rehearsal.metadata_service import MetadataService
from rehearsal.metadata_state import Fault, Metadata

ASK = """
import boto3, json
found = boto3.session.Session().get_credentials()
frozen = found.get_frozen_credentials() if found else None
print(json.dumps([found.method, frozen.access_key, frozen.token] if found else None))
"""


def ask(service: MetadataService) -> object:
    """Ask boto3 in a process that has no other credentials."""
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": service.endpoint,
            "AWS_EC2_METADATA_V1_DISABLED": "true",
        },
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return json.loads(done.stdout)


def test_boto3_gets_its_credentials_here(service: MetadataService, metadata: Metadata) -> None:
    role = json.loads(
        metadata.answer(f"latest/meta-data/iam/security-credentials/{metadata.machine.role}") or ""
    )
    assert ask(service) == ["iam-role", role["AccessKeyId"], role["Token"]]
    assert metadata.requests[0].method == "PUT"


def test_boto3_gets_none_where_the_service_has_none(
    service: MetadataService, metadata: Metadata
) -> None:
    metadata.fail(Fault("status", status=404, path="*/iam/security-credentials/*"))
    assert ask(service) is None
