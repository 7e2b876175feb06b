"""Moderation, in OpenAI's shape on both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from providers.wire.errors import Refusal
from providers.wire.media.bodies import (
    bad_reply,
    client_object,
    decoded,
    empty,
    encode,
    needed,
    reply_object,
    to_count,
    usage_of,
)
from providers.wire.media.job import Answer, ByTokens, Dialect, Outgoing
from providers.wire.reading import Fields, wrong
from providers.wire.types import Json, Usage, Value

USUAL_MODEL = "omni-moderation-latest"  # what OpenAI takes when a client names none


class Moderation(ByTokens, Value, frozen=True, kw_only=True):
    """Texts, and maybe pictures, to be judged."""

    model: str
    texts: tuple[str, ...]
    fields: Mapping[str, Json]
    stream: bool = False

    def objection(self, dialect: Dialect) -> Refusal | None:
        return None

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        return Outgoing(bodies=(encode({**self.fields, "model": model}),))

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        """Mistral leaves ``flagged`` out: what is true of any category is true of the whole."""
        reply = reply_object(replies[0], "results")
        usage = usage_of(reply.get("usage"))
        results = decoded(reply["results"])
        if not results or not all(isinstance(result, dict) for result in results):
            raise bad_reply("The provider's reply has no results.")
        if all(isinstance(result.get("flagged"), bool) for result in results):
            return Answer(body=replies[0], usage=usage)
        judged = [{"flagged": _any(result.get("categories")), **result} for result in results]
        return Answer(body=encode({**reply, "results": judged}), usage=usage)

    def estimate(self) -> Usage | bytes | None:
        return to_count(self.texts)


def parse(body: bytes) -> Moderation:
    """A client's body; the model may be left out. Raises Refusal 400 naming the field."""
    values = client_object(body)
    fields = Fields(values)
    model = fields.text("model") or USUAL_MODEL
    given = needed(fields, "input")
    if isinstance(given, str):
        return Moderation(model=model, texts=(given,), fields=values)
    if not isinstance(given, list):
        raise wrong("input", "a string or an array", given)
    if not given:
        raise empty("input")
    texts = tuple(_text(item, f"input[{n}]") for n, item in enumerate(given))
    return Moderation(model=model, texts=texts, fields=values)


def _text(item: Json, where: str) -> str:
    if isinstance(item, str):
        return item
    if not isinstance(item, dict):
        raise wrong(where, "a string or an object", item)
    part = Fields(item, where)
    needed(part, "type")
    part.text("type")
    return part.text("text")


def _any(categories: Json) -> bool:
    return isinstance(categories, dict) and any(value is True for value in categories.values())
