"""Embeddings in providers' replies, and one of them as numbers or as base64 of little-endian 32-bit floats."""

from __future__ import annotations

import base64
import binascii
import sys
from array import array

import msgspec

from providers.wire.errors import UpstreamFailure
from providers.wire.media.bodies import NULL, UNREADABLE, Raw, bad_reply, decoded, encode, reply_object, usage_of
from providers.wire.types import Json, Usage

Vector = list[float] | str  # numbers, or base64
NOTHING = (b"[]", b'""')


def is_as_asked(raw: Raw, encoding: str) -> bool:
    """Whether an upstream's embedding, not read yet, is in the encoding (``float`` or ``base64``)."""
    start = bytes(memoryview(raw)[:2])
    return start not in NOTHING and start[:1] == (b'"' if encoding == "base64" else b"[")


def as_vector(value: Json) -> Vector:
    """An upstream's embedding. Raises UpstreamFailure when it is none."""
    if isinstance(value, str) or (isinstance(value, list) and value):
        return value
    raise bad_reply("The provider sent an embedding without numbers.")


def as_floats(vector: Vector) -> list[float]:
    """Numbers. Raises UpstreamFailure for what is not base64 of floats."""
    if not isinstance(vector, str):
        return vector
    try:
        numbers = array("f", base64.b64decode(vector, validate=True))
    except (binascii.Error, ValueError):
        raise bad_reply("The provider sent an embedding that is not base64 of floats.") from None
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def as_base64(vector: Vector) -> str:
    """Base64. Raises UpstreamFailure for what are not numbers."""
    if isinstance(vector, str):
        return vector
    try:
        numbers = array("f", vector)
    except (TypeError, OverflowError):
        raise bad_reply("The provider sent an embedding that is not made of numbers.") from None
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()


# -- in replies --------------------------------------------------------------------------------------------------------
class Item(msgspec.Struct, gc=False):
    """One embedding of a reply in OpenAI's shape. Its numbers stay bytes while nobody has to write them anew."""

    embedding: Raw = NULL
    index: int | None = None


_decode_items = msgspec.json.Decoder(list[Item]).decode


def items_of(raw: Raw, count: int) -> list[Item]:
    """The items of a reply, one per input, in the order of the inputs. Raises UpstreamFailure."""
    try:
        items = _decode_items(raw)
    except UNREADABLE:
        raise bad_reply("The provider's embeddings are not what they should be.") from None
    if len(items) != count:
        raise miscounted(len(items), count)
    if all(item.index is not None for item in items):
        items.sort(key=lambda item: item.index or 0)
    return items


def gemini_vectors(body: bytes) -> tuple[list[Vector], Usage | None]:
    """The embeddings of one ``:batchEmbedContents``, and its usage if it tells it. Raises UpstreamFailure."""
    reply = reply_object(body, "embeddings")
    items = decoded(reply["embeddings"])
    vectors = [as_vector(item.get("values") if isinstance(item, dict) else None) for item in items]
    return vectors, usage_of(reply.get("usageMetadata"))


def cohere_vectors(body: bytes) -> tuple[list[Vector], Usage | None]:
    """The embeddings of one ``v2/embed``, and what it was billed for. Raises UpstreamFailure."""
    reply = reply_object(body)
    found = decoded(reply.get("embeddings", NULL))
    vectors = found.get("float") if isinstance(found, dict) else found
    if not isinstance(vectors, list):
        raise bad_reply("The provider's reply has no embeddings.")
    meta = decoded(reply.get("meta", NULL))
    billed = meta.get("billed_units") if isinstance(meta, dict) else None
    return [as_vector(vector) for vector in vectors], usage_of(Raw(encode(billed)))


def miscounted(found: int, count: int) -> UpstreamFailure:
    return bad_reply(f"The provider sent {found} embeddings for {count} inputs.")
