"""What every format's parts give and take while a request or a reply is translated."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from providers.wire.errors import Refusal
from providers.wire.types import Json, Request, Value

NAME_LIMIT = 64  # characters of a tool's name that every vendor takes
BAD_IN_NAME = re.compile(r"[^a-zA-Z0-9_-]")
BAD_IN_ID = re.compile(r"[^a-zA-Z0-9_-]")


class Names:
    """Tool names as they were sent upstream → as the client knows them. Names every vendor takes stay as they are.

    ``wrapped``: the client's names of custom (free text) tools that were sent as functions, see ``customtools``.
    """

    __slots__ = ("_original", "_sent", "wrapped")

    def __init__(self) -> None:
        self._sent: dict[tuple[str, str], str] = {}
        self._original: dict[str, tuple[str, str]] = {}
        self.wrapped: set[str] = set()

    def send(self, name: str, namespace: str = "") -> str:
        """The name to send upstream: letters, digits, ``_`` and ``-``, at most 64, unlike any other of this request."""
        known = self._sent.get((namespace, name))
        if known is not None:
            return known
        full = f"{namespace}__{name}" if namespace else name
        safe = BAD_IN_NAME.sub("_", full)[:NAME_LIMIT] or "tool"
        if safe[0] in "-0123456789":  # Gemini wants a letter or _ first
            safe = f"_{safe}"[:NAME_LIMIT]
        if safe != full or safe in self._original:
            mark = hashlib.sha256(f"{namespace}/{name}".encode("utf-8", "replace")).hexdigest()[:8]
            safe = f"{safe[: NAME_LIMIT - 9]}_{mark}"
        self._sent[namespace, name], self._original[safe] = safe, (namespace, name)
        return safe

    def original(self, name: str) -> str:
        """The client's name of what an upstream calls so."""
        known = self._original.get(name)
        return name if known is None else known[1]

    def namespace(self, name: str) -> str:
        """The namespace (Responses) of what an upstream calls so; "" for most."""
        known = self._original.get(name)
        return "" if known is None else known[0]


class Dumped(msgspec.Struct, frozen=True):
    """A body for an upstream, what it could not carry (field or part names, for ``x-omniroute-dropped``), and the
    names its tools were sent under."""

    body: dict[str, Json]
    dropped: tuple[str, ...] = ()
    names: Names = msgspec.field(default_factory=Names)
    headers: tuple[tuple[str, str], ...] = ()  # e.g. anthropic-beta


class Dropped:
    """Collects the names of what cannot be carried, each once, in order."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, name: str) -> None:
        self._names[name] = None

    def unless_empty(self, **fields: Any) -> None:
        """Note the fields that were said: ``dropped.unless_empty(seed=request.seed)``."""
        for name, value in fields.items():
            if value not in (None, "", (), {}, []):
                self.add(name)

    def names(self) -> tuple[str, ...]:
        return tuple(self._names)


class Asked(Value, frozen=True, kw_only=True):
    """What a reply must know of its request. ``model`` is the name the client used, ``id`` a fresh unique word of
    letters and digits, ``created`` Unix time."""

    request: Request
    model: str
    id: str
    created: int


def self_contained(request: Request, family: str) -> None:
    """Refuse what stands for content that another vendor keeps: without it the model would answer something else.

    Raises Refusal 400 that names the field.
    """
    if request.leans_on and request.family != family:
        raise Refusal(
            400,
            f"'{request.leans_on}' refers to content that only the vendor of this API's format has; this model is"
            " another's. Send the content itself.",
            code="unsupported_parameter",
            param=request.leans_on,
        )


def tool_id(value: str, rule: str = "") -> str:
    """A tool call's id as an upstream takes it; the same id always becomes the same. ``rule``: "" letters, digits,
    ``_`` and ``-``, at most 64; "mistral" exactly nine letters and digits."""
    if rule == "mistral":
        if len(value) == 9 and value.isascii() and value.isalnum():
            return value
        return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()[:9]
    if value and len(value) <= NAME_LIMIT and BAD_IN_ID.search(value) is None:
        return value
    return f"call_{hashlib.sha256(value.encode('utf-8', 'replace')).hexdigest()[:24]}"


def arguments_object(text: str) -> dict[str, Json]:
    """Tool arguments as an object, for formats that need one: ``{}`` for nothing, ``{"input": …}`` for what is none."""
    if not text.strip():
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {"input": text}
    return value if isinstance(value, dict) else {"input": value}


def json_text(value: Json) -> str:
    """Compact JSON text."""
    return msgspec.json.encode(value).decode()


def sse(data: Json, event: str = "") -> bytes:
    """One server-sent event."""
    head = f"event: {event}\n".encode() if event else b""
    return head + b"data: " + msgspec.json.encode(data) + b"\n\n"


def joined(parts: Iterable[str], between: str = "\n\n") -> str:
    """Non-empty texts, with something between them."""
    return between.join(part for part in parts if part)
