"""Requests that the gateway makes of itself while it answers a client's: by the same way, each with its own record.

They are the caller's: what the key may use and its budgets hold for them, and its limits per minute once more, counted
apart: a client is not refused what it asked for because of what we ask for. Failures rest nothing that clients'
requests go over, for the same reason; the paces of connections hold for all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec.json import encode

from providers.wire.errors import Kind, Refusal
from providers.wire.formats import FORMATS
from providers.wire.media import embeddings
from routing.board import Board
from routing.gateway.callers import permit
from routing.gateway.endpoints import EMBEDDINGS, Call
from routing.gateway.exchange import Exchange
from routing.gateway.outcome import Outcome
from routing.gateway.record import Record
from routing.gateway.services import ask
from routing.gateway.writer import Writer
from routing.resolve import resolve
from routing.snapshot import Caller

AGENT = "OmniRoute semantic cache"  # in place of a client's, in the record
OF_THE_TEXT = (Kind.BAD_REQUEST, Kind.CONTEXT_LENGTH, Kind.CONTENT_FILTER)
monotonic = time.monotonic


@dataclass(frozen=True, slots=True)
class Told:
    """``body``: the answer, in OpenAI's shape; ``by``: provider and model that gave it. Without an answer ``fault``
    says whose it is: "text" (no other is meant), "caller" or "model"; ``why`` in a sentence."""

    body: bytes = b""
    by: str = ""
    fault: str = ""
    why: str = ""


@dataclass(slots=True)
class Aside:
    """One per gateway. The functions are the gateway's own: where outcomes go, ids, who hears of our mistakes."""

    sink: Callable[[Outcome], None]
    ids: Iterator[str]
    complain: Callable[[str, BaseException], None]
    board: Board = field(default_factory=Board)  # what these requests find out of connections

    async def embedding(self, outer: Exchange, model: str, text: str, seconds: float) -> Told:
        """The vector of a text, asked for whom ``outer`` is answered. Never raises but when that one is cancelled."""
        caller = outer.record.caller
        try:
            permit(caller, EMBEDDINGS.operation)
            resolve(outer.snapshot, model, caller)
        except Refusal as refusal:  # nothing is asked: no record tells of it
            return Told(fault="caller" if refusal.status == 403 else "model", why=refusal.message)
        body = encode({"model": model, "input": text})
        said: list[bytes] = []
        inner = self._exchange(outer, said)
        inner.record.requested_model = model
        result, status, told = "failed", 0, Told()
        try:
            async with asyncio.timeout(seconds):
                await ask(inner, EMBEDDINGS.operation, embeddings.parse(body), body)
            result, status = "ok", 200
        except Refusal as refusal:
            result = "failed" if inner.tries and inner.tries.made else "refused"
            inner.record.error_kind, inner.record.error_message = refusal.code or refusal.type, refusal.message
            status, told = refusal.status, Told(fault=_fault(inner), why=refusal.message)
        except TimeoutError:
            told = Told(fault="model", why=f"The embedding took longer than {seconds:g} seconds.")
            inner.record.error_kind, inner.record.error_message, status = "timeout", told.why, 504
        except asyncio.CancelledError:
            result, status = "client_gone", 499
            raise
        except Exception as mistake:
            self.complain(inner.record.request_id, mistake)
            inner.record.error_kind, inner.record.error_message = "internal_error", type(mistake).__name__
            status, told = 502, Told(fault="model", why="The gateway made a mistake; it has been logged.")
        finally:
            self.sink(inner.ended(result, status))
        if result != "ok":
            return told
        attempt = inner.record.attempt
        return Told(b"".join(said), f"{attempt.entry.id}/{attempt.model}" if attempt is not None else "")

    def _exchange(self, outer: Exchange, said: list[bytes]) -> Exchange:
        async def send(message: MutableMapping[str, Any]) -> None:
            said.append(message.get("body", b""))

        record = Record(
            request_id=next(self.ids),
            started_at=time.time(),
            began=monotonic(),
            caller=_counted_apart(outer.record.caller),
            operation=EMBEDDINGS.operation,
            client_format=EMBEDDINGS.format,
            client_address=outer.record.client_address,
            user_agent=AGENT,
        )
        self.board.configure(outer.snapshot.switches)
        self.board.paces = outer.board.paces
        return Exchange(
            snapshot=outer.snapshot,
            board=self.board,
            upstream=outer.upstream,
            memory=outer.memory,
            purses=outer.purses,
            replays=outer.replays,
            limits=outer.limits,
            writer=Writer(send, record.request_id, FORMATS[EMBEDDINGS.format]),
            record=record,
            call=Call(EMBEDDINGS),
            aside=self,
        )


def _counted_apart(caller: Caller) -> Caller:
    """The caller, as fast as it may ask, with counters of its own."""
    if not caller.limits:
        return caller
    limits = tuple(replace(limit, key=f"aside:{limit.key}", parallel=None) for limit in caller.limits)
    return replace(caller, limits=limits)


def _fault(inner: Exchange) -> str:
    tries = inner.tries
    if tries is None or not tries.made:
        return "model" if tries is None else "caller"
    return "text" if tries.failures and tries.failures[-1].kind in OF_THE_TEXT else "model"
