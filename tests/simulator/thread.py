"""The simulator for code without a loop: the same server on a thread of its own."""

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from .acts import Act
from .server import Default, Script, Simulator
from .types import Received

T = TypeVar("T")


class SimulatorThread:
    """`with SimulatorThread() as upstream:` takes what Simulator takes and has its members, in blocking form.

    Moments of a Received are waited for with `wait_sync`.
    """

    def __init__(self, **options: Any) -> None:
        self._simulator = Simulator(**options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulator", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._simulator.__aenter__())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._run(self._simulator.__aexit__(kind, error, at))
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def plays(self, *acts: Act) -> Self:
        self._simulator.plays(*acts)
        return self

    def forget(self) -> None:
        self._simulator.forget()

    @property
    def default(self) -> Default:
        return self._simulator.default

    @default.setter
    def default(self, default: Default) -> None:
        self._simulator.default = default

    def for_key(self, key: str) -> Script:
        return self._simulator.for_key(key)

    def for_path(self, path: str) -> Script:
        return self._simulator.for_path(path)

    @property
    def left(self) -> int:
        return self._simulator.left

    @property
    def url(self) -> str:
        return self._simulator.url

    @property
    def root(self) -> str:
        return self._simulator.root

    @property
    def port(self) -> int:
        return self._simulator.port

    @property
    def requests(self) -> list[Received]:
        return self._simulator.requests

    @property
    def count(self) -> int:
        return self._simulator.count

    @property
    def open_connections(self) -> int:
        return self._simulator.open_connections

    def next_request(self, timeout: float = 10.0) -> Received:
        return self._run(self._simulator.next_request(timeout))

    def idle(self, timeout: float = 10.0) -> None:
        self._run(self._simulator.idle(timeout))

    def no_connections(self, timeout: float = 10.0) -> None:
        self._run(self._simulator.no_connections(timeout))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
