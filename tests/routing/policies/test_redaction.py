"""Personal data becomes placeholders; what only looks like it stays."""

from __future__ import annotations

import pytest

from routing.gateway.policies.patterns import Pattern
from routing.gateway.policies.redaction import Redaction
from tests.routing.policies.drafts import draft, plain, saying


def said(text: str, **settings: object) -> str:
    found = Redaction(**settings).rule()(saying(text))  # type: ignore[arg-type]
    content: str = plain(found.fields)["messages"][0]["content"]
    return content


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to ada.l+x@mail.example.co.uk!", "Write to [EMAIL]!"),
        ("Card 4111 1111 1111 1111.", "Card [CARD]."),
        ("5555-5555-5555-4444 or 378282246310005", "[CARD] or [CARD]"),
        ("SSN 123-45-6789", "SSN [SSN]"),
        ("CPF 529.982.247-25, bare 52998224725", "CPF [CPF], bare [CPF]"),
        ("CNPJ 11.222.333/0001-81", "CNPJ [CNPJ]"),
        ("(11) 91234-5678 e +55 11 91234-5678", "[PHONE] e [PHONE]"),
        ("+44 20 7946 0958, (415) 555-2671, 415-555-2671", "[PHONE], [PHONE], [PHONE]"),
    ],
)
def test_it_is_taken_out(text: str, expected: str) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # Luhn says no
        "at 1732665600000 ms",  # a time
        "000-12-3456 and 666-12-3456",
        "111.111.111-11",
        "529.982.247-26",
        "11.222.333/0001-82",
        "version 1.2.3, port 8080, 2026-11-26, 10.0.0.1:5432",
        "c0ffee00-1234-5678-9abc-def012345678",
        "user@localhost and @decorator",
        "x = 3.14159265358979",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert said(text) == text


def test_it_tells_what_and_how_often() -> None:
    assert Redaction().rule()(saying("a@b.io, c@d.io, 123-45-6789")).notes == (
        "redaction:email:2",
        "redaction:us_ssn:1",
    )


def test_only_the_chosen_kinds_and_own_patterns() -> None:
    own = (Pattern(name="badge", pattern=r"\bEMP-\d+\b"),)
    assert said("EMP-7 a@b.io", kinds=(), patterns=own) == "[BADGE] a@b.io"
    asked = saying("a@b.io")
    assert Redaction(kinds=()).rule()(asked) is asked


def test_signed_thinking_and_calls_are_left_alone() -> None:
    turns = [
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "a@b.io", "signature": "s"},
            {"type": "tool_use", "id": "t", "name": "mail", "input": {"to": "a@b.io"}},
            {"type": "text", "text": "a@b.io"},
        ]},
    ]  # fmt: skip
    found = plain(Redaction().rule()(draft("anthropic", messages=turns)).fields)["messages"][0]["content"]
    assert [found[0]["thinking"], found[1]["input"]["to"], found[2]["text"]] == ["a@b.io", "a@b.io", "[EMAIL]"]
