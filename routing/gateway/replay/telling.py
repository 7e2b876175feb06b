"""A kept answer → the client that asks now, whole or streamed, whichever way it was given first."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from providers.wire.assemble import Assembly, events_of
from providers.wire.formats import FORMATS
from providers.wire.frames import EventSplitter, payload
from providers.wire.gemini.stream import ArrayWriter
from providers.wire.translation import Asked, Names
from providers.wire.types import Event, Reply, ToolCall, Usage
from routing.gateway.replay.kept import Kept
from routing.gateway.replay.question import Question
from routing.gateway.writer import Header, Writer

# Ends of answers that another attempt would not better.
WHOLE_ENDS = frozenset(("stop", "stop_sequence", "tool_calls", "length"))


async def tell(writer: Writer, kept: Kept, question: Question, headers: tuple[Header, ...]) -> None:
    """Answer with it."""
    told = (*kept.headers, *headers)
    kind = (b"content-type", kept.content_type)
    if kept.kind == "bytes":
        await writer.begin_bytes(kept.content_type, told)
        await writer.piece(kept.body)
        await writer.end_stream()
        return
    if not question.stream or (kept.kind == "whole" and question.asked is None):
        body = kept.body if kept.kind == "whole" or question.asked is None else _whole(kept, question.asked(), question)
        await writer.whole(
            200, body, ((b"content-type", b"application/json") if kept.kind == "stream" else kind, *told)
        )
        return
    await writer.begin_stream(told)
    await writer.piece(_stream(kept, question))
    await writer.end_stream()


def reply_of(format: str, kept: Kept) -> Reply:
    """What a kept answer says. Raises UpstreamFailure when it is none."""
    if kept.kind == "whole":
        return FORMATS[format].parse_reply(kept.body, Names())
    said = Assembly()
    for event in _events(format, kept.body):
        said.add(event)
    return said.reply()


def worth_keeping(format: str, kept: Kept) -> bool:
    """Whether it is a whole answer. Raises UpstreamFailure when it is none at all."""
    reply = reply_of(format, kept)
    for choice in reply.choices:
        calls = any(isinstance(part, ToolCall) for part in choice.parts)
        if choice.finish not in WHOLE_ENDS or (calls and choice.finish == "length"):
            return False
    return any(choice.parts for choice in reply.choices)


def _whole(kept: Kept, asked: Asked, question: Question) -> bytes:
    return FORMATS[question.draft.format].dump_reply(_told(question.draft.format, kept), asked)


def _told(format: str, kept: Kept) -> Reply:
    """What it says, and what it took, which a stream says only where that was asked for."""
    reply = reply_of(format, kept)
    return reply if reply.usage is not None else replace(reply, usage=kept.usage)


def _stream(kept: Kept, question: Question) -> bytes:
    """The stream as it was; anew when it was told whole, or told something the client did not ask for."""
    same = kept.kind == "stream" and kept.include_usage == question.include_usage and not question.array
    if same or question.asked is None:
        return kept.body
    format = question.draft.format
    writer = ArrayWriter(question.asked()) if question.array else FORMATS[format].writer(question.asked())
    reply = _told(format, kept)
    events = b"".join([writer.write(event) for event in events_of(reply)])
    return events + writer.end(reply.usage or Usage(estimated=True))


def _events(format: str, body: bytes) -> Iterator[Event]:
    reader, split = FORMATS[format].reader(Names()), EventSplitter()
    rest = split.feed(body)
    for frame in (*rest, split.flush()):
        data = payload(frame) if frame else b""
        if data and not reader.done:
            yield from reader.frame(data)
    yield from reader.end()
