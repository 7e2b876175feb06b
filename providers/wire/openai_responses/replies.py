"""A reply that comes whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import msgspec

from providers.wire.assemble import events_of
from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.openai_responses.errors import UNREADABLE, failure_of, not_a_reply
from providers.wire.openai_responses.reader import Reader
from providers.wire.openai_responses.vocabulary import ENCRYPTED, count, own
from providers.wire.openai_responses.writer import Writer
from providers.wire.translation import Asked, Names
from providers.wire.types import (
    Choice,
    CitationAdded,
    Event,
    Finish,
    Json,
    OpaqueAdded,
    Part,
    Proof,
    Reasoning,
    ReasoningDelta,
    ReasoningProof,
    Refusal,
    RefusalDelta,
    Reply,
    Text,
    TextDelta,
    ToolCall,
    ToolDelta,
    ToolStart,
    UsageSeen,
)


def parse_reply(body: bytes, names: Names) -> Reply:
    """An upstream's body as a reply. Raises UpstreamFailure for an error inside it, or for what is no reply."""
    try:
        said = msgspec.json.decode(body)
    except UNREADABLE:
        raise UpstreamFailure(Kind.PROTOCOL, not_a_reply(body)) from None
    if not isinstance(said, dict) or not isinstance(said.get("output"), list):
        raise failure_of(said) or UpstreamFailure(Kind.PROTOCOL, "The provider's reply has no output.")
    events = Reader(names).whole(said)
    finish = next(event.reason for event in events if isinstance(event, Finish))
    usage = next((event.usage for event in events if isinstance(event, UsageSeen)), None)
    return Reply(
        id=_word(said.get("id")),
        model=_word(said.get("model")),
        created=count(said.get("created_at")),
        choices=(Choice(parts=_parts(events), finish=finish, logprobs=_logprobs(events)),),
        usage=usage,
        service_tier=_word(said.get("service_tier")),
    )


def dump_reply(reply: Reply, asked: Asked) -> bytes:
    """A reply as a client of this format reads it: the same object that ends a stream."""
    writer = _Silent(asked)
    logprobs = reply.choices[0].logprobs if reply.choices else None
    for event in _with_ids(events_of(reply)):
        if logprobs is not None and isinstance(event, TextDelta):
            event, logprobs = msgspec.structs.replace(event, logprobs=logprobs), None
        writer.write(event)
    writer.end(reply.usage)
    return msgspec.json.encode(writer.response)


class _Silent(Writer):
    """A writer of which only the response is wanted."""

    def emit(self, kind: str, **fields: Any) -> None:
        """Nobody reads the events."""


def _with_ids(events: Iterable[Event]) -> Iterator[Event]:
    """A reasoning item's own id goes ahead of its words, as in a stream: it is part of what was sealed."""
    for event, following in pairwise((*events, None)):
        if isinstance(event, ReasoningDelta) and isinstance(following, ReasoningProof):
            proof = own(following.proof, ENCRYPTED)
            if proof is not None and following.block == event.block:
                begun = Proof(family=proof.family, kind=proof.kind, value="", id=proof.id)
                yield ReasoningProof(proof=begun, choice=event.choice, block=event.block)
        if event is not None:
            yield event


def _parts(events: list[Event]) -> tuple[Part, ...]:
    """Every text of a whole reply is one event, unlike in a stream."""
    parts: list[Part] = []
    for event in events:
        last = parts[-1] if parts else None
        match event:
            case TextDelta():
                parts.append(Text(text=event.text, proof=event.proof))
            case CitationAdded() if isinstance(last, Text):
                parts[-1] = msgspec.structs.replace(last, citations=(*last.citations, event.citation))
            case RefusalDelta():
                parts.append(Refusal(text=event.text))
            case ReasoningDelta():
                parts.append(Reasoning(text=event.text, summary=event.summary))
            case ReasoningProof() if event.proof.value:
                _seal(parts, event.proof)
            case ToolStart():
                parts.append(ToolCall(id=event.id, name=event.name, custom=event.custom, namespace=event.namespace))
            case ToolDelta() if isinstance(last, ToolCall):
                parts[-1] = msgspec.structs.replace(last, arguments=event.arguments)
            case OpaqueAdded():
                parts.append(event.part)
    return tuple(parts)


def _seal(parts: list[Part], proof: Proof) -> None:
    last = parts[-1] if parts else None
    if isinstance(last, Reasoning) and last.proof is None:
        parts[-1] = msgspec.structs.replace(last, proof=proof)
    else:
        parts.append(Reasoning(proof=proof))


def _logprobs(events: list[Event]) -> Json:
    content = [
        row
        for event in events
        if isinstance(event, TextDelta) and isinstance(event.logprobs, dict)
        for row in event.logprobs["content"]
    ]
    return {"content": content} if content else None


def _word(value: Json) -> str:
    return value if isinstance(value, str) else ""
