"""What streams on their way keep of the client's grammar when an upstream breaks its own."""

from __future__ import annotations

import json

from providers.wire.formats import FORMATS
from providers.wire.translation import Asked, Names
from providers.wire.types import Message, Request, Text, Usage
from routing.gateway.streams import TranslatedStream
from tests.providers.wire.grammar_openai_chat import check

ASKED = Asked(
    request=Request(model="m", include_usage=True, messages=(Message(role="user", parts=(Text(text="Hi"),)),)),
    model="m",
    id="0123456789abcdef",
    created=1,
)


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def test_words_after_the_end_are_not_told() -> None:
    stream = TranslatedStream(
        reader=FORMATS["anthropic"].reader(Names()),
        writer=FORMATS["openai_chat"].writer(ASKED),
        tell=lambda reply: None,
        rough=lambda said: Usage(),
    )
    out = stream.feed(
        event("message_start", message={"id": "msg_1", "model": "m", "usage": {"input_tokens": 3, "output_tokens": 1}})
        + event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        + event("content_block_delta", index=0, delta={"type": "text_delta", "text": "first"})
        + event("content_block_stop", index=0)
        + event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5})
        + event("content_block_start", index=1, content_block={"type": "text", "text": ""})
        + event("content_block_delta", index=1, delta={"type": "text_delta", "text": "late"})
        + event("message_stop")
    )
    out += stream.end()
    check(out, usage=True)
    assert b"first" in out
    assert b"late" not in out
