"""Effort, budget and switches of thinking → ``thinkingConfig``. Never a level and a budget together."""

from __future__ import annotations

import re
from typing import Final

from providers.wire.traits import Traits
from providers.wire.translation import Dropped
from providers.wire.types import Json, Request, Thinking

FAMILY = "gemini"
LEVELS = {
    "none": "MINIMAL", "minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "HIGH",
    "max": "HIGH",
}  # fmt: skip
BUDGETS = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24_576}  # tokens; above: the model's most
LEVEL_OF_BUDGET = ((1023, "minimal"), (4096, "low"), (16_384, "medium"))  # up to so many tokens; above: high
# Smallest (beside off), largest, and whether off exists, by a word in the name of a model. First that matches counts.
LIMITS = (("pro", 128, 32_768, False), ("flash-lite", 512, 24_576, True), ("", 1, 24_576, True))
NO_MINIMAL = re.compile(r"\bpro\b")  # Gemini 3 Pro knows LOW and HIGH only
GENERATION = re.compile(r"gemini-(\d+)")
DYNAMIC: Final = -1


def config(request: Request, traits: Traits, dropped: Dropped) -> dict[str, Json]:
    """Empty when the client said nothing or the model has no thinking."""
    said = request.thinking
    if said == Thinking():
        return {}
    how = _how(request, traits)
    if how == "none":
        if not _off(said):
            dropped.add("thinking")
        return {}
    made = _level(request) if how == "level" else _budget(request)
    if _shown(request):
        made["includeThoughts"] = True
    elif said.show is False and request.family == FAMILY:
        made["includeThoughts"] = False
    return made


def _how(request: Request, traits: Traits) -> str:
    """What the catalogue says, else what the model's name tells, else what the client's own words are."""
    if traits.thinking in ("level", "budget", "none"):
        return traits.thinking
    named = GENERATION.search(request.model)
    if named is not None:
        return "level" if int(named[1][:4]) >= 3 else "budget"
    return "budget" if request.thinking.budget is not None else "level"


def _off(said: Thinking) -> bool:
    return said.off or said.effort == "none"


def _shown(request: Request) -> bool:
    """Thoughts are asked for when the client wants them; a client of another format that asks for thinking does,
    unless it says no."""
    said = request.thinking
    if said.show is not None or _off(said):
        return bool(said.show)
    return request.family != FAMILY


def _level(request: Request) -> dict[str, Json]:
    said = request.thinking
    effort = said.effort or ("none" if said.off else _effort(said.budget))
    level = LEVELS.get(effort, "")
    if effort == "xhigh" and request.family == FAMILY:
        level = "XHIGH"
    if level == "MINIMAL" and NO_MINIMAL.search(request.model):
        level = "LOW"
    return {"thinkingLevel": level} if level else {}


def _effort(budget: int | None) -> str:
    if budget is None or budget < 0:
        return ""
    return next((effort for most, effort in LEVEL_OF_BUDGET if budget <= most), "high")


def _budget(request: Request) -> dict[str, Json]:
    said = request.thinking
    _, least, most, can_stop = next(row for row in LIMITS if row[0] in request.model)
    if _off(said) or said.budget == 0:
        return {"thinkingBudget": 0 if can_stop else least}
    if said.budget is not None:
        return {"thinkingBudget": DYNAMIC if said.budget < 0 else min(max(said.budget, least), most)}
    if said.effort:
        budget = most if said.effort == "high" and least == 128 else BUDGETS.get(said.effort, most)
        return {"thinkingBudget": min(max(budget, least), most)}
    return {"thinkingBudget": DYNAMIC} if said.adaptive else {}
