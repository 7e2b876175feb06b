"""Speech, in OpenAI's shape: text in, the provider's audio out as it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from providers.wire.errors import Refusal
from providers.wire.media.bodies import (
    bad_reply,
    check,
    client_object,
    encode,
    model_of,
    needed,
    reply_object,
    with_units,
)
from providers.wire.media.job import Answer, Dialect, Outgoing
from providers.wire.reading import Fields, wrong
from providers.wire.types import Json, Units, Usage, Value

TEXTS = ("input", "response_format", "instructions", "stream_format")


class Speech(Value, frozen=True, kw_only=True):
    """A text to be read aloud."""

    model: str
    fields: Mapping[str, Json]
    stream: bool = True

    def objection(self, dialect: Dialect) -> Refusal | None:
        return None

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        return Outgoing(bodies=(encode({**self.fields, "model": model}),), accept="*/*")

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        """Only asked about replies that are no audio: always raises UpstreamFailure."""
        reply_object(replies[0])
        raise bad_reply("The provider sent no audio.")

    def estimate(self) -> Usage | bytes | None:
        return None  # text tokens say nothing of speech: it is billed by characters, or by tokens of sound

    def measured(self, usage: Usage | None) -> Usage | None:
        return with_units(usage, characters=len(self.fields["input"]), audio_output=usage.output if usage else 0)

    def most(self) -> Units | None:
        return Units(characters=len(self.fields["input"]))


def parse(body: bytes) -> Speech:
    """A client's body. Raises Refusal 400 naming the field."""
    values = client_object(body)
    fields = Fields(values)
    model = model_of(fields)
    needed(fields, "input")
    check(fields, texts=TEXTS, numbers=("speed",))
    if not isinstance(values.get("voice"), (str, dict, type(None))):
        raise wrong("voice", "a string or an object", values["voice"])
    return Speech(model=model, fields=values)
