"""What counts at limits now, for pages: asked of the state that the gateway goes by, in the process that serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from routing import spending
from routing.models import Limit
from routing.state import Claim, State, Window

Asked = Callable[[Sequence[Window]], Sequence[int] | None]  # what counts in each; None: not known
ENDLESS = 2**53  # of a window that is only looked at: nothing can be over it


def used(rows: Iterable[Limit]) -> Mapping[int, Mapping[str, int]]:
    """By id: ``requests`` and ``tokens`` of the last minute, where the row limits them. Empty when it is not known."""
    asked = [
        (row.pk, name, Window(f"{name[0]}:{':'.join(map(str, spending.whose(row)))}", ENDLESS, 0))
        for row in rows
        for name, limit in (("requests", row.requests_per_minute), ("tokens", row.tokens_per_minute))
        if limit is not None
    ]
    counts = _asked([window for _pk, _name, window in asked]) if asked else None
    found: dict[int, dict[str, int]] = {}
    for (pk, name, _window), count in zip(asked, counts or (), strict=counts is not None):
        found.setdefault(pk, {})[name] = count
    return found


async def look(state: State, windows: Sequence[Window]) -> Sequence[int] | None:
    """What counts in windows now; in the state's loop. Who takes nothing changes nothing."""
    taken = await state.take(Claim("look", windows=tuple(windows)))
    return [used for used, _reset in taken.levels] if taken.why is None else None


def watch(asked: Asked | None) -> None:
    """Where to ask; None: nowhere. Called by the process that serves the gateway."""
    global _asked
    _asked = asked or _unknown


def _unknown(windows: Sequence[Window]) -> None:
    return None


_asked: Asked = _unknown
