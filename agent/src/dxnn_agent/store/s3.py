"""S3 as a store: the only module that talks to it."""

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from dxnn_agent.machine.aws_session import session
from dxnn_agent.store.store import ALWAYS, NO_METADATA, Condition, Head, Listed, StoreError

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
# What S3 says of a key or of a size that it takes from nobody.
_REFUSED = {"EntityTooLarge", "InvalidArgument", "InvalidRequest", "InvalidURI", "KeyTooLongError"}
_ABSENT = {"NoSuchKey", "404", "NotFound"}
_TAKEN = {"PreconditionFailed", "412"}


class S3:
    """One bucket, by the AWS SDK's own settings, with its retries off: ours decide."""

    def __init__(self, name: str, *, connect_seconds: float = 5, read_seconds: float = 20) -> None:
        self.name = name
        self._config = Config(
            retries={"total_max_attempts": 1},
            connect_timeout=connect_seconds,
            read_timeout=read_seconds,
            max_pool_connections=32,
        )
        self._made: S3Client | None = None

    def list(self, prefix: str) -> dict[str, Listed]:
        """Every object below a prefix, by key. Raises StoreError."""
        with self._asking(f"list s3://{self.name}/{prefix}") as client:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix
            )
            return {
                item["Key"]: Listed(item["Size"], item["LastModified"])
                for page in pages
                for item in page.get("Contents", [])
            }

    def read(self, key: str) -> tuple[bytes, dict[str, str]] | None:
        """An object's content and metadata, or None where it is not there. Raises StoreError."""
        with self._asking(f"get s3://{self.name}/{key}") as client:
            try:
                answer = client.get_object(Bucket=self.name, Key=key)
                return answer["Body"].read(), answer["Metadata"]
            except ClientError as error:
                if self._absent(client, key, error):
                    return None
                raise

    def head(self, key: str) -> Head | None:
        """What is known of an object, or None where it is not there. Raises StoreError."""
        with self._asking(f"head s3://{self.name}/{key}") as client:
            try:
                answer = client.head_object(Bucket=self.name, Key=key)
                return Head(answer["ETag"], answer["Metadata"])
            except ClientError as error:
                if self._absent(client, key, error):
                    return None
                raise

    def put(
        self,
        key: str,
        body: Path | bytes,
        sha256: str,
        metadata: Mapping[str, str] = NO_METADATA,
        condition: Condition = ALWAYS,
        progress: Callable[[int], None] | None = None,
    ) -> bool:
        """Write an object whose SHA-256 S3 verifies; False where the condition fails.

        A large file goes in parts, of each of which S3 verifies the SHA-256. It keeps none of the
        whole then: what recognises the object is the one that is stored beside it. No condition
        holds for parts. Raises StoreError, or OSError where the file can't be read.
        """
        metadata = {"sha256": sha256, **metadata}
        if isinstance(body, bytes):
            written = self._put(key, BytesIO(body), sha256, metadata, condition)
            size = len(body)
        elif (size := body.stat().st_size) < PARTS_FROM_BYTES:
            with body.open("rb") as file:
                written = self._put(key, file, sha256, metadata, condition)
        else:
            self._put_parts(key, body, metadata, progress)
            return True
        if progress:
            progress(size)
        return written

    def _put(
        self,
        key: str,
        content: BinaryIO,
        sha256: str,
        metadata: Mapping[str, str],
        condition: Condition,
    ) -> bool:
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        conditions: dict[str, Any] = {"IfNoneMatch": "*"} if condition.absent else {}
        if condition.version is not None:
            conditions["IfMatch"] = condition.version
        with self._asking(f"put s3://{self.name}/{key}") as client:
            try:
                client.put_object(
                    Bucket=self.name,
                    Key=key,
                    Body=content,
                    ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                    Metadata=metadata,
                    **conditions,
                )
            except ClientError as error:
                if _code(error) in _TAKEN:
                    return False
                raise
            return True

    def _put_parts(
        self,
        key: str,
        path: Path,
        metadata: Mapping[str, str],
        progress: Callable[[int], None] | None,
    ) -> None:
        with self._asking(f"put s3://{self.name}/{key}") as client:
            client.upload_file(
                str(path),
                self.name,
                key,
                ExtraArgs={"ChecksumAlgorithm": "SHA256", "Metadata": metadata},
                Callback=progress,
                Config=_TRANSFER,
            )

    def fetch(self, key: str, path: Path) -> None:
        """Fetch an object into a file. Raises StoreError, or OSError where it can't be written."""
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
            raise StoreError(f"{doing}: {error}") from error

    def _client(self) -> "S3Client":
        if self._made is None:
            self._made = session().client("s3", config=self._config)
        return self._made


def _failure(doing: str, error: ClientError) -> StoreError:
    code = _code(error)
    message = error.response.get("Error", {}).get("Message", "") or "no reason given"
    denied = code in _DENIED or (code.startswith(_KMS) and code not in _KMS_PASSES)
    return StoreError(f"{doing}: {code}: {message}", denied=denied, refused=code in _REFUSED)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
