"""How much a model may think. The numbers are those that people coming from the first OmniRoute know."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec.structs import replace

from providers.wire.types import Thinking
from routing.gateway.policies.base import Draft, Settings
from routing.gateway.policies.saying import said_thinking
from routing.gateway.policies.texts import texts

MOST = 131_072  # tokens
BUDGETS: Mapping[str, int] = {
    "none": 0, "minimal": 1024, "low": 1024, "medium": 10_240, "high": MOST, "xhigh": MOST, "max": MOST,
}  # fmt: skip
MANY_MESSAGES, MANY_TOOLS, LONG_TEXT = 10, 3, 2000
TURNS: Mapping[str, str] = {"openai_responses": "input", "gemini": "contents"}  # elsewhere: messages


class ThinkingBudget(Settings, frozen=True, kw_only=True):
    """``passthrough``: as the client says. ``auto``: what the client says is taken out. ``custom``: always ``budget``
    tokens (0: off). ``adaptive``: by effort, length of the conversation, tools and the last question. ``unasked``:
    the last two also where the client says nothing, at models that are known to think."""

    mode: Literal["passthrough", "auto", "custom", "adaptive"] = "passthrough"
    budget: int = 10_240
    unasked: bool = True

    def fault(self) -> str | None:
        return None if 0 <= self.budget <= MOST else f"budget: a whole number from 0 to {MOST}."

    def rule(self) -> Rule:
        return Rule(self)


@dataclass(frozen=True, slots=True)
class Rule:
    settings: ThinkingBudget
    kind: str = "thinking"

    def __call__(self, draft: Draft) -> Draft:
        mode = self.settings.mode
        if mode == "passthrough" or draft.operation != "chat":
            return draft
        said = said_thinking(draft.format, draft.fields)
        asked = said != Thinking()
        if mode == "auto":
            return draft.noting("thinking:auto", wants=replace(draft.wants, thinking=Thinking())) if asked else draft
        if not asked and not self.settings.unasked:
            return draft
        budget = self.settings.budget if mode == "custom" else adaptive(said, draft)
        wants = replace(draft.wants, thinking=budgeted(said, budget), unasked=not asked)
        return draft.noting(f"thinking:{budget}", wants=wants)


def budgeted(said: Thinking, budget: int) -> Thinking:
    """So many tokens, and the effort that stands for them where a vendor knows efforts only."""
    if budget == 0:
        return Thinking(off=True)
    effort = "low" if budget <= BUDGETS["low"] else "medium" if budget <= BUDGETS["medium"] else "high"
    return replace(said, budget=budget, effort=effort, off=False, adaptive=False)


def adaptive(said: Thinking, draft: Draft) -> int:
    """Tokens for this request: more for long conversations, many tools, a long question."""
    if said.off:
        return 0
    base = said.budget if said.budget is not None and said.budget >= 0 else BUDGETS[said.effort or "medium"]
    questions = [text for role, text in texts(draft) if role == "user"]
    percent = 100  # whole percents: 1.3 is no number of this machine's
    percent += 50 if _turns(draft) > MANY_MESSAGES else 0
    percent += 50 if _tools(draft) > MANY_TOOLS else 0
    percent += 30 if questions and len(questions[-1]) > LONG_TEXT else 0
    return min(math.ceil(base * percent / 100), MOST)


def _turns(draft: Draft) -> int:
    return len(_list(draft, TURNS.get(draft.format, "messages")))


def _tools(draft: Draft) -> int:
    tools = _list(draft, "tools")
    if draft.format != "gemini":
        return len(tools)
    inner = [tool.get("functionDeclarations", tool.get("function_declarations")) for tool in tools if tool]
    return sum(len(found) if isinstance(found, list) else 1 for found in inner)


def _list(draft: Draft, name: str) -> list[dict[str, object]]:
    try:
        found = msgspec.json.decode(draft.fields.get(name, b"[]"))
    except (msgspec.DecodeError, RecursionError):
        return []
    return [each if isinstance(each, dict) else {} for each in found] if isinstance(found, list) else []
