"""How long an answer may be: capped, or set whatever the client says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from routing.gateway.policies.base import Draft, Settings
from routing.gateway.policies.saying import said_tokens

LARGEST = 10_000_000


class MaxTokens(Settings, frozen=True, kw_only=True):
    """``cap``: at most so many ``tokens``, also where the client says nothing; ``force``: always so many."""

    mode: Literal["cap", "force", "off"] = "cap"
    tokens: int = 4096

    def fault(self) -> str | None:
        return None if 1 <= self.tokens <= LARGEST else f"tokens: a whole number from 1 to {LARGEST}."

    def rule(self) -> Rule:
        return Rule(self)


@dataclass(frozen=True, slots=True)
class Rule:
    settings: MaxTokens
    kind: str = "max_tokens"

    def __call__(self, draft: Draft) -> Draft:
        mode, tokens = self.settings.mode, self.settings.tokens
        if mode == "off" or draft.operation not in ("chat", "completions"):
            return draft
        said = said_tokens(draft.format, draft.fields)
        if said == tokens or (mode == "cap" and said is not None and said < tokens):
            return draft
        return draft.noting(f"max_tokens:{tokens}", wants=replace(draft.wants, max_tokens=tokens))
