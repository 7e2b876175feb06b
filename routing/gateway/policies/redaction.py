"""Personal data out of what goes to providers: a placeholder instead. What looks like it only by shape (cards, CPF,
CNPJ) must also have right check digits. Source of the check digits: ISO/IEC 7812-1 (Luhn), Receita Federal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from routing.gateway.policies.base import Draft, Settings
from routing.gateway.policies.patterns import Pattern, Sieve, compiled, fault_of
from routing.gateway.policies.texts import rewrite

Kind = Literal["email", "card", "us_ssn", "cpf", "cnpj", "br_phone", "phone"]
Role = Literal["user", "tool", "system", "assistant"]
CARDS = ("34", "37", "4", "51", "52", "53", "54", "55", "22", "23", "24", "25", "26", "27", "6011", "64", "65", "35",
         "300", "301", "302", "303", "304", "305", "36", "38", "39", "62", "50", "63", "67")  # fmt: skip


def digits_of(text: str) -> list[int]:
    return [int(character) for character in text if character.isdigit()]


def is_card(text: str) -> bool:
    """A number that some network issues, with Luhn's check digit."""
    digits = digits_of(text)
    if not 13 <= len(digits) <= 19 or not "".join(map(str, digits)).startswith(CARDS):
        return False
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_cpf(text: str) -> bool:
    digits = digits_of(text)
    return len(digits) == 11 and len(set(digits)) > 1 and all(
        _checks(digits, place, range(place + 1, 1, -1)) for place in (9, 10)
    )  # fmt: skip


def is_cnpj(text: str) -> bool:
    digits = digits_of(text)
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    return len(digits) == 14 and len(set(digits)) > 1 and all(
        _checks(digits, place, weights[13 - place :]) for place in (12, 13)
    )  # fmt: skip


def _checks(digits: list[int], place: int, weights: Any) -> bool:
    rest = sum(digit * weight for digit, weight in zip(digits[:place], weights, strict=True)) % 11
    return digits[place] == (0 if rest < 2 else 11 - rest)


def _is_ssn(text: str) -> bool:
    area, group, serial = text[:3], text[4:6], text[7:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _is_phone(text: str) -> bool:
    return 8 <= len(digits_of(text)) <= 15


class Shape(NamedTuple):
    kind: str
    placeholder: str
    pattern: str
    proof: Callable[[str], bool] | None = None


BR_PHONE = (
    r"(?:\+55[ .-]?)?\(\d{2}\)[ .-]?9?[ .-]?\d{4}[ .-]?\d{4}\b"
    r"|\+55[ .-]?\d{2}[ .-]?9?\d{4}[ .-]?\d{4}\b"
)
PHONE = (
    r"\+\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){2,6}\b"
    r"|\(\d{3}\)[ .-]?\d{3}[ .-]\d{4}\b"
    r"|\b\d{3}[.-]\d{3}[.-]\d{4}\b"
)

# In the order in which they are looked for: the longer and the surer first.
SHAPES: tuple[Shape, ...] = (
    Shape("email", "[EMAIL]", r"\b[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"),
    Shape("card", "[CARD]", r"\b\d(?:[ -]?\d){12,18}\b", is_card),
    Shape("cnpj", "[CNPJ]", r"\b\d{2}\.?\d{3}\.?\d{3}/?\d{4}-?\d{2}\b", is_cnpj),
    Shape("cpf", "[CPF]", r"\b\d{3}\.?\d{3}\.?\d{3}-?\d{2}\b", is_cpf),
    Shape("us_ssn", "[SSN]", r"\b\d{3}-\d{2}-\d{4}\b", _is_ssn),
    Shape("br_phone", "[PHONE]", BR_PHONE),
    Shape("phone", "[PHONE]", PHONE, _is_phone),
)  # fmt: skip


class Redaction(Settings, frozen=True, kw_only=True):
    """``kinds`` of personal data that become placeholders, in the words of ``scan``; ``patterns``: own, each becomes
    its name in brackets. No kinds and no patterns: off."""

    kinds: tuple[Kind, ...] = ("email", "card", "us_ssn", "cpf", "cnpj", "br_phone", "phone")
    scan: tuple[Role, ...] = ("user", "tool", "system", "assistant")
    patterns: tuple[Pattern, ...] = ()

    def fault(self) -> str | None:
        return fault_of(self.patterns)

    def rule(self) -> Rule:
        chosen = [shape for shape in SHAPES if shape.kind in self.kinds]
        own = [Shape(each.name, f"[{each.name.upper()}]", each.pattern) for each in self.patterns]
        shapes = (*chosen, *own)
        sieve = Sieve(shape.pattern for shape in shapes)
        return Rule(self, tuple((shape, compiled(shape.pattern)) for shape in shapes), sieve)


@dataclass(frozen=True, slots=True)
class Rule:
    settings: Redaction
    shapes: tuple[tuple[Shape, Any], ...] = field(repr=False)
    sieve: Sieve = field(repr=False)
    kind: str = "redaction"

    def __call__(self, draft: Draft) -> Draft:
        if not self.shapes:
            return draft
        counts: dict[str, int] = {}

        def change(role: str, text: str) -> str:
            return self._redacted(text, counts) if role in self.settings.scan else text

        fields = rewrite(draft, change)
        notes = [f"redaction:{kind}:{count}" for kind, count in counts.items()]
        return draft.noting(*notes, fields=fields) if notes else draft

    def _redacted(self, text: str, counts: dict[str, int]) -> str:
        if not self.sieve.held(text):
            return text
        for shape, pattern in self.shapes:

            def put(match: Any, shape: Shape = shape) -> str:
                found: str = match.group(0)
                if shape.proof is not None and not shape.proof(found):
                    return found
                counts[shape.kind] = counts.get(shape.kind, 0) + 1
                return shape.placeholder

            text = pattern.sub(put, text)
        return text
