"""What a client wants of reasoning → ``thinking`` and ``output_config.effort`` of one model."""

from __future__ import annotations

from providers.wire.anthropic.tables import BUDGET, DEFAULT_MAX_TOKENS, EFFORT, EFFORT_UP_TO, FAMILY, MIN_BUDGET
from providers.wire.efforts import nearest
from providers.wire.traits import Traits
from providers.wire.translation import Dropped
from providers.wire.types import Json, Request, Thinking, Value

OFF: dict[str, Json] = {"type": "disabled"}


class Plan(Value, frozen=True, kw_only=True):
    """``thinking``: the field, None to say nothing. ``effort``: "" to say nothing."""

    thinking: dict[str, Json] | None = None
    effort: str = ""
    max_tokens: int = DEFAULT_MAX_TOKENS

    @property
    def on(self) -> bool:
        return self.thinking is not None and self.thinking["type"] != "disabled"


def plan(request: Request, traits: Traits, sealed: bool, dropped: Dropped) -> Plan:
    """What to say of thinking. A model knows budgets unless its traits say ``adaptive``, ``both`` or ``none``.

    ``sealed``: the conversation has the thinking blocks that thinking needs. Without them it is switched off:
    an answer without thinking beats a refusal."""
    wish, modern = request.thinking, traits.thinking in ("adaptive", "both")
    limit = _max_tokens(request, traits)
    effort = _effort(wish, request.family == FAMILY, traits) if modern else ""
    if wish.effort and not modern and (request.family == FAMILY and wish.budget is None and not wish.adaptive):
        dropped.add("effort")  # the client's plain effort, of a model that knows only budgets
    if wish.off or wish.effort == "none" or wish.budget == 0:
        return Plan(thinking=None if traits.thinking == "none" else OFF, effort=effort, max_tokens=limit)
    if not _wanted(wish, request.family == FAMILY):
        return Plan(effort=effort, max_tokens=limit)
    if traits.thinking == "none" or not traits.can("reasoning"):
        dropped.add("thinking")
        return Plan(max_tokens=limit)
    if not sealed:
        dropped.add("thinking")
        return Plan(thinking=OFF, effort=effort, max_tokens=limit)
    if _adaptive(wish, traits):
        return Plan(thinking={"type": "adaptive"} | _display(wish, True), effort=effort, max_tokens=limit)
    return _budgeted(request, traits, effort, limit, dropped)


def _wanted(wish: Thinking, own: bool) -> bool:
    """An effort alone switches thinking on for other vendors' clients; Anthropic's own say so themselves."""
    return wish.adaptive or wish.budget is not None or (bool(wish.effort) and not own)


def _adaptive(wish: Thinking, traits: Traits) -> bool:
    if traits.thinking == "adaptive":
        return True
    return traits.thinking == "both" and (wish.budget is None or wish.budget < 0)


def _effort(wish: Thinking, own: bool, traits: Traits) -> str:
    effort = EFFORT.get(wish.effort, "")
    if not effort and wish.budget is not None and wish.budget > 0 and traits.thinking == "adaptive":
        effort = next((name for most, name in EFFORT_UP_TO if wish.budget <= most), "xhigh")
    if effort == "xhigh" and traits.thinking == "both" and not own:
        return "max"  # the models that know both forms have no step between high and max
    return effort if own else nearest(effort, traits.efforts)


def _budgeted(request: Request, traits: Traits, effort: str, limit: int, dropped: Dropped) -> Plan:
    """A budget is lower than max_tokens; one that comes from an effort leaves a quarter of them to the answer."""
    wish = request.thinking
    said = wish.budget is not None and wish.budget > 0
    budget = wish.budget if said and wish.budget is not None else BUDGET[_level(wish)]
    budget = max(budget, MIN_BUDGET)
    if request.max_tokens is None and traits.max_output is None:
        limit = budget + DEFAULT_MAX_TOKENS
    budget = min(budget, limit - 1 if said else max(limit * 3 // 4, MIN_BUDGET))
    if budget < MIN_BUDGET or budget >= limit:
        dropped.add("thinking")
        return Plan(effort=effort, max_tokens=limit)
    field = {"type": "enabled", "budget_tokens": budget} | _display(wish, request.family == FAMILY)
    return Plan(thinking=field, effort=effort, max_tokens=limit)


def _level(wish: Thinking) -> str:
    if wish.effort in BUDGET:
        return wish.effort
    return "high" if wish.adaptive else "medium"  # high is what the vendor takes when an adaptive client says nothing


def _display(wish: Thinking, may_ask: bool) -> dict[str, Json]:
    """Older models show their thinking anyway, and compatible vendors may not know the field."""
    if wish.show is False:
        return {"display": "omitted"}
    return {"display": "summarized"} if may_ask and (wish.show or wish.summary) else {}


def _max_tokens(request: Request, traits: Traits) -> int:
    asked = request.max_tokens if request.max_tokens is not None else traits.max_output or DEFAULT_MAX_TOKENS
    return min(asked, traits.max_output) if traits.max_output else asked
