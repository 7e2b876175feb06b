"""Logs of one process: text for people, JSON for machines, on stderr, each line with its request's id.

``configure`` is called once in every process, before Django is set up (``LOGGING_CONFIG`` is None for that reason).
"""

from __future__ import annotations

import logging
import sys
import warnings
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec

# The request being answered; "" outside of one. Set at the ASGI edge, inherited by every task and thread of it.
request_id: ContextVar[str] = ContextVar("request_id", default="")

# What libraries say below these levels is not worth an operator's line.
QUIET = {
    "uvicorn": logging.WARNING,
    "celery": logging.WARNING,
    "kombu": logging.WARNING,
    "amqp": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "daphne": logging.WARNING,
    "django.template": logging.INFO,  # below, it writes down what a page was given, a new key's text included
    "django.request": logging.ERROR,
    "django.security.DisallowedHost": logging.ERROR,
}
# Attributes every record has; anything else was passed as ``extra`` and is shown.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def configure(level: str = "INFO", form: str = "text") -> None:
    """Replace whatever the root logger had. ``form`` is ``text`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if form == "json" else Text())
    handler.addFilter(_with_request_id)
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name, floor in QUIET.items():
        logging.getLogger(name).setLevel(max(floor, logging.getLevelName(level)))
    logging.captureWarnings(True)
    # WhiteNoise's file responses are read in a thread, which is what Django would do about it.
    warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")


class Text(logging.Formatter):
    """``2026-11-22T10:17:55.123Z INFO routing.gateway [request id] message key=value``."""

    def format(self, record: logging.LogRecord) -> str:
        identity = getattr(record, "request_id", "")
        mark = f" [{identity}]" if identity else ""
        extra = "".join(f" {name}={value!r}" for name, value in _extra(record).items())
        line = f"{_moment(record)} {record.levelname} {record.name}{mark} {record.getMessage()}{extra}"
        trace = _trace(self, record)
        return f"{line}\n{trace}" if trace else line


class Json(logging.Formatter):
    """One JSON object a line: time, level, logger, message; request_id, exception and extras where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        row: dict[str, Any] = {
            "time": _moment(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if identity := getattr(record, "request_id", ""):
            row["request_id"] = identity
        trace = _trace(self, record)
        if trace:
            row["exception"] = trace
        return msgspec.json.encode(row | _extra(record), enc_hook=str).decode()


def _with_request_id(record: logging.LogRecord) -> bool:
    if not hasattr(record, "request_id"):
        record.request_id = request_id.get()
    return True


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    # Django attaches its request object to some records; its repr would be noise.
    return {k: v for k, v in vars(record).items() if k not in _USUAL and k not in ("request_id", "request")}


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""
