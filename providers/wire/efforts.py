"""Efforts of reasoning, and the one a model knows that is nearest to what a client wants."""

from __future__ import annotations

from collections.abc import Collection

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")  # from the least to the most
USUAL = frozenset(("low", "medium", "high"))  # what every model with efforts knows
MORE = tuple(effort for effort in EFFORTS if effort not in USUAL)  # what only some do


def nearest(effort: str, known: Collection[str] | None) -> str:
    """The effort itself where the model knows it, else the next one above that it knows, else its most.

    ``known``: those beside the usual ones; None: nobody says, so what was asked is. Other words stay as they are.
    """
    if known is None or effort not in EFFORTS:
        return effort
    able = [one for one in EFFORTS if one in USUAL or one in known]
    return next((one for one in able if EFFORTS.index(one) >= EFFORTS.index(effort)), able[-1])
