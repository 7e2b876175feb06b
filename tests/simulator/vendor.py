"""A vendor of one's own shape on a real socket: a function from request to reply, and every request it saw.

For what the formats of the simulator do not know: token exchanges, signed requests, envelopes.

    with Vendor(lambda request: (200, {"token": "t"})) as vendor:
        vendor.url, vendor.seen[0].headers["authorization"], vendor.seen[0].json
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Seen:
    """``target`` is path and query as they came; names of headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Pieces:
    """A body that is sent piece by piece, chunked."""

    content_type: str
    pieces: tuple[bytes, ...]


# (status, body[, headers]): a body is JSON, bytes, or Pieces.
Told = tuple[int, Any] | tuple[int, Any, dict[str, str]]


class Vendor:
    def __init__(self, answer: Callable[[Seen], Told]) -> None:
        self.seen: list[Seen] = []
        self._lock = threading.Lock()
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_request(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(self.command, self.path, headers, self.rfile.read(length))
                with vendor._lock:
                    vendor.seen.append(seen)
                status, body, *more = answer(seen)
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.say(body)

            def say(self, body: Any) -> None:
                if isinstance(body, Pieces):
                    self.send_header("content-type", body.content_type)
                    self.send_header("transfer-encoding", "chunked")
                    self.end_headers()
                    for piece in (*body.pieces, b""):
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    return
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = handle_request

            def log_message(self, *words: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def at(self, path: str) -> list[Seen]:
        """The requests to one path."""
        return [seen for seen in self.seen if seen.target.partition("?")[0] == path]


def events(*said: Any, end: Iterable[str] = ()) -> Pieces:
    """A stream of server-sent events, each JSON; ``end``: lines of data as they are."""
    lines = [json.dumps(it) for it in said] + list(end)
    return Pieces("text/event-stream", tuple(f"data: {line}\n\n".encode() for line in lines))
