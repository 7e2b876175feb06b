"""Rerank in shapes of vendors' own: NVIDIA's, DeepInfra's, and Voyage's other word for ``top_n``.

What they answer becomes Cohere's, which the job itself reads. Source: docs.api.nvidia.com/nim, deepinfra.com/docs,
docs.voyageai.com/reference/reranker-api (2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, isfinite

from providers.wire.errors import Refusal
from providers.wire.media.bodies import bad_reply, decoded, encode, reply_object
from providers.wire.media.job import Answer, Dialect, Outgoing, unsaid
from providers.wire.media.rerank import Rerank
from providers.wire.media.told import Told
from providers.wire.types import Json

READ = frozenset(("model", "query", "documents", "top_n", "return_documents"))
FLATTEST = 700.0  # a logit beyond it is 0 or 1 in any case, and would overflow


class Ranking(Told[Rerank]):
    """A rerank job for one vendor."""

    __slots__ = ()

    def objection(self, dialect: Dialect) -> Refusal | None:
        return self.job.objection(Dialect.COHERE)  # these take texts only, as Cohere does

    def ranked(self, scores: Mapping[int, float], content_type: str) -> Answer:
        """Index → relevance, best first, as the client asked for them. Raises UpstreamFailure."""
        best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
        results = [{"index": index, "relevance_score": score} for index, score in best]
        return self.job.read(Dialect.COHERE, [encode({"results": results})], content_type)


class Nvidia(Ranking):
    """``{model, query: {text}, passages: [{text}]}`` → ``{rankings: [{index, logit}]}``."""

    __slots__ = ()

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        passages = [{"text": text} for text in self.job.texts]
        body = encode({"model": model, "query": {"text": self.job.query}, "passages": passages})
        return Outgoing(bodies=(body,), dropped=unsaid(self.job.fields, READ))

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        scores = {}
        for row in decoded(reply_object(replies[0], "rankings")["rankings"]):
            index = row.get("index") if isinstance(row, dict) else None
            if type(index) is not int:
                raise bad_reply("The provider's rankings have no index.")
            scores[index] = _relevance(_number(row.get("logit")))
        return self.ranked(scores, content_type)


class DeepInfra(Ranking):
    """``{queries: [q], documents: […]}`` → ``{scores: […]}``, in the order of the documents."""

    __slots__ = ()

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        body = encode({"queries": [self.job.query], "documents": list(self.job.texts)})
        return Outgoing(bodies=(body,), dropped=unsaid(self.job.fields, READ))

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        scores = decoded(reply_object(replies[0], "scores")["scores"])
        if len(scores) != len(self.job.texts):
            raise bad_reply("The provider sent another number of scores than there are documents.")
        return self.ranked({index: _number(score) for index, score in enumerate(scores)}, content_type)


class Voyage(Ranking):
    """The usual shape, but for ``top_k``."""

    __slots__ = ()

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        fields = {**self.job.fields, "model": model, "documents": list(self.job.texts)}
        if (most := fields.pop("top_n", None)) is not None:
            fields["top_k"] = most
        return Outgoing(bodies=(encode(fields),))

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        return self.job.read(dialect, replies, content_type)


def _number(value: Json) -> float:
    try:
        number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    except OverflowError:  # a whole number of hundreds of digits
        number = None
    if number is None or not isfinite(number):
        raise bad_reply("The provider's results have no score.")
    return number


def _relevance(logit: float) -> float:
    """A logit as a share of one."""
    return 1 / (1 + exp(min(max(-logit, -FLATTEST), FLATTEST)))
