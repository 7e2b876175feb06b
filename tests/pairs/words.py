"""What a conversation is made of, in no SDK's words."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.simulator import Tokens

Json = dict[str, Any]


def png(width: int = 1) -> bytes:
    """A small picture that is really one."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, 1, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" + b"\xff\0\0" * width)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n%%EOF\n"


@dataclass(frozen=True)
class Blob:
    """A picture or a document that the user sends."""

    type: str
    data: bytes
    name: str = "paper.pdf"

    @property
    def base64(self) -> str:
        return base64.b64encode(self.data).decode()

    @property
    def uri(self) -> str:
        return f"data:{self.type};base64,{self.base64}"


def plain(body: Any) -> str:
    """A body as text, its base64 in the usual alphabet: the SDK of Gemini writes the other one."""
    return json.dumps(body).replace("-", "+").replace("_", "/")


PICTURE, PAPER = Blob("image/png", png()), Blob("application/pdf", PDF)
Part = str | Blob


@dataclass(frozen=True)
class Spec:
    """A tool of the client's."""

    name: str
    schema: Mapping[str, Any] | None
    description: str = "Does what its name says."


@dataclass(frozen=True)
class Wish:
    """Everything of a request but its turns. ``more``: fields in the words of the client's own SDK."""

    system: str = ""
    tools: Sequence[Spec] = ()
    choice: str = ""  # auto, none, required, or the name of a tool
    effort: str = ""
    schema: Mapping[str, Any] | None = None
    stop: Sequence[str] = ()
    most: int | None = None
    temperature: float | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    id: str
    name: str
    arguments: Any


@dataclass(frozen=True)
class Said:
    """An answer as the SDK understood it. ``finish``: stop, length, tool_calls, content_filter or the vendor's word."""

    text: str
    reasoning: str
    calls: Sequence[Call]
    finish: str
    usage: Tokens  # zero when nobody told
    raw: Any


PLAIN = Wish()


class Talk(Protocol):
    """A conversation of one client with one model. Turns are kept as the SDK's own users keep them."""

    model: str

    def say(self, *parts: Part) -> None: ...

    def result(self, call: Call, *parts: Part, error: bool = False) -> None:
        """What a tool gave."""

    def ask(self, wish: Wish = PLAIN, *, stream: bool = False) -> Said:
        """Send everything so far; the answer becomes a turn."""


Start = Callable[[Any, str], Talk]
