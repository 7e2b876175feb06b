"""AWS event streams: binary messages of headers and a payload, each half under a CRC-32.

A message: u32 total length, u32 length of the headers, u32 CRC of these eight bytes, headers, payload, u32 CRC of all
before it; big endian. A header: u8 length of its name, name, u8 type, value; texts (type 7) and bytes (6) have a u16
length. Source: docs.aws.amazon.com/transcribe/latest/dg/event-stream.html (2026-11).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from zlib import crc32

import msgspec

from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.frames import MAX_FRAME, FrameTooLong
from providers.wire.types import Json, Value
from providers.wire.waits import wait_in

PRELUDE = 12  # bytes: two lengths and their checksum
SMALLEST = 16  # bytes: a message without headers and payload
TEXT = 7
SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # bytes of a header's value, by type
LONG = (6, TEXT)  # types whose value says its length


class BrokenStream(ValueError):
    """Bytes that are no event stream: a checksum or a length is wrong."""


class Message(Value, frozen=True, kw_only=True):
    """``headers`` holds those that are text, as ``:event-type``."""

    headers: dict[str, str]
    payload: bytes

    @property
    def kind(self) -> str:
        """``event``, ``exception`` or ``error``."""
        return self.headers.get(":message-type", "event")

    @property
    def name(self) -> str:
        """Which event or exception it is."""
        return (
            self.headers.get(":event-type")
            or self.headers.get(":exception-type")
            or self.headers.get(":error-code")
            or ""
        )


class MessageSplitter:
    """Bytes as the network cuts them → whole messages."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that end within data. Raises BrokenStream, and FrameTooLong beyond MAX_FRAME; where whole
        messages come before the broken one, with the next call."""
        rest = self._rest
        rest += data
        found: list[Message] = []
        start = 0
        try:
            while len(rest) - start >= PRELUDE:
                total, headers = _lengths(bytes(rest[start : start + PRELUDE]))
                if len(rest) - start < total:
                    break
                found.append(_message(bytes(rest[start : start + total]), headers))
                start += total
        except (BrokenStream, FrameTooLong):
            if not found:
                raise
        del rest[:start]
        return found

    @property
    def cut(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._rest)


def _lengths(prelude: bytes) -> tuple[int, int]:
    total, headers, checksum = struct.unpack(">III", prelude)
    if crc32(prelude[:8]) != checksum:
        raise BrokenStream("a message's prelude does not fit its checksum")
    if total > MAX_FRAME:
        raise FrameTooLong(f"one message is longer than {MAX_FRAME} bytes")
    if total < SMALLEST or headers > total - SMALLEST:
        raise BrokenStream("a message's lengths contradict each other")
    return total, headers


def _message(raw: bytes, headers: int) -> Message:
    if crc32(raw[:-4]) != int.from_bytes(raw[-4:], "big"):
        raise BrokenStream("a message does not fit its checksum")
    end = PRELUDE + headers
    return Message(headers=_headers(raw[PRELUDE:end]), payload=raw[end:-4])


def _headers(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            name_ends = at + 1 + data[at]
            name, kind, at = data[at + 1 : name_ends].decode(), data[name_ends], name_ends + 1
            size = SIZES.get(kind)
            if kind in LONG:
                size, at = int.from_bytes(data[at : at + 2], "big"), at + 2
            if size is None or at + size > len(data):
                raise BrokenStream("a header is longer than the message's headers, or of no known type")
            if kind == TEXT:
                found[name] = data[at : at + size].decode()
            at += size
    except (IndexError, UnicodeDecodeError):
        raise BrokenStream("a message's headers cannot be read") from None
    return found


def encoded(headers: Mapping[str, str], payload: bytes) -> bytes:
    """A message's bytes."""
    lines = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    prelude = struct.pack(">II", SMALLEST + len(lines) + len(payload), len(lines))
    head = prelude + struct.pack(">I", crc32(prelude)) + lines + payload
    return head + struct.pack(">I", crc32(head))


def _header(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + bytes([TEXT]) + struct.pack(">H", len(value)) + value


# -- errors -----------------------------------------------------------------------------------------------------------
def failure_of(name: str, payload: bytes, status: int | None = None) -> UpstreamFailure:
    """The failure that an exception's name and body tell of; ``providers.failures`` knows the names."""
    try:
        said: Json = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = None
    words = said.get("message") or said.get("Message") if isinstance(said, dict) else None
    wait = wait_in((said,), words if isinstance(words, str) else "")
    code = name[:1].upper() + name[1:]  # streams say throttlingException, replies ThrottlingException
    return UpstreamFailure(
        Kind.SERVER,
        words if isinstance(words, str) and words else "The provider reported an error without words.",
        status=status,
        code=code or None,
        retry_after=wait.seconds,
        resets_at=wait.at,
    )


def error_from(raw: bytes, status: int | None) -> UpstreamFailure | None:
    """The failure in an AWS service's JSON error body: ``{"__type"?, "message"}``; None when it is none."""
    try:
        said: Json = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(said, dict) or not (said.get("message") or said.get("Message")):
        return None
    name = said.get("__type")
    return failure_of(name.rpartition("#")[2] if isinstance(name, str) else "", raw, status)
