"""A filter against prompt injection: words that try to take a model over. A filter and not a wall: whoever words it
otherwise gets past it, so nothing may lean on it alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import re2

from routing.gateway.policies.base import Draft, Refused, Settings
from routing.gateway.policies.patterns import Pattern, Sieve, compiled, fault_of
from routing.gateway.policies.texts import rewrite, texts

MOST_SCANNED = 256 * 1024  # characters of one request, the newest first
REMOVED = "[REMOVED]"
Role = Literal["user", "tool", "system", "assistant"]


class Family(NamedTuple):
    name: str
    severity: str  # high | medium
    patterns: tuple[str, ...]


EARLIER = (
    r"(?:(?:all|any|every|each|these|those|of|the|your|my|our|previous|prior|earlier|above|preceding|foregoing"
    r"|system|original|initial|existing)\s+){1,6}"
)
ORDERS = r"(?:instructions?|prompts?|rules|directives|guidelines|commands|programming|restrictions)"
# "the instructions above": what is meant is named after the word.
PAST = r"(?:above|before|given|so\s+far|previously|earlier|you\s+(?:were|have\s+been|got))"
FAMILIES: tuple[Family, ...] = (
    Family(
        "override",
        "high",
        (
            rf"(?i)\b(?:ignore|disregard|forget|override|bypass|discard)\s+{EARLIER}{ORDERS}\b",
            rf"(?i)\b(?:ignore|disregard|forget)\s+(?:the\s+|your\s+)?{ORDERS}\s+{PAST}\b",
            r"(?i)\b(?:ignore|disregard|forget)\s+(?:everything|anything|all)\s+(?:above|before|you\s+(?:were|have\s+been)\s+told|i\s+said\s+before)\b",
            r"(?i)\b(?:do\s+not|don't|never|stop)\s+(?:follow|obey|following|obeying)\s+(?:any\s+of\s+)?(?:your|the)\s+(?:previous|prior|earlier|original|system)\s+(?:instructions?|prompts?|rules)\b",
            r"(?i)\byour\s+(?:new|real|actual|true)\s+(?:instructions?|orders|directives?|system\s+prompt)\s+(?:are|is|:)",
        ),
    ),
    Family(
        "role",
        "medium",
        (
            r"(?i)\byou\s+are\s+(?:now|no\s+longer)\s+(?:a|an|the|in|bound|going|called|my|free|unrestricted|dan)\b",
            r"(?i)\bfrom\s+now\s+on,?\s+(?:you|act|behave|respond|answer)\b",
            r"(?i)\b(?:pretend|act|behave|respond|answer)\s+(?:to\s+be|as\s+if\s+you|as\s+though\s+you|like\s+you)\s+(?:are|were|have|had|re|'re)?\b",
            r"(?i)\bpretend\s+(?:that\s+)?you(?:\s+are|'re|\s+have|\s+can)\b",
        ),
    ),
    Family(
        "reveal",
        "high",
        (
            r"(?i)\b(?:reveal|show|print|repeat|output|display|leak|dump|disclose|tell\s+me|give\s+me|write\s+out)\s+(?:me\s+|us\s+)?(?:all\s+(?:of\s+)?)?your\s+(?:(?:full|entire|complete|exact|hidden|secret|initial|original|internal|own)\s+)*(?:system\s+(?:prompt|message|instructions?)|(?:hidden|secret|initial|original)\s+(?:instructions?|prompt|rules)|instructions\s+verbatim)\b",
            r"(?i)\b(?:reveal|show|print|repeat|output|display|leak|dump|disclose)\s+(?:me\s+)?the\s+(?:(?:full|entire|complete|exact|hidden|secret)\s+)+system\s+(?:prompt|message|instructions?)\b",
            r"(?i)\bwhat\s+(?:is|are|was|were)\s+your\s+(?:(?:exact|full|initial|original|hidden|secret)\s+)*(?:system\s+(?:prompt|message|instructions?)|(?:initial|original|hidden|secret)\s+instructions?)\b",
            r"(?i)\brepeat\s+(?:everything|all|the\s+(?:words|text))\s+(?:above|before\s+this)\b",
        ),
    ),
    Family(
        "delimiters",
        "high",
        (
            r"<\|(?:im_start|im_end|system|user|assistant|endoftext|begin_of_text|eot_id|start_header_id|end_header_id)\|>",
            r"\[/?INST\]|<</?SYS>>",
            r"(?i)<(?:start|end)_of_turn>",
            r"(?im)^\s*#{2,}\s*(?:system|new\s+instructions?)\s*:",
        ),
    ),
    Family(
        "jailbreak",
        "medium",
        (
            r"\bDAN\s+(?:mode|prompt|jailbreak)\b|\b(?:you\s+are|act\s+as|as)\s+DAN\b|(?i:\bdo\s+anything\s+now\b)",
            r"(?i)\bjailbroken\b|\bjailbreak\s+(?:mode|prompt|yourself|this)\b",
            r"(?i)\b(?:enter|enable|activate|switch\s+to|you\s+are\s+in|now\s+in)\s+(?:the\s+)?(?:developer|god|admin|debug|sudo|unrestricted)\s+mode\b",
            r"(?i)\b(?:without|no|ignore|bypass|disable|free\s+of|remove)\s+(?:any\s+|all\s+|your\s+|its\s+|the\s+)*(?:ethical|safety|content|moral)\s+(?:restrictions|guidelines|filters?|limitations|constraints|policies)\b",
        ),
    ),
    Family(
        "decode",
        "medium",
        (
            r"(?i)\b(?:decode|decrypt|deobfuscate|unscramble)\b.{0,80}\b(?:base64|base32|rot-?13|hex|caesar|morse|binary)\b.{0,80}\b(?:then|and)\s+(?:follow|execute|obey|do|run|perform|act|comply|carry)\b",
            r"(?i)\b(?:base64|base32|rot-?13|hex(?:adecimal)?|morse)(?:-|\s+)(?:encoded|decoded?|encrypted)\b.{0,80}\b(?:follow|execute|obey|comply\s+with|carry\s+out)\b",
        ),
    ),
)


class Guard(Settings, frozen=True, kw_only=True):
    """``warn`` notes what was found, ``block`` refuses the request, ``redact`` takes the words out. ``block_from``: the
    severity that is refused; ``scan``: whose words are looked at; ``families``: which of the six; ``patterns``: own."""

    mode: Literal["off", "warn", "block", "redact"] = "warn"
    block_from: Literal["medium", "high"] = "high"
    scan: tuple[Role, ...] = ("user", "tool")
    families: tuple[Literal["override", "role", "reveal", "delimiters", "jailbreak", "decode"], ...] = (
        "override", "role", "reveal", "delimiters", "jailbreak", "decode",
    )  # fmt: skip
    patterns: tuple[Pattern, ...] = ()

    def fault(self) -> str | None:
        return fault_of(self.patterns)

    def rule(self) -> Rule:
        chosen = [family for family in FAMILIES if family.name in self.families]
        own = [Family(each.name, each.severity, (each.pattern,)) for each in self.patterns]
        families = [*chosen, *own]
        sieve = Sieve(pattern for family in families for pattern in family.patterns)
        return Rule(self, _ready(families), sieve)


Ready = tuple[tuple[Family, tuple[Any, ...]], ...]


def _ready(families: Iterable[Family]) -> Ready:
    """Compiled; ours may be longer than what operators may write."""
    return tuple((family, tuple(OWN.get(each) or compiled(each) for each in family.patterns)) for family in families)


@dataclass(frozen=True, slots=True)
class Rule:
    settings: Guard
    families: Ready = field(repr=False)
    sieve: Sieve = field(repr=False)
    kind: str = "guard"

    def __call__(self, draft: Draft) -> Draft:
        mode = self.settings.mode
        if mode == "off":
            return draft
        seen, cut = self._newest(draft)
        found = list(self._found(seen))
        notes = [f"guard:{family.name}" for family in found] + (["guard:partly_scanned"] if cut else [])
        if not found:
            return draft.noting(*notes) if notes else draft
        refused = [family for family in found if self.settings.block_from in ("medium", family.severity)]
        if mode == "block" and refused:
            raise _refusal(refused, notes)
        if mode == "redact":
            return draft.noting(*notes, fields=rewrite(draft, self._without(found)))
        return draft.noting(*notes)

    def _newest(self, draft: Draft) -> tuple[list[str], bool]:
        """The texts to look at, and whether there are more than that."""
        seen, left = [], MOST_SCANNED
        for role, text in reversed(texts(draft)):
            if role in self.settings.scan and text:
                seen.append(text[:left])
                left -= len(text)
                if left <= 0:
                    return seen, left < 0
        return seen, False

    def _found(self, seen: list[str]) -> Iterator[Family]:
        held = [(text, numbers) for text in seen if (numbers := self.sieve.held(text))]
        first = 0
        for family, patterns in self.families:
            if held and any(
                number in numbers and pattern.search(text) is not None
                for text, numbers in held
                for number, pattern in enumerate(patterns, start=first)
            ):
                yield family
            first += len(patterns)

    def _without(self, found: list[Family]) -> Any:
        patterns = [pattern for family, ready in self.families if family in found for pattern in ready]

        def change(role: str, text: str) -> str:
            if role in self.settings.scan:
                for pattern in patterns:
                    text = pattern.sub(REMOVED, text)
            return text

        return change


def _refusal(found: list[Family], notes: list[str]) -> Refused:
    names = ", ".join(family.name for family in found)
    refusal = Refused(400, f"The prompt-injection guard refused the request: {names}.", code="prompt_injection")
    refusal.notes = tuple(notes)
    return refusal


def _compiled() -> Mapping[str, Any]:
    options = re2.Options()
    options.log_errors = False
    return {pattern: re2.compile(pattern, options) for family in FAMILIES for pattern in family.patterns}


OWN = _compiled()
