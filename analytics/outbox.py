"""From the hot path to the database without waiting for it: memory, then a file, then rows.

``put`` appends to a deque. One thread (the scribe) moves the deque to the journal every 0.2 seconds, so that kill -9
loses nothing older than a second; another (the clerk) reads the journal back in slices and stores them. They are two
because a database that is locked or away may hold a store for many seconds, and the journal must not wait for it.
What waits for the database waits on disk: in memory there are only the outcomes of the last moments and file offsets.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from analytics.estimates import counted, roughly
from analytics.journal import SEGMENT_BYTES, SLICE, Journal, Store, decode, encode, replay
from routing.gateway.outcome import Outcome

log = logging.getLogger(__name__)

__all__ = ["Outbox", "Store", "replay"]

HELD_BYTES = 64 * 1024 * 1024  # request and reply text that may wait to be counted
COUNTING_SECONDS = 0.3  # of one round; the rest is estimated from lengths, so that no outcome waits a second
COUNTED_AT_ONCE = 20
FIRST_PAUSE, LAST_PAUSE = 0.5, 30.0
COMPLAIN_EVERY = 60.0
NICENESS = 5  # of the clerk, beyond the process's
Observer = Callable[[Sequence[Outcome]], None]


class Outbox:
    """Where every outcome of one process goes. ``start`` it after the fork, in the process that calls ``put``.

    ``store(outcomes)`` gets at most 500 at a time, in a thread, and must accept one it has seen before; whatever it
    raises means "not stored, try later". ``observe(outcomes)`` is told once of each outcome, with tokens counted and
    whether the database is there or not, and of nothing at least every ``interval``: it feeds the metrics.
    """

    def __init__(
        self,
        journal_dir: Path,
        store: Store,
        *,
        observe: Observer | None = None,
        capacity: int = 20_000,
        interval: float = 0.2,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._directory, self._store, self._observe = journal_dir, store, observe
        self._capacity, self._interval = capacity, interval
        self._journal = Journal(journal_dir, segment_bytes=segment_bytes)
        self._queue: deque[Outcome] = deque()
        self._held_in = self._held_out = 0  # bytes of text: one thread counts up, the other down
        self._accepted = self._stored = 0
        self._wake_scribe, self._wake_clerk = threading.Event(), threading.Event()
        self._closing, self._scribe_done = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []
        self._complaints: dict[str, float] = {}  # sentence → when it was last logged
        self._adopt_at = 0.0  # when to look for dead processes' journals next
        self.overflowed = 0  # outcomes that ``put`` wrote to the journal itself
        self.lost = 0  # outcomes that found neither memory nor disk; logged

    @property
    def depth(self) -> int:
        """Outcomes that are not in the database yet."""
        return max(0, self._accepted - self._stored - self.lost)

    def put(self, outcome: Outcome) -> None:
        """Take an outcome: O(1), no I/O, never raises. Only when full (or closed) it goes to the journal at once."""
        queue = self._queue
        self._accepted += 1
        if len(queue) >= self._capacity:
            return self._overflow(outcome)
        if outcome.pending is not None:
            outcome = self._bounded(outcome)
        queue.append(outcome)
        if len(queue) == SLICE:
            self._wake_scribe.set()

    def start(self) -> None:
        """Start this process's two threads. What dead processes left in the directory is stored first."""
        for work in (self._scribe, self._clerk):
            thread = threading.Thread(target=work, name=f"outbox{work.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self, timeout: float = 10.0) -> None:
        """Write everything down, and store what can be stored in ``timeout`` seconds; the journal keeps the rest."""
        deadline = time.monotonic() + timeout
        self._capacity = 0
        self._closing.set()
        self._wake_scribe.set()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            while self._queue:  # put while the scribe went home
                self._overflow(self._queue.popleft())
            self._journal.close()
        if self.depth:
            log.warning("%d requests are not in the database yet; the next start stores them", self.depth)

    def _bounded(self, outcome: Outcome) -> Outcome:
        size = _text_size(outcome)
        if self._held_in - self._held_out + size > HELD_BYTES:
            return roughly(outcome)
        self._held_in += size
        return outcome

    def _overflow(self, outcome: Outcome) -> None:
        self._wake_scribe.set()
        outcome = roughly(outcome)
        try:
            self._journal.append(encode([outcome]))
        except OSError as wrong:
            self._lose(1, wrong)
            return
        self.overflowed += 1
        self._wake_clerk.set()
        self._tell([outcome])

    # -- the scribe: memory → journal --------------------------------------------------------------------------------

    def _scribe(self) -> None:
        last = False
        while not last:
            last = self._closing.is_set()
            try:
                self._write_down()
            except Exception as wrong:  # the thread must outlive whatever one round meets
                self._complain("Usage records cannot be written down", wrong)
                self._closing.wait(FIRST_PAUSE)
            if not last:
                self._wake_scribe.wait(self._interval)
                self._wake_scribe.clear()
        self._scribe_done.set()
        self._wake_clerk.set()

    def _write_down(self) -> None:
        """One round: all that waits, in slices; first what is ready, then what has tokens to be counted."""
        uncounted: deque[Outcome] = deque()
        try:
            while batch := _take(self._queue, SLICE):
                uncounted.extend(o for o in batch if o.pending is not None)
                self._keep([o for o in batch if o.pending is None])
            until = time.monotonic() + COUNTING_SECONDS
            while batch := _take(uncounted, COUNTED_AT_ONCE):
                self._keep([self._settled(o, until) for o in batch])
        finally:
            self._queue.extendleft(reversed(uncounted))
        self._tell(())

    def _settled(self, outcome: Outcome, until: float) -> Outcome:
        self._held_out += _text_size(outcome)
        return counted(outcome) if time.monotonic() < until else roughly(outcome)

    def _keep(self, batch: Sequence[Outcome]) -> None:
        """Into the journal; without a disk straight into the database; without either back into memory, and raise."""
        if not batch:
            return
        try:
            self._journal.append(encode(batch))
        except OSError as wrong:
            self._complain("The journal of usage records cannot be written", wrong)
            self._keep_without_journal(batch)
        else:
            self._wake_clerk.set()
        self._tell(batch)

    def _keep_without_journal(self, batch: Sequence[Outcome]) -> None:
        try:
            self._store(batch)
        except Exception as wrong:
            room = max(0, self._capacity - len(self._queue))
            self._queue.extendleft(reversed(batch[:room]))
            self._lose(len(batch[room:]), wrong)
            raise
        self._stored += len(batch)

    # -- the clerk: journal → database -------------------------------------------------------------------------------

    def _clerk(self) -> None:
        _stand_back()
        last, pause = False, 0.0
        while not last:
            last = self._scribe_done.is_set()
            try:
                self._adopt()
                self._store_journal()
                pause = 0.0
            except Exception as wrong:  # locked, away, full: the journal keeps it
                self._complain("Usage records cannot be stored; they wait in the journal", wrong)
                pause = min(LAST_PAUSE, pause * 2 or FIRST_PAUSE)
                self._scribe_done.wait(pause)
            if not (last or pause):
                self._wake_clerk.wait(LAST_PAUSE)
                self._wake_clerk.clear()

    def _store_journal(self) -> None:
        while data := self._journal.unread():
            outcomes, unreadable = decode(data)
            if outcomes:
                self._store(outcomes)
            self._journal.advance(len(data))
            self._stored += len(outcomes) + unreadable
        self._journal.tidy()

    def _adopt(self) -> None:
        """Store dead processes' journals, once; after a failure again, but our own requests do not wait for it."""
        if time.monotonic() < self._adopt_at:
            return
        self._adopt_at = time.monotonic() + LAST_PAUSE
        try:
            replay(self._directory, self._store)
        except Exception as wrong:
            self._complain("Usage records of an earlier run cannot be stored; they wait in the journal", wrong)
        else:
            self._adopt_at = float("inf")

    # -- telling ------------------------------------------------------------------------------------------------------

    def _tell(self, batch: Sequence[Outcome]) -> None:
        if self._observe is None:
            return
        try:
            self._observe(batch)
        except Exception as wrong:  # figures are not worth a record
            self._complain("Counting requests for the metrics failed", wrong)

    def _lose(self, count: int, wrong: Exception) -> None:
        if count:
            self.lost += count
            self._complain("Usage records are lost: neither memory nor disk nor database takes them", wrong)

    def _complain(self, sentence: str, wrong: Exception) -> None:
        """Log, but each sentence at most once a minute: what is broken stays broken for a while."""
        now = time.monotonic()
        if now - self._complaints.get(sentence, float("-inf")) >= COMPLAIN_EVERY:
            self._complaints[sentence] = now
            log.error("%s (%d waiting, %d lost): %s: %s", sentence, self.depth, self.lost, type(wrong).__name__, wrong)


def _stand_back() -> None:
    """Rows can wait, requests cannot: where both want the same core, this thread gets a quarter of it. Measured at 64
    connections on one core, everything on: p99 of 30 to 34 ms instead of 38 to 43.

    Linux alone knows a priority of a single thread.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)


def _take(queue: deque[Outcome], most: int) -> list[Outcome]:
    return [queue.popleft() for _ in range(min(most, len(queue)))]


def _text_size(outcome: Outcome) -> int:
    return sum(map(len, outcome.pending.text)) if outcome.pending is not None and outcome.pending.text else 0
