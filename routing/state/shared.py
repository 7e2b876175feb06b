"""State that several processes share through Redis: each decision is one script, run by Redis in one piece.

While Redis is away or slow, ``policy`` says what each use does. Who is in flight at that moment waits one timeout at
most; after that nobody waits, until a task of our own has the connection again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path

from routing.state.base import LEASE, SETTLED_LEASE, Claim, End, Others, Taken, Why
from routing.state.between import Between
from routing.state.memory import Memory
from routing.state.pipe import Pipe, RedisAway, RedisError, Reply, Word, connect
from routing.state.policy import POLICY, Away, Use

log = logging.getLogger(__name__)

TIMEOUT = 0.25  # seconds a reply may take
FIRST_PAUSE, LAST_PAUSE = 0.2, 5.0  # seconds between attempts to connect again
RENEW = LEASE / 3
MOST_WAITING = 20_000  # ends kept while Redis is away
PREFIX = "omniroute:"
LUA = Path(__file__).parent / "lua"
SCRIPTS = {
    name: (LUA / "common.lua").read_bytes() + (LUA / f"{name}.lua").read_bytes()
    for name in ("take", "end", "look", "load", "confirm", "running", "enter", "tell", "heard", "claim", "settle")
}
HASHES = {name: hashlib.sha1(text, usedforsecurity=False).hexdigest() for name, text in SCRIPTS.items()}
WHY = (None, Why.WINDOW, Why.SLOT, Why.PURSE, Why.UNKNOWN)
Op = tuple[str, str, str, Word, Word]  # (what, key, id or second, amount, lease)


class Shared:
    """``clock`` is Unix time; None: the server's own. ``returned`` is awaited when Redis is back after it was away."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT,
        prefix: str = PREFIX,
        clock: Callable[[], float] | None = None,
        returned: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._url, self._timeout, self._prefix, self._clock = url, timeout, prefix, clock
        self.returned = returned
        self.others: Others | None = Between(self)
        self._pipe: Pipe | None = None
        self._run = ""  # of the server: another one has lost what we knew, or has an old copy of it
        self._local = Memory()
        self.held: dict[str, Claim] = {}  # by id: what must be renewed while this process lives
        self._ends: deque[Op] = deque(maxlen=MOST_WAITING)
        self._flushing = self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def away(self) -> bool:
        return self._pipe is None

    async def start(self) -> None:
        try:
            await self._connect()
        except (RedisAway, RedisError) as wrong:
            log.error("Redis is away, its users go by their policies: %s", wrong)
            self.spawn(self._return())
        self.spawn(self._renew())

    async def aclose(self) -> None:
        self._closing = True
        if self._ends and self._pipe is not None:
            await self._flush()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._pipe is not None:
            self._pipe.close()

    # -- claims -------------------------------------------------------------------------------------------------------
    async def take(self, claim: Claim) -> Taken:
        if self._pipe is None:
            return self._take_away(claim)
        try:
            reply = await self.eval("take", self._keys(claim), _arguments(claim, self.now()))
        except RedisAway:
            self._give_back_unheard(claim)
            return self._take_away(claim)
        except RedisError:
            return self._take_away(claim)
        taken = _taken(reply)
        if taken.why is None and (claim.slots or claim.purses):
            before = self.held.get(claim.id)
            slots = claim.slots or (before.slots if before is not None else ())
            self.held[claim.id] = Claim(claim.id, slots=slots, purses=claim.purses)
        return taken

    def _take_away(self, claim: Claim) -> Taken:
        if claim.purses and POLICY[Use.BUDGET] is Away.CLOSED:
            return Taken(Why.AWAY)
        return self._local.take_now(claim)

    def _give_back_unheard(self, claim: Claim) -> None:
        """A claim without an answer may have been granted, or will be when a paused server goes on. Who is refused for
        want of the answer gives it back as soon as there is a connection, not when its lease is over."""
        if claim.purses:
            self._ends.extend(("f", self.key(slot.key), claim.id, 0, 0) for slot in claim.slots)
            self._ends.extend(("p", self._purse(purse.key), claim.id, 0, 0) for purse in claim.purses)

    def end(self, end: End) -> None:
        self.held.pop(end.id, None)
        self._local.end(end)  # what was taken while Redis was away; nothing otherwise
        for key in end.lines:
            self._ends.append(("b", self.key(key), end.id, 0, 0))
        for key in end.slots:
            self._ends.append(("f", self.key(key), end.id, 0, 0))
        for key, second, amount in end.corrections:
            self._ends.append(("c", self.key(key), str(second), amount, 0))
        for key, amount in end.purses:
            self._ends.append(("p", self._purse(key), end.id, amount, SETTLED_LEASE))
        if not self._flushing and self._ends and self._pipe is not None:
            self._flushing = True
            self.spawn(self._flush())

    async def _flush(self) -> None:
        """All ends since the last round, in one script."""
        try:
            while self._ends and self._pipe is not None:
                batch = [self._ends.popleft() for _ in range(min(len(self._ends), 500))]
                try:
                    await self._run_ops(batch)
                except RedisAway:
                    # Slots and reservations lapse; what was spent must not be forgotten.
                    self._ends.extendleft(reversed([op for op in batch if op[0] == "p"]))
                    return
        finally:
            self._flushing = False

    async def _run_ops(self, ops: Sequence[Op]) -> None:
        arguments = [self.now(), *(word for what, _, *rest in ops for word in (what, *rest))]
        await self.eval("end", [key for _, key, *_ in ops], arguments)

    async def _renew(self) -> None:
        """What long requests hold is theirs while this process lives."""
        while True:
            await asyncio.sleep(RENEW)
            ops: list[Op] = []
            for claim in self.held.values():
                ops += [("k", self.key(slot.key), claim.id, 0, LEASE) for slot in claim.slots]
                ops += [("q", self._purse(purse.key), claim.id, 0, LEASE) for purse in claim.purses]
            for begin in range(0, len(ops), 500):
                with contextlib.suppress(RedisAway, RedisError):
                    await self._run_ops(ops[begin : begin + 500])

    # -- purses -------------------------------------------------------------------------------------------------------
    async def look(self, purse: str) -> tuple[int, tuple[str, ...]] | None:
        try:
            version, *ids = await self.eval("look", [self._purse(purse)], [])
        except (RedisAway, RedisError):
            return None
        return version, tuple(id.decode() for id in ids)

    async def load(self, purse: str, version: int, spent: int, known: Sequence[str]) -> bool:
        try:
            return bool(await self.eval("load", [self._purse(purse)], [version, spent, *known]))
        except (RedisAway, RedisError):
            return False

    async def reserved(self, purses: Sequence[str]) -> list[int] | None:
        try:
            found = await asyncio.gather(*(self._call("HGET", self._purse(purse), "o") for purse in purses))
        except (RedisAway, RedisError):
            return None
        return [int(amount or 0) for amount in found]

    async def running(self, slots: Sequence[str]) -> list[int]:
        try:
            return list(await self.eval("running", [self.key(slot) for slot in slots], [self.now()]))
        except (RedisAway, RedisError):
            return await self._local.running(slots)

    async def confirm(self, rows: Sequence[tuple[str, str, int]]) -> Collection[str]:
        words: list[Word] = [word for _, id, amount in rows for word in (id, amount)]
        try:
            unknown = await self.eval("confirm", [self._purse(key) for key, _, _ in rows], words)
        except (RedisAway, RedisError):  # the ledger is read again when Redis is back
            return ()
        return {rows[index][0] for index in unknown}

    # -- the connection -----------------------------------------------------------------------------------------------
    async def eval(self, script: str, keys: Sequence[Word], arguments: Sequence[Word]) -> Reply:
        """The reply of a script. Raises RedisAway and RedisError."""
        try:
            return await self._call("EVALSHA", HASHES[script], len(keys), *keys, *arguments)
        except RedisError as wrong:
            if not str(wrong).startswith("NOSCRIPT"):
                log.error("Redis refused the script %s: %s", script, wrong)
                raise
        return await self._call("EVAL", SCRIPTS[script], len(keys), *keys, *arguments)

    async def _call(self, *words: Word) -> Reply:
        if self._pipe is None:
            raise RedisAway("Redis is away.")
        reply = await self._pipe.call(*words)
        if isinstance(reply, RedisError):
            raise reply
        return reply

    async def _connect(self) -> None:
        pipe = await connect(self._url, self._timeout, self._lost)
        for text in SCRIPTS.values():
            await pipe.call("SCRIPT", "LOAD", text)
        about = await pipe.call("INFO", "server")
        found = [line[7:] for line in about.split(b"\r\n") if line.startswith(b"run_id:")] if about else []
        self._run, self._pipe = found[0].decode()[:8] if found else "", pipe

    def _lost(self) -> None:
        if self._pipe is None or self._closing:
            return
        self._pipe = None
        log.error("Redis is away or slow; until it is back, its users go by their policies")
        self.spawn(self._return())

    async def _return(self) -> None:
        pause = FIRST_PAUSE
        while True:
            await asyncio.sleep(pause)
            pause = min(LAST_PAUSE, pause * 2)
            with contextlib.suppress(RedisAway, RedisError):
                await self._connect()
                break
        log.info("Redis is back")
        await self._flush()
        if self.returned is not None:
            await self.returned()

    def spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # the loop keeps only weak references
        task.add_done_callback(self._tasks.discard)

    # -- words --------------------------------------------------------------------------------------------------------
    def key(self, key: str) -> str:
        return f"{self._prefix}{key}"

    def _purse(self, key: str) -> str:
        """Of one run of the server: after a restart or a failover everything is loaded from the ledger again."""
        return f"{self._prefix}{self._run}:{key}"

    def _keys(self, claim: Claim) -> list[str]:
        return [
            *(self.key(window.key) for window in claim.windows),
            *(self.key(slot.key) for slot in claim.slots),
            *(self._purse(purse.key) for purse in claim.purses),
            *(self._purse(key) for key in claim.drop),
        ]

    def now(self) -> Word:
        return "" if self._clock is None else str(self._clock())


def _arguments(claim: Claim, now: Word) -> list[Word]:
    words: list[Word] = [now, claim.id, LEASE]
    words += (len(claim.windows), len(claim.slots), len(claim.purses), len(claim.drop))
    for window in claim.windows:
        words += (window.limit, window.amount)
    words += [slot.limit for slot in claim.slots]
    for purse in claim.purses:
        words += (purse.limit, purse.amount)
    return words


def _taken(reply: Sequence[int]) -> Taken:
    status, index, wait, spent, reserved, second, *levels = (int(word) for word in reply)
    pairs = zip(levels[::2], levels[1::2], strict=True)
    return Taken(WHY[status], index, wait / 1000, spent, reserved, second, tuple((u, r / 1000) for u, r in pairs))
