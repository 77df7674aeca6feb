"""What a rehearsal leaves behind for its verdict: S3's objects, the order of writes, the logs."""

import hashlib
import json
import re
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rehearsal.cloud import Cloud
from rehearsal.instance import Instance
from rehearsal.metadata_state import Metadata

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_REQUEST = re.compile(r'"(?P<method>PUT|POST) (?P<target>\S+) HTTP/[0-9.]+" (?P<status>\d{3})')


@dataclass(frozen=True)
class StoredObject:
    """An object as S3 holds it, with the SHA-256 of its body."""

    key: str
    size: int
    sha256: str
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class InstanceEvidence:
    """What an instance left behind after it went down.

    `restored` are the dumps below `state_dir/restore`, by name, with their SHA-256.
    """

    name: str
    instance_id: str
    ec2_state: str
    reclaimed: bool
    poweroffs: int
    processes: tuple[int, ...]
    credentials_fetched: bool
    log: str
    output: tuple[str, ...]
    restored: dict[str, str]


@dataclass(frozen=True)
class Evidence:
    """Everything that a verdict goes by; `writes` are the keys written, in order."""

    objects: tuple[StoredObject, ...]
    writes: tuple[str, ...]
    instances: tuple[InstanceEvidence, ...]


def of_bucket(s3: "S3Client", bucket: str) -> tuple[StoredObject, ...]:
    """Read every object of a bucket, in the order of their keys."""
    found = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", []):
            body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            found.append(
                StoredObject(
                    key=entry["Key"],
                    size=entry["Size"],
                    sha256=hashlib.sha256(body).hexdigest(),
                    body=body,
                )
            )
    return tuple(sorted(found, key=lambda one: one.key))


def of_instance(cloud: Cloud, name: str, instance: Instance) -> InstanceEvidence:
    """Gather what an instance that is down left on its disk and in EC2."""
    return InstanceEvidence(
        name=name,
        instance_id=instance.machine.instance_id,
        ec2_state=cloud.state_of(instance.machine.instance_id),
        reclaimed=instance.reclaimed,
        poweroffs=instance.poweroffs,
        processes=tuple(instance.processes()),
        credentials_fetched=credentials_fetched(instance.metadata),
        log=text_of(instance.tree.log_file),
        output=tuple(output_lines(text_of(instance.tree.journal("run")).splitlines())),
        restored=dumps_in(instance.tree.state_dir / "restore"),
    )


def credentials_fetched(metadata: Metadata) -> bool:
    """Tell whether an instance got its role's credentials from the metadata service."""
    path = f"/latest/meta-data/iam/security-credentials/{metadata.machine.role}"
    return any(one.path == path and one.status == HTTPStatus.OK for one in metadata.requests)


def dumps_in(directory: Path) -> dict[str, str]:
    """Map the names of the dumps in a directory to their SHA-256."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.glob("*.dmp"))
    }


def output_lines(journal: Iterable[str]) -> list[str]:
    """Keep of what `run` and the trainer wrote, what the trainer did."""
    return [line for line in journal if not line.startswith("[UTC ")]


def writes(access_log: Path, bucket: str) -> tuple[str, ...]:
    """List the keys of a bucket that were written, in order, from moto's access log.

    A write that S3 refused is none, and one in several parts happens when it is completed.
    """
    found = []
    for line in access_log.read_text(encoding="utf-8").splitlines():
        request = _REQUEST.search(_COLOUR.sub("", line))
        if not request or request["status"] != "200":
            continue
        target = urllib.parse.urlsplit(request["target"])
        query = urllib.parse.parse_qs(target.query, keep_blank_values=True)
        _, owner, key = (*target.path.split("/", 2), "", "")[:3]
        whole = "partNumber" not in query if request["method"] == "PUT" else "uploadId" in query
        if owner == bucket and key and whole:
            found.append(urllib.parse.unquote(key))
    return tuple(found)


def text_of(path: Path) -> str:
    """Read a file; empty where there is none."""
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
