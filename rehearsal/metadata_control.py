"""The other side of a metadata service: other processes say there what EC2 announces next.

It listens on a loopback port of its own, so that the instance itself never sees it:

    POST /notice                  {"in_seconds": 120, "action": "terminate"}
    POST /rebalance
    POST /scheduled-event         {"code": "system-reboot", "in_seconds": 86400, "state": "active"}
    POST /target-lifecycle-state  {"state": "Terminated"}
    POST /withdraw
    POST /fault                   {"kind": "status", "status": 503, "count": 3, "path": "*"}
    POST /behave
    POST /forget-tokens
    GET  /requests

Bodies are JSON; every key may be left out but `state` of the lifecycle and `kind` of the fault.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self

from rehearsal.metadata_state import Fault, Metadata


class MetadataControl:
    """Takes announcements for one instance over HTTP until it is closed."""

    def __init__(self, metadata: Metadata, port: int = 0) -> None:
        """Listen on a loopback port; 0 takes a free one. Raises OSError where it can't."""
        self._server = _Server(("127.0.0.1", port), metadata)
        self._thread = Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """The URL below which it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop listening."""
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


def actions(metadata: Metadata) -> Mapping[str, Callable[..., object]]:
    """Map the paths that can be posted to, to what they do."""

    def fault(body: str | None = None, **described: Any) -> None:
        if body is not None:
            described["body"] = body.encode()
        metadata.fail(Fault(**described))

    return {
        "/notice": metadata.notice,
        "/rebalance": metadata.recommend_rebalance,
        "/scheduled-event": metadata.schedule_event,
        "/target-lifecycle-state": metadata.set_target_lifecycle_state,
        "/withdraw": metadata.withdraw,
        "/fault": fault,
        "/behave": metadata.behave,
        "/forget-tokens": metadata.forget_tokens,
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], metadata: Metadata) -> None:
        self.metadata = metadata
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        action = actions(self.server.metadata).get(self.path)
        if action is None:
            self._json(HTTPStatus.NOT_FOUND, {"error": f"no such action: {self.path}"})
            return
        try:
            action(**json.loads(body or b"{}"))
        except (TypeError, ValueError) as error:
            self._json(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        else:
            self._json(HTTPStatus.OK, {})

    def do_GET(self) -> None:
        if self.path == "/requests":
            self._json(HTTPStatus.OK, [asdict(one) for one in self.server.metadata.requests])
        else:
            self._json(HTTPStatus.NOT_FOUND, {"error": f"nothing to read at {self.path}"})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the parent says
        """Print nothing: the caller has the answer."""

    def _json(self, status: HTTPStatus, content: object) -> None:
        body = json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
