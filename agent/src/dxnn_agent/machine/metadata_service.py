"""EC2's instance metadata service, by IMDSv2 only."""

import os
import time

import urllib3
from botocore.session import Session
from botocore.utils import resolve_imds_endpoint_mode

from dxnn_agent.errors import UsageError

_IPV4 = "http://169.254.169.254"
_IPV6 = "http://[fd00:ec2::254]"
_TOKEN_SECONDS = 21600  # the longest there is
_RENEW_BEFORE_SECONDS = 300
_MOST_BYTES = 65536


class MetadataError(Exception):
    """The service gave no answer, or none that means anything."""


class MetadataService:
    """Asks one endpoint; tokens are renewed before they expire and when the service forgot them.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=1, read=2), retries=False, maxsize=2
        )
        self._token = ""
        self._token_until = 0.0

    def get(self, path: str) -> str | None:
        """The text at a path below `/latest/`, or None where there is nothing (404).

        Raises MetadataError for every other answer and for none.
        """
        status, body = self._get(path)
        if status == 401:  # the service has restarted, or our clock was set: it forgot the token
            self._token_until = 0.0
            status, body = self._get(path)
        if status == 404:
            return None
        if status != 200:
            raise MetadataError(f"GET {path}: status {status}")
        return body

    def ask(self, path: str) -> str:
        """The text at a path, and nothing where there is none or the service fails."""
        try:
            return self.get(path) or ""
        except MetadataError:
            return ""

    def _get(self, path: str) -> tuple[int, str]:
        if time.monotonic() >= self._token_until:
            self._renew_token()
        return self._ask("GET", path, {"X-aws-ec2-metadata-token": self._token})

    def _renew_token(self) -> None:
        asked_at = time.monotonic()
        wanted = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_SECONDS)}
        status, token = self._ask("PUT", "api/token", wanted)
        if status != 200 or not token.isascii() or not token.isprintable() or not token:
            raise MetadataError(f"PUT api/token: status {status}")
        self._token = token
        self._token_until = asked_at + _TOKEN_SECONDS - _RENEW_BEFORE_SECONDS

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        url = f"{self._endpoint}/latest/{path}"
        try:
            response = self._pool.request(
                method, url, headers=headers, redirect=False, preload_content=False
            )
            try:
                return response.status, response.read(_MOST_BYTES).decode()
            finally:
                response.close()
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise MetadataError(f"{method} {path}: {error}") from error


def connect() -> MetadataService | None:
    """The service where the AWS SDK's own settings say it is; None where they switch it off."""
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "false").lower() == "true":
        return None
    session = Session()
    mode = resolve_imds_endpoint_mode(session)
    custom = session.get_config_variable("ec2_metadata_service_endpoint")
    endpoint = custom or (_IPV6 if mode == "ipv6" else _IPV4)
    if not endpoint.startswith(("http://", "https://")):
        raise UsageError(
            f"AWS_EC2_METADATA_SERVICE_ENDPOINT {endpoint!r}: should be a URL such as {_IPV4}"
        )
    return MetadataService(endpoint)


def instance_id() -> str | None:
    """This machine's EC2 id, or None where there is no metadata service to ask."""
    return _about_this_machine("meta-data/instance-id")


def region() -> str | None:
    """The region this machine is in, or None where there is no metadata service to ask."""
    return _about_this_machine("meta-data/placement/region")


def _about_this_machine(path: str) -> str | None:
    service = connect()
    return (service.ask(path) or None) if service else None
