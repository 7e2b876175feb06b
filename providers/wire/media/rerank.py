"""Rerank: one client shape (Cohere's, with ``return_documents``), upstreams that speak it or Cohere's second version.

Vendors that copied it differ in the names of the list and of the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from providers.wire.errors import Refusal
from providers.wire.media.bodies import (
    NULL,
    at_least_one,
    bad_reply,
    client_object,
    count_in,
    decoded,
    empty,
    encode,
    model_of,
    needed,
    reply_object,
    to_count,
    usage_in,
    with_units,
)
from providers.wire.media.job import Answer, Dialect, Outgoing, unsaid
from providers.wire.reading import Fields, wrong
from providers.wire.types import Json, Units, Usage, Value

# What one billed query is for at Cohere: so many documents, long ones counted by the piece. A piece has 512 tokens, of
# which the question takes 256 at most (docs.cohere.com/docs/reranking-best-practices).
AT_ONCE = 100
PIECE = 500  # characters of a document, at two for a token
LISTS = ("results", "data")
SCORES = ("relevance_score", "score")
COHERE_FIELDS = ("top_n", "max_tokens_per_doc", "priority")  # passed on as they are
READ = frozenset(("model", "query", "documents", "return_documents", *COHERE_FIELDS))


class Rerank(Value, frozen=True, kw_only=True):
    """Documents to be put in order of relevance. ``texts``: theirs, None for one that has none (a picture)."""

    model: str
    query: str
    texts: tuple[str | None, ...]
    top_n: int | None = None
    return_documents: bool | None = None  # None: not said, whatever the provider does is right
    fields: Mapping[str, Json]
    stream: bool = False

    def objection(self, dialect: Dialect) -> Refusal | None:
        if dialect is Dialect.COHERE and None in self.texts:
            where = f"documents[{self.texts.index(None)}]"
            return Refusal(400, f"This model takes text only, not '{where}'.", code="unsupported_value", param=where)
        return None

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        if dialect is Dialect.OPENAI:
            return Outgoing(bodies=(encode({**self.fields, "model": model}),))
        body: dict[str, Json] = {"model": model, "query": self.query, "documents": list(self.texts)}
        body |= {name: self.fields[name] for name in COHERE_FIELDS if self.fields.get(name) is not None}
        return Outgoing(bodies=(encode(body),), dropped=unsaid(self.fields, READ))

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        reply = reply_object(replies[0], *LISTS)
        usage = _billed(decoded(reply.get("meta", NULL)), usage_in(decoded(reply.get("usage", NULL))))
        found = decoded(reply.get("results", NULL))
        before = found if isinstance(found, list) else decoded(reply["data"])
        results = [self._result(item) for item in before]
        if self.top_n is not None:
            results = results[: self.top_n]
        if results == found:
            return Answer(body=replies[0], usage=usage)
        rest = {name: value for name, value in reply.items() if name not in LISTS}
        return Answer(body=encode({**rest, "results": results}), usage=usage)

    def estimate(self) -> Usage | bytes | None:
        return to_count([self.query, *(text or "" for text in self.texts)])

    def measured(self, usage: Usage | None) -> Usage | None:
        """Without the provider's word, one query for every hundred documents."""
        if usage is not None and usage.units is not None and usage.units.queries:
            return usage
        return with_units(usage, queries=-(-len(self.texts) // AT_ONCE))

    def most(self) -> Units | None:
        pieces = sum(1 + len(text or "") // PIECE for text in self.texts)
        return Units(queries=-(-pieces // AT_ONCE))

    def _result(self, item: Json) -> dict[str, Json]:
        """One result in the client's words, with its document where it was asked for and without where it was not."""
        if not isinstance(item, dict):
            raise bad_reply("The provider's results are not objects.")
        index = item.get("index")
        if type(index) is not int or not 0 <= index < len(self.texts):
            raise bad_reply("The provider's results name documents that were not sent.")
        score = next((item[name] for name in SCORES if isinstance(item.get(name), (int, float))), None)
        if score is None:
            raise bad_reply("The provider's results have no score.")
        left_out = {"index", "document", *SCORES}
        result = {"index": index, "relevance_score": score}
        result |= {name: value for name, value in item.items() if name not in left_out}
        document = item.get("document")
        if self.return_documents and not isinstance(document, dict):
            given = self.fields["documents"][index]
            document = given if isinstance(given, dict) else {"text": given}
        if document is not None and self.return_documents is not False:
            result["document"] = document
        return result


def parse(body: bytes) -> Rerank:
    """A client's body. Raises Refusal 400 naming the field."""
    values = client_object(body)
    fields = Fields(values)
    model = model_of(fields)
    needed(fields, "query")
    if not isinstance(needed(fields, "documents"), list):
        raise wrong("documents", "an array", values["documents"])
    documents = fields.items("documents")
    if not documents:
        raise empty("documents")
    at_least_one(fields, "max_tokens_per_doc")
    return Rerank(
        model=model,
        query=fields.text("query"),
        texts=tuple(_text(document, f"documents[{n}]") for n, document in enumerate(documents)),
        top_n=at_least_one(fields, "top_n"),
        return_documents=fields.switch("return_documents"),
        fields=values,
    )


def _text(document: Json, where: str) -> str | None:
    if isinstance(document, str):
        return document
    if not isinstance(document, dict):
        raise wrong(where, "a string or an object", document)
    return Fields(document, where).text("text") if document.get("text") is not None else None


def _billed(meta: Json, usage: Usage | None) -> Usage | None:
    """Cohere counts searches; only some of its relatives report tokens beside them."""
    if not isinstance(meta, dict):
        return usage
    billed = meta.get("billed_units")
    usage = usage or usage_in(billed) or usage_in(meta.get("tokens"))
    queries = count_in(billed, ("search_units",)) if isinstance(billed, dict) else 0
    return with_units(usage, queries=queries) if queries else usage
