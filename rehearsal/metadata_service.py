"""EC2's instance metadata service over HTTP, version 2 only, on a loopback address.

The protocol follows the EC2 user guide, "Use the Instance Metadata Service to access instance
metadata": a PUT makes a session token, every GET carries one; 400 for a token without a proper
lifetime, 401 for a GET without a valid token, 403 for a PUT that came through a proxy.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from rehearsal.metadata_documents import Machine
from rehearsal.metadata_state import MAX_TOKEN_SECONDS, Fault, Metadata

TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
TOKEN_HEADER = "X-aws-ec2-metadata-token"  # noqa: S105 - a header's name
TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"

Whose = Callable[[str], Metadata | None]


class MetadataService:
    """Serves metadata until it is closed; `whose` says which instance an address belongs to."""

    def __init__(self, whose: Whose, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen on an address; port 0 takes a free one. Raises OSError where it can't."""
        self._server = _Server((host, port), whose)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._timers: list[threading.Timer] = []
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """What AWS_EC2_METADATA_SERVICE_ENDPOINT is to be."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def after(self, seconds: float, announce: Callable[[], object]) -> None:
        """Call something so many seconds from now, unless the service is closed before."""
        timer = threading.Timer(seconds, announce)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def close(self) -> None:
        """Stop serving; requests that are kept waiting are dropped."""
        for timer in self._timers:
            timer.cancel()
        self._server.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@contextlib.contextmanager
def serve_one(machine: Machine) -> Iterator[tuple[MetadataService, Metadata]]:
    """Serve one instance's metadata to whoever asks, on a free loopback port."""
    metadata = Metadata(machine)
    with MetadataService(lambda _address: metadata) as service:
        yield service, metadata


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], whose: Whose) -> None:
        self.whose = whose
        self.closing = threading.Event()
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "EC2ws"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 60
    _metadata: Metadata | None = None

    def do_PUT(self) -> None:
        self._handle(self._put)

    def do_GET(self) -> None:
        self._handle(self._get)

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        self._handle(lambda _metadata: self._error(HTTPStatus.METHOD_NOT_ALLOWED))

    do_DELETE = do_PATCH = do_POST  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the parent says
        """Print nothing: requests are recorded."""

    def _handle(self, proper: Callable[[Metadata], None]) -> None:
        self.close_connection = True
        # A body that is left unread makes the kernel reset the connection under the answer.
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._metadata = self.server.whose(str(self.client_address[0]))
        if self._metadata is None:
            self._error(HTTPStatus.NOT_FOUND)
        elif fault := self._metadata.next_fault(self.path):
            self._misbehave(fault)
        else:
            proper(self._metadata)

    def _put(self, metadata: Metadata) -> None:
        ttl = self.headers.get(TTL_HEADER, "")
        if self.path != TOKEN_PATH:
            self._error(HTTPStatus.METHOD_NOT_ALLOWED)
        elif "X-Forwarded-For" in self.headers:
            self._error(HTTPStatus.FORBIDDEN)
        elif not (ttl.isascii() and ttl.isdigit() and 1 <= int(ttl) <= MAX_TOKEN_SECONDS):
            self._error(HTTPStatus.BAD_REQUEST)
        else:
            self._text(metadata.issue_token(int(ttl)), token_seconds=int(ttl))

    def _get(self, metadata: Metadata) -> None:
        path = self.path.partition("?")[0]
        left = metadata.token_seconds(self.headers.get(TOKEN_HEADER))
        if path == TOKEN_PATH:
            self._error(HTTPStatus.METHOD_NOT_ALLOWED)
        elif left is None:
            self._error(HTTPStatus.UNAUTHORIZED)
        elif (text := metadata.answer(path)) is None:
            self._error(HTTPStatus.NOT_FOUND)
        else:
            self._text(text, token_seconds=left)

    def _text(self, text: str, token_seconds: int) -> None:
        headers = {"Content-Type": "text/plain", TTL_HEADER: str(token_seconds)}
        self._send(HTTPStatus.OK, text.encode(), headers)

    def _error(self, status: HTTPStatus) -> None:
        title = f"{status.value} - {status.phrase}"
        page = (
            '<?xml version="1.0" encoding="iso-8859-1"?>\n'
            f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
        )
        self._send(status, page.encode(), {"Content-Type": "text/html"})

    def _misbehave(self, fault: Fault) -> None:
        plain = {"Content-Type": "text/plain", TTL_HEADER: "60"}
        match fault.kind:
            case "status":
                self._send(fault.status, b"", plain)
            case "garbage":
                self._send(HTTPStatus.OK, fault.body, plain)
            case "half":
                self._send(HTTPStatus.OK, b'{"action": "termi', plain, length=1000)
            case "silence":
                self._record(0)
                self.server.closing.wait()
            case "drop":
                self._record(0)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], length: int | None = None
    ) -> None:
        self._record(status)  # before whoever asked can know the answer
        self.send_response(status)
        for name, value in {**headers, "Connection": "close"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _record(self, status: int) -> None:
        if self._metadata is not None:
            self._metadata.record(self.command, self.path, int(status))
