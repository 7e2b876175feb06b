"""Each reader and parser as a function of bytes that may refuse them, and may do nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import msgspec

from providers.body import dump as passed_dump
from providers.entry import RequestRules
from providers.failures import classify
from providers.wire.anthropic.passing import named
from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.formats import FORMATS
from providers.wire.frames import EventSplitter, FrameTooLong, payload
from providers.wire.gemini.stream import ArrayWriter
from providers.wire.media import embeddings, images, moderation, rerank, speech, transcription
from providers.wire.media.events import Watch
from providers.wire.media.job import Dialect, Job
from providers.wire.media.shapes import SHAPES, shaped
from providers.wire.openai_chat.clean import clean_reply
from providers.wire.openai_chat.passed import WholeReply
from providers.wire.openai_chat.passing import parse as passed
from providers.wire.openai_chat.tagged import split_whole
from providers.wire.schema import for_openai_strict, from_gemini
from providers.wire.schema_subset import to_gemini
from providers.wire.thinktags import split_reply
from providers.wire.traits import Traits
from providers.wire.translation import Asked, Names
from providers.wire.types import Message, Request, Text, Usage
from providers.words import clean_words
from routing.gateway.conversations import Conversations
from routing.gateway.foreign import foreign
from routing.gateway.keeper import Keeper
from routing.gateway.peek import document, peek
from routing.gateway.streams import ChatStream, PassedStream, Stream, TranslatedStream
from tests.fuzz.inputs import cuts
from tests.providers.wire import (
    grammar_anthropic,
    grammar_gemini,
    grammar_openai_chat,
    grammar_openai_responses,
)

# Models that want much mended of what is passed to them.
RULES = RequestRules(replace={"tool_choice": {"required": "any"}, "stop": {"a": ""}})
STRICT: Mapping[str, tuple[Traits, ...]] = {
    "openai_chat": (
        Traits(reasoning_in=True),
        Traits(message_names=False, json_schema=False, tool_id="mistral", turns="mistral"),
        Traits(system_role=False, turns="alternating"),
    ),
    "anthropic": (Traits(thinking="adaptive", sampling=False, prefill=False),),
    "gemini": (Traits(sampling=False, prefill=False),),
    "openai_responses": (Traits(sampling=False),),
}
HONEST = (Refusal, UpstreamFailure)  # how input may be turned away
ASKED = Asked(
    request=Request(model="p/m", include_usage=True, messages=(Message(role="user", parts=(Text(text="Hello"),)),)),
    model="p/m",
    id="0123456789abcdef0123456789abcdef",
    created=1_700_000_000,
)
GRAMMAR: dict[str, Callable[[bytes], Any]] = {
    "openai_chat": partial(grammar_openai_chat.check, usage=True),
    "openai_responses": grammar_openai_responses.check,
    "anthropic": partial(grammar_anthropic.check, arguments=False),
    "gemini": grammar_gemini.check,
}
# What upstream models may be: of the vendor itself, and of somebody who knows little.
TRAITS = (
    {"thinking": "both", "developer_role": True, "max_output": 8000},
    {"thinking": "budget", "capabilities": frozenset(("tools",)), "tool_id": "mistral", "system_role": False,
     "prefill": False, "sampling": False, "stop_limit": 1},
    {"thinking": "level", "reasoning_in": True, "capabilities": frozenset()},
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """``kind`` of the honest documents that are bent for it; ``run`` raises nothing for any bytes."""

    name: str
    kind: str
    run: Callable[[bytes], None]


def takes(read: Callable[[bytes], object]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        with suppress(*HONEST):
            read(data)

    return run


# -- requests --------------------------------------------------------------------------------------------------------
def request(format: str, data: bytes) -> None:
    """A client's body, to every upstream format and kind of model."""
    found = peek(data, model="p/m" if format == "gemini" else "", state=("previous_response_id",))
    foreign(format, found.fields, Traits(thinking="level"))
    for strict in STRICT[format] if format != "openai_chat" else ():
        msgspec.json.encode(FORMATS[format].mended(found.fields, strict)[0])
    parsed = FORMATS[format].parse(document(data), model="p/m", stream=False)
    parsed = Keeper().attach("caller", parsed)
    for upstream in FORMATS.values():
        for traits in TRAITS:
            try:
                dumped = upstream.dump(parsed, Traits(family=upstream.id, **traits))  # type: ignore[arg-type]
            except Refusal:
                continue
            json.loads(msgspec.json.encode(dumped.body))


