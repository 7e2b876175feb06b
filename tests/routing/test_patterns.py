"""Patterns over model names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.patterns import is_plain, matches, specificity


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*", "openai/gpt-4o", True),
        ("*", "", True),
        ("openai/*", "openai/gpt-4o", True),
        ("openai/*", "openai/", True),
        ("openai/*", "openai/a/b", True),
        ("openai/*", "OpenAI/GPT-4o", True),
        ("openai/*", "openai-x/gpt-4o", False),
        ("openai/*", "openai", False),
        ("openai/*", "xopenai/gpt-4o", False),
        ("openai/*", "my/openai/gpt-4o", False),
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o", "openai/gpt-4o", False),
        ("gpt-4?", "gpt-4o", True),
        ("gpt-4?", "gpt-4", False),
        ("gpt-4?", "gpt-4oo", False),
        ("*/large", "acme/large", True),
        ("*/large", "acme/larger", False),
        ("*a*b*c*", "xxaxxbxxcxx", True),
        ("*a*b*c*", "xxaxxcxxbxx", False),
        ("a*a", "a", False),
        ("**", "anything", True),
        ("gpt.4", "gptx4", False),
        ("gpt[4]", "gpt[4]", True),
        ("gpt[4]*", "gpt4", False),
        ("a+*", "aa", False),
        ("a+*", "a+", True),
        ("", "", True),
        ("", "a", False),
        ("\n*", "\na", True),
        ("*", "a\nb", True),
    ],
)
def test_matches(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, name) is fits


def as_regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)


@given(st.text("ab*?/", max_size=10), st.text("ab/", max_size=12))
def test_as_a_regular_expression_would(pattern: str, name: str) -> None:
    assert matches(pattern, name) is bool(re.fullmatch(as_regex(pattern), name, re.DOTALL))


@given(st.text(max_size=12))
def test_a_name_fits_itself_and_nothing_longer(name: str) -> None:
    assert matches(name, name)
    if is_plain(name):
        assert not matches(name, name + "x")


def test_hostile_patterns_take_bounded_steps() -> None:
    class Letters(str):
        looked = 0

        def __getitem__(self, at: object) -> str:
            Letters.looked += 1
            return super().__getitem__(at)  # type: ignore[index]

        def lower(self) -> str:
            return Letters(super().lower())

    pattern, name = "*a" * 100 + "*b", "a" * 260
    assert not matches(Letters(pattern), Letters(name))
    assert 0 < Letters.looked <= 4 * len(pattern) * len(name)


def test_the_most_specific_first() -> None:
    ordered = ["openai/gpt-4o-mini", "openai/gpt-4?", "openai/gpt-*", "openai/*", "gpt-*", "?*", "*", "**"]
    assert sorted(sorted(ordered), key=specificity) == ordered


@pytest.mark.parametrize(("pattern", "plain"), [("gpt-4o", True), ("gpt*", False), ("g?t", False), ("", True)])
def test_plain(pattern: str, plain: bool) -> None:
    assert is_plain(pattern) is plain
