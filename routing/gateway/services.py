"""Everything beside chat: embeddings, images, speech, transcription, moderation, rerank. The same attempts, the same
record; the replies are checked to be some and passed on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Raw
from msgspec.json import encode
from msgspec.structs import replace

from providers.body import served
from providers.quirks import NO_RULES
from providers.transport.base import Reply, TransportError
from providers.upstream import MAX_REPLY, Attempt, told_inside, transport_failure
from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.media import embeddings, images, moderation, rerank, speech, transcription
from providers.wire.media.events import Watch
from providers.wire.media.job import HERE, JSON_TYPE, Answer, Dialect, Further, Job, Outgoing, Place, dialect_of
from providers.wire.media.shapes import shaped
from providers.wire.types import Usage
from routing.gateway.answers import refusal_for
from routing.gateway.attempts import Tries
from routing.gateway.following import followed
from routing.gateway.peek import fields_of
from routing.gateway.policies import Draft
from routing.gateway.record import Record
from routing.gateway.relay import KeepAlive
from routing.gateway.replay.question import Question
from routing.gateway.shaping import shaped_body
from routing.gateway.worst import Demand
from routing.gateway.writer import Header

if TYPE_CHECKING:
    from routing.gateway.exchange import Exchange

monotonic = time.monotonic
EVENTS = "text/event-stream"
READ_WHOLE = ("application/json", "text/html")  # never sound and never events: an answer at once, or an error
OPERATIONS = frozenset(("embeddings", "images", "transcription", "speech", "moderation", "rerank"))
JSON_PARSERS: Mapping[str, Callable[[bytes], Job]] = {
    "embeddings": embeddings.parse,
    "images": images.parse,
    "speech": speech.parse,
    "moderation": moderation.parse,
    "rerank": rerank.parse,
}


async def answer(
    exchange: Exchange, operation: str, headers: Iterable[tuple[bytes, bytes]], body: bytes, *, name: str = ""
) -> None:
    """Answer one request of an operation. ``name``: the model, where the path says it (Gemini's).

    Raises Refusal for what is to be told to the client.
    """
    record = exchange.record
    kind = next((value for key, value in headers if key == b"content-type"), b"").decode("latin-1")
    body = await shaped_body(exchange, body, kind)
    job = _job(operation, record.client_format, kind, body, name)
    record.requested_model, record.stream = job.model, job.stream

    def question() -> Question:
        fields = {"": Raw(encode(body))} if operation == "transcription" else fields_of(body)
        draft = Draft(operation=operation, format=record.client_format, fields=fields)
        return Question(draft=draft, model=job.model, name=name, stream=job.stream)

    await exchange.replays.through(exchange, question, lambda: ask(exchange, operation, job, body))


async def ask(exchange: Exchange, operation: str, job: Job, body: bytes) -> None:
    """Have somebody answer. Raises Refusal."""
    demand = Demand(operation, body, getattr(job, "fields", {}), job.most)
    ticket = exchange.begin(job.model, demand, able=lambda attempts: _told(attempts, operation, job, exchange.record))
    tries = exchange.tries
    assert tries is not None
    async for attempt in tries:
        exchange.note(attempt)
        said = Said(exchange, tries, attempt, operation, _said_to(attempt, operation, job, exchange.record))
        try:
            await (said.stream() if job.stream else said.whole())
        except UpstreamFailure as failure:
            tries.failed(failure)
            continue
        return
    raise await ticket.refusal()


def _job(operation: str, client: str, content_type: str, body: bytes, name: str) -> Job:
    if operation == "transcription":
        return transcription.parse(body, content_type)
    if client == "gemini":
        return embeddings.parse_gemini(body, name)
    return JSON_PARSERS[operation](body)


def _said_to(attempt: Attempt, operation: str, job: Job, record: Record) -> Job:
    """The job as the attempt's vendor is told it: most as everybody is, some in a shape of their own."""
    return shaped(job, operation, attempt.entry.shapes.get(operation, ""), int(record.started_at))


def _told(attempts: list[Attempt], operation: str, job: Job, record: Record) -> list[Attempt]:
    """The attempts at providers that have the operation and can be told the job. Raises Refusal 400 without any."""
    having = able(attempts, operation, job.model)
    objections = [
        _said_to(each, operation, job, record).objection(dialect_of(each.entry.path(operation))) for each in having
    ]
    told = [attempt for attempt, objection in zip(having, objections, strict=True) if objection is None]
    if not told:
        raise next(filter(None, objections))
    return told


def able(attempts: list[Attempt], operation: str, model: str) -> list[Attempt]:
    """The attempts at providers that have one of OPERATIONS. Raises Refusal 400 without any."""
    having = [attempt for attempt in attempts if attempt.entry.has(operation)]
    if not having:
        raise Refusal(
            400,
            f"The model '{model}' cannot be used here: its provider has no {operation}.",
            code="unsupported_operation",
            param="model",
        )
    return having


def ruled(outgoing: Outgoing, attempt: Attempt, operation: str) -> Outgoing:
    """What goes upstream, without what this provider does not take."""
    rules = attempt.entry.rules_of(operation, attempt.model)
    if rules == NO_RULES or outgoing.content_type != JSON_TYPE:
        return outgoing
    said = [served(body, rules) for body in outgoing.bodies]
    dropped = dict.fromkeys((*outgoing.dropped, *(name for _, names in said for name in names)))
    return replace(outgoing, bodies=tuple(body for body, _ in said), dropped=tuple(dropped))


class Said:
    """One attempt's job on its way: sent, checked, answered. Raises UpstreamFailure while another may still answer."""

    __slots__ = ("_attempt", "_dialect", "_exchange", "_head", "_job", "_operation", "_outgoing", "_tries")

    def __init__(self, exchange: Exchange, tries: Tries, attempt: Attempt, operation: str, job: Job) -> None:
        self._exchange, self._tries, self._attempt = exchange, tries, attempt
        self._operation, self._job = operation, job
        self._dialect: Dialect = dialect_of(attempt.entry.path(operation))
        self._outgoing: Outgoing = ruled(job.dump(self._dialect, attempt.model), attempt, operation)
        self._head: Mapping[bytes, bytes] = {}  # of the newest reply to a body
        exchange.record.dropped = self._outgoing.dropped

    async def whole(self) -> None:
        """Fetch everything, then answer at once."""
        replies, kind = [], b""
        for body in self._outgoing.bodies:
            reply = await self._open(body, stream=False)
            kind = reply.headers.get(b"content-type", b"")
            replies.append(await _read(reply))
        await self._answer(await self._followed(replies, kind))

    async def stream(self) -> None:
        """Pass the reply on as it comes; its first bytes are the commitment."""
        reply = await self._open(self._outgoing.bodies[0], stream=True)
        kind = reply.headers.get(b"content-type", b"")
        if _essence(kind) in READ_WHOLE:
            await self._answer(await self._followed([await _read(reply)], kind))
            return
        try:
            await self._pass_on(reply, kind or b"application/octet-stream")
        finally:
            await reply.aclose()

    async def _open(self, body: bytes, *, stream: bool) -> Reply:
        limits, outgoing = self._exchange.limits, self._outgoing
        headers = [(b"content-type", outgoing.content_type.encode())]
        if outgoing.accept:
            headers.append((b"accept", outgoing.accept.encode()))
        reply = await self._exchange.upstream.open(
            self._attempt,
            self._operation,
            body,
            stream=stream,
            timeouts=limits.stream if stream else limits.whole,
            headers=tuple(headers),
            target=self._target(outgoing.place),
        )
        self._head = reply.headers
        return reply

    def _target(self, place: Place) -> str:
        return place.of(self._attempt.entry.target(self._operation, self._attempt.model)) if place != HERE else ""

    async def _followed(self, replies: list[bytes], kind: bytes) -> Answer:
        """What the replies come to, with whatever else has to be asked for it."""
        said = self._checked(replies, kind)
        if isinstance(said, Answer):
            return said
        patience = self._exchange.limits.whole.first_byte
        return await followed(said, self._asked, lambda reply: self._checked([reply], b""), patience)

    async def _asked(self, further: Further) -> bytes:
        return await _read(
            await self._exchange.upstream.open(
                self._attempt,
                self._operation,
                further.body,
                stream=False,
                timeouts=self._exchange.limits.whole,
                method=further.method,
                target=self._target(further.place),
            )
        )

    def _checked(self, replies: list[bytes], kind: bytes) -> Answer | Further:
        try:
            return self._job.read(self._dialect, replies, kind.decode("latin-1"))
        except UpstreamFailure as failure:
            raise told_inside(self._attempt, failure, self._head) from None

    async def _answer(self, answer: Answer) -> None:
        exchange, record = self._exchange, self._exchange.record
        record.stream = False
        record.first_byte_at = monotonic()
        self._tries.spoke()
        self._tries.answered()
        _settle(record, answer.usage, self._job)
        kind = (b"content-type", answer.content_type.encode("latin-1", "replace"))
        await exchange.writer.whole(200, answer.body, (kind, *self._headers(whole=True)))
        exchange.finished = True

    async def _pass_on(self, reply: Reply, kind: bytes) -> None:
        watch = Watch() if _essence(kind) == EVENTS else None
        pieces = _pieces(reply.chunks(), watch)
        try:
            first = await anext(pieces, b"")
        except TransportError as wrong:
            raise transport_failure(wrong) from None
        if watch is not None and watch.failure is not None and not first:
            raise told_inside(self._attempt, watch.failure, self._head)
        if not first:
            raise UpstreamFailure(Kind.PROTOCOL, "The provider sent an empty reply.")
        try:
            await self._begin(kind, first)
            await self._rest(pieces, watch)
        finally:
            _settle(self._exchange.record, watch.usage if watch is not None else None, self._job)

    async def _begin(self, kind: bytes, first: bytes) -> None:
        writer = self._exchange.writer
        self._exchange.record.first_byte_at = monotonic()
        self._tries.spoke()
        if _essence(kind) == EVENTS:
            await writer.begin_stream(self._headers())
        else:
            await writer.begin_bytes(kind, self._headers())
        await writer.piece(first)

    async def _rest(self, pieces: AsyncIterator[bytes], watch: Watch | None) -> None:
        """What follows the first bytes. Raises Refusal: nobody else can answer any more."""
        writer = self._exchange.writer
        failure: UpstreamFailure | None = None
        alive = KeepAlive(writer, self._exchange.limits.keep_alive_seconds) if watch is not None else None
        try:
            async for piece in pieces:
                if alive is not None:
                    alive.touch()
                await writer.piece(piece)
        except TransportError as wrong:
            failure = transport_failure(wrong)
        finally:
            if alive is not None:
                alive.stop()
        if watch is not None and watch.failure is not None:
            failure = told_inside(self._attempt, watch.failure, self._head)
        if failure is not None:
            self._tries.failed(failure)
            raise refusal_for(failure, 1)
        self._tries.answered()
        await writer.end_stream()
        self._exchange.finished = True

    def _headers(self, *, whole: bool = False) -> tuple[Header, ...]:
        return self._exchange.reply_headers(self._attempt, self._outgoing.dropped, whole=whole)


async def _pieces(chunks: AsyncIterator[bytes], watch: Watch | None) -> AsyncIterator[bytes]:
    """What goes to the client, never empty: of events whole ones, until one of them is an error."""
    async for data in chunks:
        piece = watch.feed(data) if watch is not None else data
        if piece:
            yield piece
        if watch is not None and watch.failure is not None:
            return
    if watch is not None and (last := watch.end()):
        yield last


async def _read(reply: Reply) -> bytes:
    """A whole reply. Raises UpstreamFailure."""
    try:
        return await reply.read(MAX_REPLY)
    except TransportError as wrong:
        raise transport_failure(wrong) from None
    finally:
        await reply.aclose()


def _settle(record: Record, usage: Usage | None, job: Job) -> None:
    """Usage as reported, else what may be estimated; where neither says anything, it stays unknown, and so its cost."""
    known = job.measured(usage)
    reported = known is not None and (known.input or known.output)
    estimate = None if reported else job.estimate()
    if isinstance(estimate, bytes):
        record.settle(None, estimate, b"", known.units if known is not None else None)
    elif (settled := known or estimate) is not None:
        record.settle(settled, b"", b"")


def _essence(content_type: bytes) -> str:
    return content_type.partition(b";")[0].strip().lower().decode("latin-1")
