"""Claude on Amazon Bedrock by InvokeModel: the Messages body almost as it is.

Source: docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html (2026-11).
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64

import msgspec

from providers.special.base import Decoder, Headers, Plain, Sending, without
from providers.special.events import ACCEPT, Messages
from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.eventstream import Message, error_from, failure_of

VERSION = msgspec.Raw(b'"bedrock-2023-05-31"')
CLIENT_HEADERS = (b"anthropic-version", b"anthropic-beta")


class Bedrock(Plain):
    """What both ways to ask Bedrock share: its errors."""

    def failure(self, raw: bytes, status: int, named: str) -> UpstreamFailure | None:
        name = named.partition(":")[0].rpartition("#")[2]
        return failure_of(name, raw, status) if name else error_from(raw, status)


class Invoke(Bedrock):
    """Without model and stream, betas in the body; a stream's events come as base64 in messages."""

    def wrap(self, sending: Sending) -> tuple[bytes, Headers]:
        fields = msgspec.json.decode(sending.body, type=dict[str, msgspec.Raw])
        fields.pop("model", None)
        fields.pop("stream", None)
        if betas := betas_in(sending.headers):
            fields["anthropic_beta"] = msgspec.Raw(msgspec.json.encode(betas))
        body = msgspec.json.encode({"anthropic_version": VERSION, **fields})
        headers = without(sending.headers, *CLIENT_HEADERS)
        return body, (*headers, ACCEPT) if sending.stream else headers

    def decoder(self, sending: Sending) -> Decoder:
        return Messages(_chunk)


def betas_in(headers: Headers) -> list[str]:
    """What a client of the Messages format asks for in its header."""
    said = (value.decode("latin-1") for name, value in headers if name == b"anthropic-beta")
    return [beta.strip() for value in said for beta in value.split(",") if beta.strip()]


class _Chunk(msgspec.Struct):
    bytes: str = ""


class _Kind(msgspec.Struct):
    type: str = ""


def _chunk(message: Message) -> bytes:
    try:
        data = b64decode(msgspec.json.decode(message.payload, type=_Chunk).bytes, validate=True)
        kind = msgspec.json.decode(data, type=_Kind).type if data else ""
    except (msgspec.DecodeError, NotBase64, ValueError):
        raise UpstreamFailure(Kind.PROTOCOL, "The provider's stream holds a chunk that cannot be read.") from None
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n" if data else b""
