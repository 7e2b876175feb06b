"""Embeddings: OpenAI's and Gemini's clients, upstreams that speak OpenAI's, Gemini's or Cohere's shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from providers.wire.errors import Refusal
from providers.wire.media.bodies import (
    NULL,
    at_least_one,
    bad_value,
    client_object,
    decoded,
    empty,
    encode,
    missing,
    model_of,
    needed,
    reply_object,
    to_count,
    usage_of,
)
from providers.wire.media.job import Answer, ByTokens, Dialect, Outgoing, unsaid
from providers.wire.media.vectors import (
    Vector,
    as_base64,
    as_floats,
    as_vector,
    cohere_vectors,
    gemini_vectors,
    is_as_asked,
    items_of,
    miscounted,
)
from providers.wire.reading import Fields, wrong
from providers.wire.types import Json, Usage, Value

Client = Literal["openai", "gemini_one", "gemini_batch"]

MOST_AT_ONCE: Mapping[Dialect, int] = {Dialect.GEMINI: 100, Dialect.COHERE: 96}  # inputs of one call
# What the vectors are for, in Gemini's word and in Cohere's; OpenAI has none.
PURPOSES = (
    ("RETRIEVAL_QUERY", "search_query"),
    ("RETRIEVAL_DOCUMENT", "search_document"),
    ("CLASSIFICATION", "classification"),
    ("CLUSTERING", "clustering"),
)
TO_COHERE: Mapping[str, str] = dict(PURPOSES)
FROM_OTHERS: Mapping[str, str] = {
    **{cohere: gemini for gemini, cohere in PURPOSES},
    "query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "passage": "RETRIEVAL_DOCUMENT",
}
USUAL_PURPOSE = "search_document"  # Cohere demands one
READ = frozenset(("model", "input", "encoding_format", "dimensions", "input_type"))


class Embeddings(ByTokens, Value, frozen=True, kw_only=True):
    """Texts or token arrays to turn into vectors; one of the two is empty."""

    model: str
    texts: tuple[str, ...] = ()
    tokens: tuple[tuple[int, ...], ...] = ()
    encoding: str = "float"
    dimensions: int | None = None
    purpose: str = ""  # in Gemini's words
    title: str = ""  # of a document; only Gemini knows it
    client: Client = "openai"
    fields: Mapping[str, Json] = {}  # the whole body of a client that speaks OpenAI's shape
    stream: bool = False

    @property
    def count(self) -> int:
        return len(self.texts) or len(self.tokens)

    def objection(self, dialect: Dialect) -> Refusal | None:
        if self.tokens and dialect is not Dialect.OPENAI:
            return Refusal(
                400, "This model takes text, not tokens, as 'input'.", code="unsupported_value", param="input"
            )
        return None

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        if dialect is Dialect.OPENAI:
            return self._openai(model)
        size = MOST_AT_ONCE[dialect]
        groups = [self.texts[start : start + size] for start in range(0, len(self.texts), size)]
        say = self._gemini if dialect is Dialect.GEMINI else self._cohere
        return Outgoing(bodies=tuple(encode(say(group, model)) for group in groups), dropped=self._dropped(dialect))

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        if dialect is Dialect.OPENAI:
            reply = reply_object(replies[0], "data")
            items = items_of(reply["data"], self.count)
            if self.client == "openai" and all(is_as_asked(item.embedding, self.encoding) for item in items):
                return Answer(body=replies[0], usage=usage_of(reply.get("usage")))
            vectors = [as_vector(decoded(item.embedding)) for item in items]
            return self._answer(vectors, usage_of(reply.get("usage")), decoded(reply.get("model", NULL)))
        read = gemini_vectors if dialect is Dialect.GEMINI else cohere_vectors
        vectors, usages = [], []
        for body in replies:
            found, usage = read(body)
            vectors += found
            usages.append(usage)
        if len(vectors) != self.count:
            raise miscounted(len(vectors), self.count)
        return self._answer(vectors, _sum(usages))

    def estimate(self) -> Usage | bytes | None:
        if self.tokens:
            return Usage(input=sum(map(len, self.tokens)), estimated=True)
        return to_count(self.texts)

    def _dropped(self, dialect: Dialect) -> tuple[str, ...]:
        known = READ if self.purpose else READ - {"input_type"}
        named = [*unsaid(self.fields, known)]
        if dialect is Dialect.COHERE:
            named += ["title"] if self.title else []
            named += ["taskType"] if self.purpose and self.purpose not in TO_COHERE else []
        return tuple(named)

    def _openai(self, model: str) -> Outgoing:
        if self.client == "openai":
            return Outgoing(bodies=(encode({**self.fields, "model": model}),))
        body: dict[str, Json] = {"model": model, "input": list(self.texts), "encoding_format": "float"}
        if self.dimensions is not None:
            body["dimensions"] = self.dimensions
        said = {"taskType": self.purpose, "title": self.title}
        return Outgoing(bodies=(encode(body),), dropped=tuple(name for name, value in said.items() if value))

    def _gemini(self, texts: Iterable[str], model: str) -> dict[str, Json]:
        common: dict[str, Json] = {"model": model if model.startswith("models/") else f"models/{model}"}
        for name, value in (
            ("taskType", self.purpose),
            ("title", self.title),
            ("outputDimensionality", self.dimensions),
        ):
            if value:
                common[name] = value
        return {"requests": [{**common, "content": {"parts": [{"text": text}]}} for text in texts]}

    def _cohere(self, texts: Iterable[str], model: str) -> dict[str, Json]:
        body: dict[str, Json] = {
            "model": model,
            "texts": list(texts),
            "input_type": TO_COHERE.get(self.purpose, USUAL_PURPOSE),
            "embedding_types": ["float"],
        }
        if self.dimensions is not None:
            body["output_dimension"] = self.dimensions
        return body

    def _answer(self, vectors: Sequence[Vector], usage: Usage | None, model: Json = None) -> Answer:
        """The vectors in the client's own shape."""
        if self.client != "openai":
            values = [{"values": as_floats(vector)} for vector in vectors]
            whole = {"embedding": values[0]} if self.client == "gemini_one" else {"embeddings": values}
            return Answer(body=encode(whole), usage=usage)
        write = as_base64 if self.encoding == "base64" else as_floats
        data = [{"object": "embedding", "index": n, "embedding": write(vector)} for n, vector in enumerate(vectors)]
        used = usage.input if usage is not None else 0
        body = {
            "object": "list",
            "data": data,
            "model": model if isinstance(model, str) else self.model,
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }
        return Answer(body=encode(body), usage=usage)


