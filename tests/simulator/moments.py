"""Moments: things that happen once, that tests of any thread or loop can await and measure."""

import asyncio
import threading
import time


class Moment:
    """Happens at most once. `at` is its `time.monotonic()`, one clock for all processes; None before."""

    def __init__(self) -> None:
        self.at: float | None = None
        self._happened = threading.Event()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return self.is_set()

    def is_set(self) -> bool:
        return self._happened.is_set()

    def set(self) -> None:
        """Let it happen now; later calls change nothing. May be called from any thread."""
        with self._lock:
            if self.is_set():
                return
            self.at = time.monotonic()
            self._happened.set()
            waiting, self._waiting = self._waiting, set()
        for loop, event in waiting:
            loop.call_soon_threadsafe(event.set)

    async def wait(self, timeout: float | None = 10.0) -> float:
        """Return `at` once it has happened. Raises TimeoutError after `timeout` seconds (None: never)."""
        entry = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            if not self.is_set():
                self._waiting.add(entry)
        try:
            if not self.is_set():
                async with asyncio.timeout(timeout):
                    await entry[1].wait()
        finally:
            with self._lock:
                self._waiting.discard(entry)
        assert self.at is not None
        return self.at

    def wait_sync(self, timeout: float | None = 10.0) -> float:
        """The same for code without a loop; blocks the calling thread."""
        if not self._happened.wait(timeout):
            raise TimeoutError
        assert self.at is not None
        return self.at
