"""What the client wants of reasoning, in the words of an upstream."""

from __future__ import annotations

from providers.wire.efforts import nearest
from providers.wire.openai_chat.parts_in import FAMILY
from providers.wire.traits import Traits
from providers.wire.translation import Dropped
from providers.wire.types import Json, Request, Thinking

# Effort → tokens, and the other way: a budget is the lowest effort that is not below it.
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24576, "xhigh": 49152, "max": 65536}
STEPS = ((1024, "minimal"), (4096, "low"), (10240, "medium"), (32768, "high"))
# What those who are not OpenAI know.
PLAIN = {"minimal": "low", "xhigh": "high", "max": "high"}
BY_BUDGET = frozenset(("budget", "both"))


def effort_of(budget: int) -> str:
    """The effort a budget of tokens stands for; "" for -1, where the model decides."""
    if budget < 0:
        return ""
    if budget == 0:
        return "none"
    return next((effort for most, effort in STEPS if budget <= most), "xhigh")


def thinking_fields(body: dict[str, Json], request: Request, traits: Traits, dropped: Dropped) -> None:
    """Set ``reasoning_effort``, ``thinking`` or OpenRouter's ``reasoning``."""
    said = request.thinking
    wanted = said.effort or said.budget is not None or said.adaptive
    if not wanted and not said.off:
        return
    off = said.off or said.effort == "none" or said.budget == 0
    if traits.thinking == "none" or not traits.can("reasoning"):
        if not off:
            dropped.add("thinking")
    elif traits.family == "openrouter":
        body["reasoning"] = _router(said, off)
    elif traits.thinking in BY_BUDGET:
        body["thinking"] = {"type": "disabled"} if off else _budget(said)
    elif traits.thinking == "adaptive":
        body["thinking"] = {"type": "disabled" if off else "adaptive"}
    else:
        effort = "none" if off else said.effort or effort_of(said.budget if said.budget is not None else -1)
        if request.family != FAMILY:
            plain = traits.efforts is None and not traits.developer_role
            effort = PLAIN.get(effort, effort) if plain else nearest(effort, traits.efforts)
        if effort:
            body["reasoning_effort"] = effort


def _budget(said: Thinking) -> dict[str, Json]:
    tokens = said.budget if said.budget is not None else BUDGETS.get(said.effort, -1)
    return {"type": "enabled", "budget_tokens": tokens} if tokens > 0 else {"type": "enabled"}


def _router(said: Thinking, off: bool) -> dict[str, Json]:
    if off:
        return {"enabled": False}
    wants: dict[str, Json] = {"exclude": True} if said.show is False else {}
    if said.budget is not None and said.budget > 0:
        return {"max_tokens": said.budget, **wants}
    return {"effort": said.effort, **wants} if said.effort else {"enabled": True, **wants}