# -- clients ----------------------------------------------------------------------------------------------------------
def parse(body: bytes) -> Embeddings:
    """A body in OpenAI's shape. Raises Refusal 400 naming the field."""
    values = client_object(body)
    fields = Fields(values)
    model = model_of(fields)
    texts, tokens = _input(needed(fields, "input"))
    encoding = fields.text("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise bad_value("encoding_format", "'float' or 'base64'")
    fields.text("user")
    return Embeddings(
        model=model,
        texts=texts,
        tokens=tokens,
        encoding=encoding,
        dimensions=at_least_one(fields, "dimensions"),
        purpose=FROM_OTHERS.get(fields.text("input_type").lower(), ""),
        fields=values,
    )


def parse_gemini(body: bytes, model: str) -> Embeddings:
    """A body of ``:embedContent``, or of ``:batchEmbedContents`` (it has ``requests``); the model is the path's.
    Raises Refusal 400.

    Title, purpose and dimensions are those of the first request: nobody else can be told them one by one.
    """
    fields = Fields(client_object(body))
    batch = fields.raw("requests") is not None
    asked = [Fields(one, f"requests[{n}]") for n, one in enumerate(fields.items("requests"))] if batch else [fields]
    if not asked:
        raise empty("requests")
    texts = tuple(_content(one) for one in asked)
    first = asked[0]
    return Embeddings(
        model=model,
        texts=texts,
        dimensions=at_least_one(first, "outputDimensionality", "output_dimensionality"),
        purpose=first.text("taskType", "task_type"),
        title=first.text("title"),
        client="gemini_batch" if batch else "gemini_one",
    )


def _input(value: Json) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Texts and token arrays; one of them is empty."""
    if isinstance(value, str):
        return (value,), ()
    if not isinstance(value, list):
        raise wrong("input", "a string or an array", value)
    if not value:
        raise empty("input")
    if isinstance(value[0], str):
        _all(value, str, "input")
        return tuple(value), ()
    if isinstance(value[0], list):
        _all(value, list, "input")
        for number, tokens in enumerate(value):
            if not tokens:
                raise empty(f"input[{number}]")
            _all(tokens, int, f"input[{number}]")
        return (), tuple(map(tuple, value))
    _all(value, int, "input")
    return (), (tuple(value),)


def _all(values: list[Json], kind: type, where: str) -> None:
    expected = {str: "a string", list: "an array of tokens", int: "a token (an integer)"}[kind]
    for number, value in enumerate(values):
        if type(value) is not kind:
            raise wrong(f"{where}[{number}]", expected, value)


def _content(fields: Fields) -> str:
    content = fields.inner("content")
    if content is None:
        raise missing(fields.at("content"))
    parts = [Fields(part, f"{content.at('parts')}[{n}]") for n, part in enumerate(content.items("parts"))]
    for part in parts:
        if part.raw("text") is None:
            raise bad_value(part.where, "a part with text")
    if not parts:
        raise empty(content.at("parts"))
    return "\n".join(part.text("text") for part in parts)


# -- many calls -------------------------------------------------------------------------------------------------------
def _sum(usages: Sequence[Usage | None]) -> Usage | None:
    """None when any call reported none: a part of the truth would be taken for the whole."""
    known = [usage for usage in usages if usage is not None]
    return Usage(input=sum(usage.input for usage in known)) if known and len(known) == len(usages) else None
