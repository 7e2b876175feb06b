"""What a text means, as a vector: offline by the optional package ``wordllama``, or by an embeddings model that the
gateway asks as a client would. Whatever goes wrong with it, the text has no vector, and the client hears nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from routing.bounded import put
from routing.gateway.replay.index import packed

if TYPE_CHECKING:
    from routing.gateway.aside import Told
    from routing.gateway.exchange import Exchange

log = logging.getLogger(__name__)
LONGEST_WAIT = 5.0  # seconds that a request waits for its vector
PAUSE = 10.0  # seconds without asking a model again that failed; or for a caller whom it was refused
MOST_NUMBERS = 16_384
OFFLINE = "offline"


class Item(msgspec.Struct):
    embedding: list[float]


class Reply(msgspec.Struct):
    data: list[Item]


_decode = msgspec.json.Decoder(Reply).decode


@dataclass(frozen=True, slots=True)
class Embedded:
    """A vector, and by whom: those of two models cannot be compared."""

    by: str
    vector: bytes


@cache
def wordllama() -> Any | None:
    """The embeddings, from the package's own folder; None when it is not installed."""
    try:
        import wordllama
    except ImportError:
        log.error("The semantic cache is on, but wordllama is not installed: pip install 'omniroute[semantic]'.")
        return None
    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)


class Embedder:
    """``clock`` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pauses: OrderedDict[tuple[str, int | str | None], float] = OrderedDict()
        self._one = asyncio.Lock()  # offline, texts go one by one

    async def embedded(self, exchange: Exchange, text: str) -> Embedded | None:
        """None when there is no vector now."""
        model = exchange.snapshot.caching.semantic_model
        return await self._asked(exchange, model, text) if model else await self._offline(text)

    async def _offline(self, text: str) -> Embedded | None:
        async with self._one:
            vector = await asyncio.to_thread(_words, text)
        return Embedded(OFFLINE, vector) if vector is not None else None

    async def _asked(self, exchange: Exchange, model: str, text: str) -> Embedded | None:
        everybody, caller = (model, ""), (model, exchange.record.caller.key_id)
        now = self._clock()
        if max(self._pauses.get(everybody, 0.0), self._pauses.get(caller, 0.0)) > now:
            return None
        told = await exchange.aside.embedding(exchange, model, text, LONGEST_WAIT)
        if told.fault:
            self._failed(told, everybody if told.fault == "model" else caller, model)
            return None
        vector = _read(told.body)
        if vector is None:
            log.warning("What %s answers for '%s' is no embedding; questions are not compared by it.", told.by, model)
            put(self._pauses, everybody, self._clock() + PAUSE)
            return None
        return Embedded(told.by, vector)

    def _failed(self, told: Told, whose: tuple[str, int | str | None], model: str) -> None:
        if told.fault == "text":
            return
        if told.fault == "model":
            log.warning("The semantic cache cannot ask '%s' now: %s", model, told.why)
        put(self._pauses, whose, self._clock() + PAUSE)


def _words(text: str) -> bytes | None:
    embeddings = wordllama()
    return packed(embeddings.embed([text], norm=True)[0].tolist()) if embeddings is not None else None


def _read(body: bytes) -> bytes | None:
    """The vector in a reply of OpenAI's shape."""
    try:
        numbers: Sequence[float] = _decode(body).data[0].embedding
    except (msgspec.MsgspecError, UnicodeDecodeError, IndexError):
        return None
    return packed(numbers) if len(numbers) <= MOST_NUMBERS else None
