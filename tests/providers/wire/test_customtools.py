"""Free-text tools as functions, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.customtools import unwrap, wrap, wrap_input
from providers.wire.types import Tool


def test_a_wrapped_tool_is_a_function_that_tells_its_grammar() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: WORD"}
    tool = wrap(Tool(name="patch", description="Patch files.", custom=True, grammar=grammar, namespace="n"))
    assert (tool.name, tool.description, tool.namespace, tool.custom) == ("patch", "Patch files.", "n", False)
    assert tool.schema["required"] == ["input"]
    assert "start: WORD" in tool.schema["properties"]["input"]["description"]


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_text_comes_back(text: str) -> None:
    assert unwrap(wrap_input(text)) == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", ""),
        ('{"input":"a"', '{"input":"a"'),
        ('"a"', "a"),
        ('{"input":{"b":1}}', '{"b":1}'),
        ('{"text":"a"}', '{"text":"a"}'),
    ],
)
def test_what_weak_models_make_of_it(arguments: str, text: str) -> None:
    assert unwrap(arguments) == text
