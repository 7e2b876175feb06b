"""What counts at limits now, and what the next request would be told: asked of the state that the gateway goes by, in
the process that serves it. Looking counts nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from providers.wire.errors import Refusal
from routing import spending
from routing.addresses import subscriber
from routing.gateway import denials
from routing.gateway.admission import meters
from routing.models import Limit
from routing.snapshot import Limit as LiveLimit
from routing.state import Claim, Slot, State, Window

NOBODY = Window("look", -1, 0)  # has room for no claim: one with it takes nothing, and is told how the others stand


class Looked(NamedTuple):
    """``windows``: (used, seconds until nothing is) of each; ``full``: the first without room for what was asked, which
    it has in ``wait`` seconds; ``slots``: how many hold each."""

    windows: tuple[tuple[int, float], ...]
    slots: tuple[int, ...]
    full: int | None = None
    wait: float = 0.0


Ask = Callable[[Sequence[Window], Sequence[Slot]], Looked | None]  # None: not known


class Level(NamedTuple):
    """One figure of a limit. ``kind``: requests or tokens of the last minute, or requests in parallel, at most
    ``limit``; ``used`` of it now, ``seconds`` until nothing is. None: not known, and nobody knows when requests end."""

    key: str  # of the limit: "team:7"
    whose: str
    kind: str
    limit: int
    used: int | None = None
    seconds: float | None = None

    @property
    def left(self) -> int | None:
        return None if self.used is None else max(self.limit - self.used, 0)


class Standing(NamedTuple):
    """``refusal``: what the next request would be told."""

    levels: tuple[Level, ...]
    refusal: Refusal | None = None


def standing(limits: Sequence[LiveLimit], usual: Callable[[], int] = lambda: 0) -> Standing:
    """How limits stand for a request that takes ``usual`` tokens."""
    counted = meters(tuple(limits), usual)
    looked = _asked(counted.windows, counted.slots) if limits else None
    rows = [(limit, kind, window.limit) for (limit, kind), window in zip(counted.counted, counted.windows, strict=True)]
    rows += [(limit, "parallel", slot.limit) for limit, slot in zip(counted.held, counted.slots, strict=True)]
    known: list[tuple[int | None, float | None]] = [(None, None)] * len(rows)
    if looked is not None:
        known = [*looked.windows, *((used, None) for used in looked.slots)]
    levels = tuple(
        Level(limit.key, limit.whose, kind, most, *now) for (limit, kind, most), now in zip(rows, known, strict=True)
    )
    if looked is None:
        return Standing(levels)
    if looked.full is not None:
        return Standing(levels, denials.too_many(*counted.counted[looked.full], looked.wait))
    held = zip(counted.held, counted.slots, looked.slots, strict=True)
    full = next((limit for limit, slot, running in held if running >= slot.limit), None)
    return Standing(levels, denials.too_parallel(full) if full is not None else None)


def of_address(address: str, most: int) -> Standing:
    """How the limit of requests per minute stands for an address."""
    window = Window(f"a:{subscriber(address)}", most, 1)
    looked = _asked([window], [])
    level = Level(window.key, "this address", "requests", most)
    if looked is None:
        return Standing((level,))
    used, seconds = looked.windows[0]
    refusal = denials.too_many_from_address(most, looked.wait) if looked.full is not None else None
    return Standing((level._replace(used=used, seconds=seconds),), refusal)


def of_rows(rows: Iterable[Limit]) -> Mapping[int, Mapping[str, Level]]:
    """By the id of each, and by kind."""
    live = {row.pk: spending.live_limit(row) for row in rows}
    ids = {limit.key: pk for pk, limit in live.items()}
    found: dict[int, dict[str, Level]] = {pk: {} for pk in live}
    for level in standing(tuple(live.values())).levels:
        found[ids[level.key]][level.kind] = level
    return found


async def look(state: State, windows: Sequence[Window], slots: Sequence[Slot]) -> Looked:
    """How windows and slots stand; in the state's loop."""
    taken = await state.take(Claim("look", windows=(*windows, NOBODY)))
    running = await state.running([slot.key for slot in slots]) if slots else ()
    full = taken.index if taken.index < len(windows) else None
    return Looked(taken.levels[: len(windows)], tuple(running), full, taken.retry_after)


def watch(asked: Ask | None) -> None:
    """Where to ask; None: nowhere. Called by the process that serves the gateway."""
    global _asked
    _asked = asked or _unknown


def _unknown(windows: Sequence[Window], slots: Sequence[Slot]) -> None:
    return None


_asked: Ask = _unknown
