"""The port that a vendor insists on (Codex: 1455), answered while a login is open and the dashboard is used on this
very machine. It decides nothing: it sends the browser on to the dashboard, where the session is checked."""

from __future__ import annotations

import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from django.db import connection as database

from providers.logins import attempts
from providers.logins.redirects import CALLBACK

log = logging.getLogger(__name__)
_running: dict[int, threading.Thread] = {}
_lock = threading.Lock()
SECONDS_TO_READ = 5


class _Answer(BaseHTTPRequestHandler):
    timeout = SECONDS_TO_READ

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        state = (parse_qs(parts.query).get("state") or [""])[0]
        attempt = attempts.by_state(state) if state else None
        if attempt is None or parts.path != urlsplit(attempt.redirect_uri).path:
            self.send_error(404)
            return
        self.send_response(302)
        self.send_header("location", f"{attempt.origin}{CALLBACK}?{parts.query}")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the line would hold the code."""


class _Server(HTTPServer):
    timeout = 1.0  # seconds between two looks whether a login is still open
    allow_reuse_address = True


def listen(redirect_uri: str) -> bool:
    """Answer at the port of that address until no login needs it. False when the port is not free here; another web
    process of ours may hold it, and then answers as well."""
    port = urlsplit(redirect_uri).port or 80
    with _lock:
        thread = _running.get(port)
        if thread is not None and thread.is_alive():
            return True
        try:
            server = _Server(("127.0.0.1", port), _Answer)
        except OSError:
            return False
        _running[port] = threading.Thread(target=_serve, args=(server, port), name=f"login-{port}", daemon=True)
        _running[port].start()
    return True


def _serve(server: HTTPServer, port: int) -> None:
    try:
        while attempts.open_at(port):
            server.handle_request()
    except Exception:
        log.exception("the listener at port %s for a login has stopped", port)
    finally:
        server.server_close()
        database.close()
