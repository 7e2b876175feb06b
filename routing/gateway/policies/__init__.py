"""Policies: rules that change or refuse a request before anybody is asked. One pure rule per module, one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from routing.gateway.policies.base import Draft, Refused, Rule, Wants
from routing.gateway.policies.guard import Guard
from routing.gateway.policies.redaction import Redaction
from routing.gateway.policies.system import SystemPrompt
from routing.gateway.policies.thinking import ThinkingBudget
from routing.gateway.policies.tokens import MaxTokens

__all__ = ["KINDS", "Draft", "Refused", "Rule", "Wants", "obey"]


class Settings(Protocol):
    """The settings of one kind of policy."""

    def fault(self) -> str | None:
        """What is wrong with the values, as ``field: sentence``; None when nothing."""

    def rule(self) -> Rule: ...


# In the order in which they are obeyed: the client's own words are cleaned and judged before ours are added.
KINDS: Mapping[str, type[Any]] = {
    "redaction": Redaction,
    "guard": Guard,
    "system_prompt": SystemPrompt,
    "max_tokens": MaxTokens,
    "thinking": ThinkingBudget,
}


def obey(rules: Sequence[Rule], draft: Draft) -> Draft:
    """The draft after all rules. Raises Refusal; a policy's own is a Refused."""
    for rule in rules:
        try:
            draft = rule(draft)
        except Refused as refusal:
            refusal.notes = (*draft.notes, *refusal.notes)
            raise
    return draft
