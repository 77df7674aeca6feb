"""What a bucket holds, seen past the agent."""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tests.s3_servers import S3Server

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

RUN_PREFIX = re.compile(r"run-\d{8}-\d{6}Z")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Bucket:
    """A bucket on one of the S3 servers of the tests."""

    server: S3Server
    name: str

    @cached_property
    def client(self) -> "S3Client":
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.server.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.server.access_key,
            aws_secret_access_key=self.server.secret_key,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def create(self) -> None:
        self.client.create_bucket(Bucket=self.name)

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys below `prefix`, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def json(self, key: str) -> dict[str, Any]:
        loaded = json.loads(self.read(key))
        assert isinstance(loaded, dict)
        return loaded

    def put(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=body)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)

    def contents(self) -> dict[str, bytes]:
        """Return every object of the bucket."""
        return {key: self.read(key) for key in self.keys()}

    def rewind(self, contents: dict[str, bytes]) -> None:
        """Make the bucket hold `contents` and nothing else."""
        for key in self.keys():
            self.delete(key)
        for key, body in contents.items():
            self.put(key, body)

    def runs(self, job: str = "xor", prefix: str = "dxnn") -> list[str]:
        """Return the prefixes of a job's runs, oldest first, each with a closing slash."""
        start = f"{prefix}/{job}/"
        found = {key.removeprefix(start).split("/")[0] for key in self.keys(start)}
        assert all(RUN_PREFIX.fullmatch(run) for run in found), found
        return [f"{start}{run}/" for run in sorted(found)]

    def only_run(self, job: str = "xor", prefix: str = "dxnn") -> str:
        """Return the prefix of the one run that a job has."""
        runs = self.runs(job, prefix)
        assert len(runs) == 1, runs
        return runs[0]

    def names(self, run: str) -> set[str]:
        """Return the keys of a run's objects, relative to the run's prefix."""
        return {key.removeprefix(run) for key in self.keys(run)}

    def sentinel(self, run: str) -> dict[str, Any]:
        return self.json(f"{run}_SUCCESS")

    def check_manifest(self, run: str) -> None:
        """Fail unless the manifest tells the truth about every object of a finalized run."""
        manifest_text = self.read(f"{run}_MANIFEST.json")
        assert self.sentinel(run)["manifest_sha256"] == sha256(manifest_text)
        listed = described_objects(json.loads(manifest_text))
        held = {name: self.read(f"{run}{name}") for name in self.names(run)}
        for sealed_after in ("_MANIFEST.json", "_SUCCESS", "_FAILED_UPLOAD"):
            held.pop(sealed_after, None)
        assert listed == {name: (len(body), sha256(body)) for name, body in held.items()}


def described_objects(manifest: dict[str, Any]) -> dict[str, tuple[int, str]]:
    """Return name -> (size, sha256) from a manifest.

    The contract names what stands in a manifest, not its shape: a list of objects that carry
    their own name is taken as well as an object for each name.
    """
    objects = manifest["objects"]
    if isinstance(objects, dict):
        return {name: (each["size"], each["sha256"]) for name, each in objects.items()}
    return {each["key"]: (each["size"], each["sha256"]) for each in objects}
