"""Image generation, in OpenAI's shape on both sides: pictures come back as base64 or as addresses, untouched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from providers.wire.errors import Refusal
from providers.wire.media.bodies import (
    at_least_one,
    check,
    client_object,
    encode,
    model_of,
    needed,
    reply_object,
    usage_of,
    with_units,
)
from providers.wire.media.job import Answer, Dialect, Outgoing
from providers.wire.reading import Fields
from providers.wire.types import Json, Units, Usage, Value

TEXTS = (
    "prompt",
    "size",
    "quality",
    "style",
    "response_format",
    "background",
    "output_format",
    "moderation",
    "user",
)
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
WHOLES = ("output_compression", "partial_images")


class Images(Value, frozen=True, kw_only=True):
    """Pictures to be made from a prompt."""

    model: str
    stream: bool
    fields: Mapping[str, Json]

    def objection(self, dialect: Dialect) -> Refusal | None:
        return None

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        return Outgoing(bodies=(encode({**self.fields, "model": model}),))

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        reply = reply_object(replies[0], "data")
        usage = with_units(usage_of(reply.get("usage")), images=len(_decode_list(reply["data"])))
        return Answer(body=replies[0], usage=usage)

    def estimate(self) -> Usage | bytes | None:
        return None  # a picture's price has little to do with the words of its prompt

    def measured(self, usage: Usage | None) -> Usage | None:
        """What a provider does not tell apart is all pictures: nothing else comes out."""
        if usage is None or not usage.output or (usage.units is not None and usage.units.image_output):
            return usage
        return with_units(usage, image_output=usage.output)

    def most(self) -> Units | None:
        return Units(images=self.fields.get("n") or 1)


def parse(body: bytes) -> Images:
    """A client's body. Raises Refusal 400 naming the field."""
    values = client_object(body)
    fields = Fields(values)
    model = model_of(fields)
    needed(fields, "prompt")
    at_least_one(fields, "n")
    check(fields, texts=TEXTS, wholes=WHOLES)
    return Images(model=model, stream=fields.switch("stream") is True, fields=values)