def count(data: bytes) -> None:
    """A question for tokens, to every upstream that counts."""
    peek(data, model="p/m")
    body = document(data)
    counters = [(format.id, format.counter) for format in FORMATS.values() if format.counter is not None]
    for _, client in counters:
        try:
            asked = client.parse(body, "p/m")
        except Refusal:
            continue
        for family, upstream in counters:
            with suppress(Refusal):
                msgspec.json.encode(upstream.dump(asked, Traits(family=family)).body)


def counted(data: bytes) -> None:
    for format in FORMATS.values():
        if format.counter is not None:
            with suppress(UpstreamFailure):
                assert isinstance(format.counter.read(data), int)


def remembered(data: bytes) -> None:
    """A Responses body that is answered, kept and listed."""
    store = Conversations(10, 60.0, lambda: 0.0, 10_000_000)
    peek(data)
    asked = store.resume("caller", FORMATS["openai_responses"].parse(document(data)))
    body = b'{"id":"resp_1","output":[]}'
    store.remember("caller", "resp_1", asked, (Text(text="a"),), body, "conv_1")
    if asked.store is not False:
        store.input_items("caller", "resp_1")


def chat_passed(data: bytes) -> None:
    for operation in ("chat", "completions"):
        try:
            found = passed(data, operation)
        except Refusal:
            continue
        for traits in STRICT["openai_chat"]:
            passed_dump(found, "m", RULES, traits)


# -- replies ---------------------------------------------------------------------------------------------------------
def reply(format: str, data: bytes) -> None:
    """An upstream's whole reply, to every client format."""
    found = split_reply(FORMATS[format].parse_reply(data, Names()))
    for client in FORMATS.values():
        json.loads(client.dump_reply(found, ASKED))
    if format == "anthropic":
        named(data, "p/m")


def chat_mended(data: bytes) -> None:
    WholeReply(data)
    body = split_whole(clean_reply(data))
    assert body is data or body.startswith(b"{")  # what is no reply at all stays as it is


def error(data: bytes) -> None:
    for format in FORMATS.values():
        for status in (None, 200, 429, 500):
            found = format.error_from(data, status)
            if found is None:
                continue
            told = classify(found)
            words = clean_words(told.message, ("secret",))
            json.loads(format.error_body(Refusal(status or 502, words, type=told.type, code=told.code), "r"))


# -- streams ---------------------------------------------------------------------------------------------------------
def streamed(make: Callable[[], Stream], data: bytes) -> tuple[bytes, Stream]:
    """What the client gets of a stream, as far as it goes well."""
    stream, out = make(), []
    for piece in cuts(data, Random(len(data))):
        out.append(stream.feed(piece))
        if stream.done or stream.failure is not None:
            break
    out.append(stream.end())
    stream.sample()
    if stream.failure is not None:
        out.append(stream.fail(Refusal(502, "broken")) or b"")
    return b"".join(out), stream


def stream(format: str, data: bytes) -> None:
    """An upstream's stream: watched, and told to the clients of every format."""
    reader = FORMATS[format].reader
    streamed(lambda: PassedStream(reader=reader(Names()), tell=_heard), data)
    for client in FORMATS.values():
        out, ended = streamed(lambda: translated(reader(Names()), client.writer(ASKED)), data)  # noqa: B023
        if ended.failure is None and client.id != format:  # a family's own parts go back as they came, odd as they are
            GRAMMAR[client.id](out)
    json_array, ended = streamed(lambda: translated(reader(Names()), ArrayWriter(ASKED)), data)
    if ended.failure is None:
        assert isinstance(json.loads(json_array), list)


