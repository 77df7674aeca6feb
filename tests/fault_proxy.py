"""A reverse proxy in front of an S3 server: it records every request and can spoil any of them.

Killing a process between two of its steps needs no hook in that process: the steps of `finalize`
are its S3 requests, and the proxy can act before or after it hands one on.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.loopback import HOST


@dataclass(frozen=True)
class Request:
    """One S3 request as it arrived; `arrived` is in seconds of the monotonic clock."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    arrived: float

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def changes(self) -> bool:
        """Whether this request would change something in S3."""
        return self.method not in {"GET", "HEAD"}


@dataclass
class Exchange:
    """A request and the status that S3 gave to it: None where S3 did not see it."""

    request: Request
    status: int | None = None

    @property
    def sends_object(self) -> bool:
        """Whether S3 saw an object arrive, whether it took it or not."""
        request = self.request
        whole = request.method == "PUT" and "uploadId" not in request.query
        last = request.method == "POST" and "uploadId" in request.query
        return self.status is not None and request.key != "" and (whole or last)

    @property
    def stores_object(self) -> bool:
        """Whether S3 holds an object because of this."""
        return self.sends_object and self.status is not None and self.status < 300


class Call:
    """One request on its way, in the hands of an action."""

    def __init__(self, handler: "_Handler", exchange: Exchange, body: bytes) -> None:
        self._handler = handler
        self._exchange = exchange
        self._body = body

    @property
    def request(self) -> Request:
        return self._exchange.request

    def forward(self, body: bytes | None = None, *, answered: bool = True) -> None:
        """Hand the request on, with another body where one is given, and pass the answer back."""
        sent = self._body if body is None else body
        self._handler.hand_on(self._exchange, sent, answered=answered)

    def corrupted(self) -> bytes:
        """Return the body with its first byte changed."""
        return bytes([self._body[0] ^ 0xFF]) + self._body[1:]

    def refuse(self, status: int, code: str) -> None:
        """Answer with S3's error `code`."""
        self._handler.answer_error(status, code)

    def drop(self) -> None:
        """Close the connection without an answer."""
        self._handler.close_connection = True


Action = Callable[[Call], None]
Matcher = Callable[[Request], bool]


def slow_down(call: Call) -> None:
    call.refuse(503, "SlowDown")


def access_denied(call: Call) -> None:
    call.refuse(403, "AccessDenied")


def drop(call: Call) -> None:
    call.drop()


def corrupt(call: Call) -> None:
    call.forward(call.corrupted())


def before(act: Callable[[], object]) -> Action:
    """Make an action that calls `act` and then lets the connection die: S3 never sees it."""

    def action(call: Call) -> None:
        act()
        call.drop()

    return action


def after(act: Callable[[], object]) -> Action:
    """Make an action that calls `act` once S3 has done the work, and lets nobody hear of it."""

    def action(call: Call) -> None:
        call.forward(answered=False)
        act()
        call.drop()

    return action


def hold(until: threading.Event) -> Action:
    """Make an action that keeps the request back until the event."""

    def action(call: Call) -> None:
        if not until.wait(timeout=120):
            raise AssertionError("nobody released the held request")
        call.forward()

    return action


@dataclass
class _Fault:
    matches: Matcher
    action: Action
    times: int | None


@dataclass
class FaultProxy:
    """A running proxy; `exchanges` holds what went through it, in order of arrival."""

    port: int
    host: str = HOST
    exchanges: list[Exchange] = field(default_factory=list)
    _faults: list[_Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def requests(self) -> list[Request]:
        return [exchange.request for exchange in self.exchanges]

    @property
    def sent(self) -> list[str]:
        """The keys of all objects that S3 saw arrive so far, one entry for each time."""
        return [exchange.request.key for exchange in self.exchanges if exchange.sends_object]

    @property
    def stored(self) -> list[str]:
        """The keys of all objects that S3 stored so far, one entry for each time."""
        return [exchange.request.key for exchange in self.exchanges if exchange.stores_object]

    def inject(self, matches: Matcher, action: Action, times: int | None = None) -> None:
        """Let `action` have the next `times` requests that match; for ever where None."""
        with self._lock:
            self._faults.append(_Fault(matches, action, times))

    def heal(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults.clear()

    def forget(self) -> None:
        """Forget what was recorded."""
        with self._lock:
            self.exchanges.clear()

    def record(self, request: Request) -> Exchange:
        with self._lock:
            exchange = Exchange(request)
            self.exchanges.append(exchange)
            return exchange

    def action_for(self, request: Request) -> Action:
        with self._lock:
            for fault in self._faults:
                if fault.times != 0 and fault.matches(request):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault.action
        return Call.forward


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, upstream_port: int, host: str, port: int) -> None:
        super().__init__((host, port), _Handler)
        self.upstream_port = upstream_port
        self.proxy = FaultProxy(self.server_port, host)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client that was killed no longer listens."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        pass

    def do_any(self) -> None:
        body = self._read_body()
        request = self._request()
        exchange = self.server.proxy.record(request)
        self.server.proxy.action_for(request)(Call(self, exchange, body))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_any  # noqa: N815

    def _request(self) -> Request:
        target = urlsplit(self.path)
        bucket, _, key = unquote(target.path).lstrip("/").partition("/")
        return Request(
            self.command,
            bucket,
            key,
            dict(parse_qsl(target.query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            time.monotonic(),
        )

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if len(body) < length:
                raise ConnectionError("the client went away in the middle of its body")
            return body
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def hand_on(self, exchange: Exchange, body: bytes, *, answered: bool) -> None:
        server = self.server
        connection = HTTPConnection(server.proxy.host, server.upstream_port, timeout=120)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in {"connection", "content-length", "expect", "transfer-encoding"}:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        exchange.status = answer.status
        if answered:
            self._pass_back(answer, content)

    def _pass_back(self, answer: HTTPResponse, content: bytes) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def answer_error(self, status: int, code: str) -> None:
        content = f"<Error><Code>{code}</Code><Message>{code}, as asked.</Message></Error>".encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def fault_proxy(upstream_port: int, host: str = HOST, port: int = 0) -> Iterator[FaultProxy]:
    """Run a proxy in front of the S3 server on `upstream_port` of the same host.

    Port 0 stands for any that is free.
    """
    server = _Server(upstream_port, host, port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
