"""A vendor's usage endpoints on loopback: paths with JSON to answer, and what was asked."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self


class Question(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: Any


class UsageVendor:
    """``answers``: path without query → a document, or (status, document). Credentials in ``refuses`` get a 401."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.refuses: set[str] = set()
        self.asked: list[Question] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(vendor) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                vendor.asked.append(Question(self.command, self.path, headers, json.loads(raw) if raw else None))
                said = vendor.answers.get(self.path.partition("?")[0], (404, {"error": "not here"}))
                status, document = said if isinstance(said, tuple) else (200, said)
                if headers.get("authorization", "") in vendor.refuses:
                    status, document = 401, {"error": "no"}
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer

            def log_message(self, *_: object) -> None:
                """Silence."""

        return Handler