def translated(reader: Any, writer: Any) -> TranslatedStream:
    def rough(said: int) -> Usage:
        return Usage(input=1, output=max(1, said // 4), estimated=True)

    return TranslatedStream(reader=reader, writer=writer, tell=lambda reply: None, rough=rough)


def _heard(parts: object, body: Callable[[], bytes]) -> None:
    return None


def chat_stream(data: bytes) -> None:
    streamed(lambda: ChatStream(pass_usage=True), data)
    streamed(lambda: ChatStream(pass_usage=False, mends=False), data)


def watched(data: bytes) -> None:
    watch = Watch()
    for piece in cuts(data, Random(len(data))):
        watch.feed(piece)
    watch.end()


def frames(data: bytes) -> None:
    splitter = EventSplitter()
    try:
        for piece in cuts(data, Random(len(data))):
            for frame in splitter.feed(piece):
                payload(frame)
    except FrameTooLong:
        return
    splitter.flush()


# -- the rest --------------------------------------------------------------------------------------------------------
def schema(data: bytes) -> None:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    for translate in (to_gemini, from_gemini, for_openai_strict):
        msgspec.json.encode(translate(value))


def words(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    clean_words(text, ("secret",))
    classify(UpstreamFailure(Kind.SERVER, text[:4000], status=400))


Parse = Callable[[bytes], Job]


def job(parsers: Iterable[Parse], data: bytes) -> None:
    for parse in parsers:
        try:
            found = parse(data)
        except Refusal:
            continue
        for dialect in Dialect:
            if found.objection(dialect) is None:
                found.dump(dialect, "m")
        for one in in_shapes(found):
            if one.objection(Dialect.OPENAI) is None:
                one.dump(Dialect.OPENAI, "m")
        found.estimate()


def in_shapes(found: Job) -> list[Job]:
    """The same job in every shape of a vendor's own that its service has."""
    kinds = {
        "images": images.Images,
        "rerank": rerank.Rerank,
        "speech": speech.Speech,
        "transcription": transcription.Transcription,
    }
    operation = next((name for name, kind in kinds.items() if isinstance(found, kind)), "")
    return [shaped(found, operation, word, 1) for word in SHAPES.get(operation, ())]


JOBS: dict[str, Job] = {
    "embeddings": embeddings.parse(b'{"model":"m","input":["a","b"],"encoding_format":"base64"}'),
    "images": images.parse(b'{"model":"m","prompt":"a"}'),
    "moderation": moderation.parse(b'{"model":"m","input":["a"]}'),
    "rerank": rerank.parse(b'{"model":"m","query":"q","documents":["a"]}'),
    "speech": speech.parse(b'{"model":"m","input":"a","voice":"v"}'),
    "transcription": transcription.parse(
        b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--b\r\ncontent-disposition: form-data; '
        b'name="response_format"\r\n\r\nverbose_json\r\n--b\r\ncontent-disposition: form-data; name="file"\r\n\r\n'
        b"RIFF\r\n--b--\r\n",
        "multipart/form-data; boundary=b",
    ),
}


def job_reply(name: str, data: bytes) -> None:
    found = JOBS[name]
    for dialect in Dialect:
        if found.objection(dialect) is not None:
            continue
        try:
            found.read(dialect, [data], "application/json")
        except UpstreamFailure:
            continue
    for one in in_shapes(found):
        try:
            one.read(Dialect.OPENAI, [data], "application/json")
        except UpstreamFailure:
            continue


def _embeddings_of_gemini(data: bytes) -> Job:
    return embeddings.parse_gemini(data, "m")


def _form(data: bytes) -> Job:
    return transcription.parse(data, "multipart/form-data; boundary=b")


ENTRIES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        *(Entry(f"request.{name}", f"request/{name}", takes(partial(request, name))) for name in FORMATS),
        *(Entry(f"reply.{name}", f"reply/{name}", takes(partial(reply, name))) for name in FORMATS),
        *(Entry(f"stream.{name}", f"stream/{name}", takes(partial(stream, name))) for name in FORMATS),
        *(Entry(f"request.count-{name}", f"request/{name}", takes(count)) for name in FORMATS if name != "openai_chat"),
        Entry("reply.count", "count", counted),
        Entry("request.remembered", "request/openai_responses", takes(remembered)),
        Entry("request.passed", "request/openai_chat", takes(chat_passed)),
        Entry("reply.passed", "reply/openai_chat", takes(chat_mended)),
        Entry("stream.passed", "stream/openai_chat", takes(chat_stream)),
        Entry("error", "error", takes(error)),
        Entry("frames", "stream/gemini", frames),
        Entry("media.events", "stream/openai_responses", takes(watched)),
        Entry("schema", "schema", schema),
        Entry("words", "error", words),
        Entry("media.embeddings", "embeddings", partial(job, (embeddings.parse, _embeddings_of_gemini))),
        Entry("media.images", "images", partial(job, (images.parse,))),
        Entry("media.moderation", "moderation", partial(job, (moderation.parse,))),
        Entry("media.rerank", "rerank", partial(job, (rerank.parse,))),
        Entry("media.speech", "speech", partial(job, (speech.parse,))),
        Entry("media.form", "form", partial(job, (_form,))),
        Entry("media.vectors", "vectors", takes(partial(job_reply, "embeddings"))),
        *(
            Entry(f"media.{name}-reply", "other-replies", takes(partial(job_reply, name)))
            for name in ("images", "moderation", "rerank", "speech", "transcription")
        ),
    )
}  # fmt: skip
