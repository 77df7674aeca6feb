"""The bucket: the only module that talks to S3."""

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from dxnn_agent.errors import UploadError
from dxnn_agent.machine.aws_session import session

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_MEBIBYTE = 1024 * 1024
# Eight megabytes a part and four parts at a time: at most some 80 MB in memory whatever the size.
PARTS_FROM_BYTES = 16 * _MEBIBYTE
_TRANSFER = TransferConfig(
    multipart_threshold=PARTS_FROM_BYTES,
    multipart_chunksize=8 * _MEBIBYTE,
    max_concurrency=4,
    preferred_transfer_client="classic",
)
_FORBIDDEN = {"AccessDenied", "403"}
_DENIED = _FORBIDDEN | {
    "AllAccessDisabled",
    "InvalidAccessKeyId",
    "InvalidBucketName",
    "NoSuchBucket",
    "SignatureDoesNotMatch",
}
# What a key's state or policy refuses: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_KMS = "KMS."
_KMS_PASSES = {"KMS.ThrottlingException", "KMS.KMSInternalException"}
_ABSENT = {"NoSuchKey", "404", "NotFound"}
_TAKEN = {"PreconditionFailed", "412"}


class S3Error(UploadError):
    """S3 refused, failed or could not be reached; `denied` where asking again won't help soon."""

    def __init__(self, message: str, *, denied: bool = False) -> None:
        super().__init__(message)
        self.denied = denied


@dataclass(frozen=True)
class Stored:
    """An object as a listing shows it."""

    size: int
    last_modified: datetime


@dataclass(frozen=True)
class Standing:
    """An object that is there: its version by ETag, and what was stored beside it."""

    etag: str
    metadata: Mapping[str, str]


# On what condition an object is written:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
ANYWAY: Mapping[str, str] = {}
NEW: Mapping[str, str] = {"IfNoneMatch": "*"}


def over(standing: Standing | None) -> Mapping[str, str]:
    """Write only over the object that was looked at; where there was none, only a new one."""
    return {"IfMatch": standing.etag} if standing else NEW


class Bucket:
    """One S3 bucket, by the AWS SDK's own settings, with its retries off: ours decide."""

    def __init__(self, name: str, *, connect_seconds: float = 5, read_seconds: float = 20) -> None:
        self.name = name
        self._config = Config(
            retries={"total_max_attempts": 1},
            connect_timeout=connect_seconds,
            read_timeout=read_seconds,
            max_pool_connections=32,
        )
        self._made: S3Client | None = None

    def list(self, prefix: str) -> dict[str, Stored]:
        """Every object below a prefix, by key. Raises S3Error."""
        with self._asking(f"list s3://{self.name}/{prefix}") as client:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix
            )
            return {
                item["Key"]: Stored(item["Size"], item["LastModified"])
                for page in pages
                for item in page.get("Contents", [])
            }

    def read(self, key: str) -> tuple[bytes, dict[str, str]] | None:
        """An object's content and user metadata, or None where it is not there. Raises S3Error."""
        with self._asking(f"get s3://{self.name}/{key}") as client:
            try:
                answer = client.get_object(Bucket=self.name, Key=key)
                return answer["Body"].read(), answer["Metadata"]
            except ClientError as error:
                if self._absent(client, key, error):
                    return None
                raise

    def head(self, key: str) -> Standing | None:
        """What is known of an object, or None where it is not there. Raises S3Error."""
        with self._asking(f"head s3://{self.name}/{key}") as client:
            try:
                answer = client.head_object(Bucket=self.name, Key=key)
                return Standing(answer["ETag"], answer["Metadata"])
            except ClientError as error:
                if self._absent(client, key, error):
                    return None
                raise

    def write(
        self,
        key: str,
        content: bytes | BinaryIO,
        sha256: str,
        metadata: Mapping[str, str],
        condition: Mapping[str, str],
    ) -> bool:
        """Write an object whose SHA-256 S3 verifies; False where the condition no longer holds.

        The condition is NEW, `over` what stands there, or ANYWAY. Raises S3Error.
        """
        with self._asking(f"put s3://{self.name}/{key}") as client:
            try:
                client.put_object(
                    Bucket=self.name,
                    Key=key,
                    Body=content,
                    ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                    Metadata=metadata,
                    **condition,  # type: ignore[arg-type]
                )
            except ClientError as error:
                if _code(error) in _TAKEN:
                    return False
                raise
            return True

    def upload_in_parts(
        self, key: str, path: Path, sha256: str, progress: Callable[[int], None] | None = None
    ) -> None:
        """Send a large file in parts; S3 verifies the SHA-256 of each.

        The whole file's SHA-256 becomes user metadata, by which `head` recognises it, as
        S3 keeps none of the whole for an object of several parts. Raises S3Error, or OSError where
        the file can't be read.
        """
        with self._asking(f"put s3://{self.name}/{key}") as client:
            client.upload_file(
                str(path),
                self.name,
                key,
                ExtraArgs={"ChecksumAlgorithm": "SHA256", "Metadata": {"sha256": sha256}},
                Callback=progress,
                Config=_TRANSFER,
            )

    def download(self, key: str, path: Path) -> None:
        """Fetch an object into a file. Raises S3Error, or OSError where it can't be written."""
        with self._asking(f"get s3://{self.name}/{key}") as client:
            client.download_file(self.name, key, str(path), Config=_TRANSFER)

    def _absent(self, client: "S3Client", key: str, error: ClientError) -> bool:
        """Whether an error means that there is no such object.

        S3 says 403 instead of 404 to whoever may list the bucket only below a prefix, and so
        does not know that it may list at all when one object is asked for:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        """
        if _code(error) in _ABSENT:
            return True
        if _code(error) not in _FORBIDDEN:
            return False
        try:
            listed = client.list_objects_v2(Bucket=self.name, Prefix=key, MaxKeys=1)
        except ClientError:
            return False
        return not any(found["Key"] == key for found in listed.get("Contents", []))

    @contextmanager
    def _asking(self, doing: str) -> "Iterator[S3Client]":
        try:
            yield self._client()
        except ClientError as error:
            raise _failure(doing, error) from error
        except (Boto3Error, BotoCoreError) as error:
            if isinstance(error, NoCredentialsError):
                self._made = None  # a client never looks for credentials twice
            cause = error.__context__
            if isinstance(cause, ClientError):  # boto3 wraps what a transfer met
                raise _failure(doing, cause) from error
            raise S3Error(f"{doing}: {error}") from error

    def _client(self) -> "S3Client":
        if self._made is None:
            self._made = session().client("s3", config=self._config)
        return self._made


def _failure(doing: str, error: ClientError) -> S3Error:
    code = _code(error)
    message = error.response.get("Error", {}).get("Message", "") or "no reason given"
    denied = code in _DENIED or (code.startswith(_KMS) and code not in _KMS_PASSES)
    return S3Error(f"{doing}: {code}: {message}", denied=denied)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
