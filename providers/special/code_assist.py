"""Gemini inside Google's Code Assist envelope: Gemini CLI's, and Antigravity's with some fields more.

Request ``{model, project, request: {…}}``, reply and each event ``{response: {…}, traceId}``.
Source: shared knowledge of the vendor's open-source CLI and of open clients (2026-11).
"""

from __future__ import annotations

import msgspec

from providers.special.base import Decoder, Headers, Plain, Sending
from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.frames import EventSplitter, FrameTooLong, payload

Raw = msgspec.Raw
encode = msgspec.json.encode


class CodeAssist(Plain):
    """``project`` is the Cloud project that was found when the account logged in."""

    def wrap(self, sending: Sending) -> tuple[bytes, Headers]:
        said = {"model": sending.model, "project": _project(sending), "request": Raw(sending.body)}
        return encode(said), sending.headers

    def whole(self, raw: bytes, sending: Sending) -> bytes:
        return _inner(raw)

    def decoder(self, sending: Sending) -> Decoder:
        return _Events()


class Antigravity(CodeAssist):
    """As above; with tools it wants calls validated, and each request named. It is served at two addresses."""

    tries_elsewhere = True

    def wrap(self, sending: Sending) -> tuple[bytes, Headers]:
        fields = msgspec.json.decode(sending.body, type=dict[str, Raw])
        if bytes(fields.get("tools", b"[]")) not in (b"[]", b"null"):
            fields["toolConfig"] = _validated(fields.get("toolConfig"))
        fields.setdefault("sessionId", Raw(encode(sending.id)))
        said = {
            "project": _project(sending),
            "model": sending.model,
            "userAgent": "antigravity",
            "requestType": "agent",
            "requestId": f"agent-{sending.id}",
            "request": fields,
        }
        return encode(said), sending.headers


class _Wrapped(msgspec.Struct):
    response: Raw = Raw()


class _Events:
    __slots__ = ("_split",)

    def __init__(self) -> None:
        self._split = EventSplitter()

    def feed(self, data: bytes) -> bytes:
        try:
            frames = self._split.feed(data)
        except FrameTooLong as wrong:
            raise UpstreamFailure(Kind.PROTOCOL, f"The provider's stream is broken: {wrong}.") from None
        return b"".join([_event(frame) for frame in frames])

    def end(self) -> bytes:
        rest = self._split.flush()
        return _event(rest) if rest else b""


def _event(frame: bytes) -> bytes:
    data = payload(frame)
    return b"data: " + _inner(data) + b"\n\n" if data else frame + b"\n\n"


def _inner(raw: bytes) -> bytes:
    """What is inside; what has no envelope (an error) stays as it is."""
    try:
        found = bytes(msgspec.json.decode(raw, type=_Wrapped).response)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw
    return found or raw


def _project(sending: Sending) -> str:
    project = sending.values.get("project", "")
    if not project:
        raise UpstreamFailure(Kind.AUTH, "The connection has no project; log in again or set it.")
    return project


def _validated(given: Raw | None) -> Raw:
    """Calls are to be validated, unless the client forbids or forces them."""
    said = msgspec.json.decode(given or b"{}", type=dict[str, Raw])
    calling = msgspec.json.decode(said.get("functionCallingConfig", b"{}"), type=dict[str, Raw])
    if bytes(calling.get("mode", b'"AUTO"')).upper() in (b'"AUTO"', b'"MODE_UNSPECIFIED"'):
        calling["mode"] = Raw(b'"VALIDATED"')
    return Raw(encode({**said, "functionCallingConfig": calling}))
