"""What a rehearsal leaves behind for its verdict: S3's objects, the order of writes, the logs."""

import hashlib
import json
import re
import urllib.parse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.cloud import BUCKET, Cloud
from rehearsal.instance import Instance

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


def of_bucket(cloud: Cloud) -> tuple[StoredObject, ...]:
    """Read every object of the bucket, in the order of their keys."""
    found = []
    for page in cloud.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for entry in page.get("Contents", []):
            body = cloud.s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
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
    role = f"/latest/meta-data/iam/security-credentials/{instance.machine.role}"
    restored = instance.tree.state_dir / "restore"
    return InstanceEvidence(
        name=name,
        instance_id=instance.machine.instance_id,
        ec2_state=cloud.state_of(instance.machine.instance_id),
        reclaimed=instance.reclaimed,
        poweroffs=instance.poweroffs,
        processes=tuple(instance.processes()),
        credentials_fetched=any(
            one.path == role and one.status == 200 for one in instance.metadata.requests
        ),
        log=_text(instance.tree.log_file),
        output=tuple(output_lines(_text(instance.tree.journal("run")).splitlines())),
        restored={
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(restored.glob("*.dmp"))
        },
    )


def output_lines(journal: Iterable[str]) -> list[str]:
    """Keep of what `run` and the trainer wrote, what the trainer did."""
    return [line for line in journal if not line.startswith("[UTC ")]


def writes(access_log: Sequence[str], bucket: str = BUCKET) -> tuple[str, ...]:
    """List the keys that were written, in order, from the lines of moto's access log.

    A write that S3 refused is none, and one in several parts happens when it is completed.
    """
    found = []
    for line in access_log:
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


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
