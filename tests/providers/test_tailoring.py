"""What a model takes: the format's usual, the entry's, the pattern's, the catalogue's list, in this order."""

from __future__ import annotations

from typing import Any

import pytest

from providers.entry import Entry, Model
from providers.tailoring import traits_of


def entry(format: str, **fields: Any) -> Entry:
    return Entry(id="p", name="P", alias="p", format=format, base_url="https://p.example/v1", **fields)


@pytest.mark.parametrize(
    ("format", "model", "said"),
    [
        ("anthropic", "claude-sonnet-4-5-20250929", {"thinking": "budget", "sampling": True, "prefill": True}),
        ("anthropic", "claude-opus-4-6", {"thinking": "both", "sampling": True, "prefill": False}),
        ("anthropic", "claude-opus-4-7", {"thinking": "adaptive", "sampling": False, "prefill": False}),
        ("anthropic", "claude-sonnet-5-5", {"thinking": "adaptive", "sampling": False}),
        ("anthropic", "anthropic/claude-haiku-5-5", {"thinking": "adaptive"}),
        ("gemini", "gemini-2.5-pro", {"thinking": "budget"}),
        ("gemini", "gemini-3-pro-preview", {"thinking": "level"}),
        ("gemini", "gemini-flash-latest", {"thinking": "level"}),
        ("gemini", "our-model", {"thinking": "none"}),
        ("openai_responses", "gpt-5.2", {"developer_role": True, "sampling": False}),
        ("openai_responses", "gpt-4o", {"developer_role": True, "sampling": True}),
        ("openai_chat", "glm-4.6", {"system_role": False}),
        ("openai_chat", "anything", {"system_role": True, "developer_role": False, "thinking": "effort"}),
    ],
)
def test_what_vendors_are_known_to_take(format: str, model: str, said: dict[str, Any]) -> None:
    traits = traits_of(entry(format), model)
    assert {name: getattr(traits, name) for name in said} == said
    assert traits.family == format


def test_the_more_particular_wins() -> None:
    told = entry(
        "openai_chat",
        traits={"developer_role": True, "max_tokens_field": "max_completion_tokens"},
        model_traits=(("old-*", {"max_tokens_field": "max_tokens"}), ("*-x", {"sampling": False})),
    )
    assert traits_of(told, "new").max_tokens_field == "max_completion_tokens"
    assert traits_of(told, "old-x").max_tokens_field == "max_tokens"
    assert not traits_of(told, "old-x").sampling


def test_the_catalogues_list_of_a_model_counts() -> None:
    listed = Model(id="m", capabilities=frozenset({"tools"}), max_output=4096)
    traits = traits_of(entry("anthropic", models={"m": listed}), "m")
    assert traits.max_output == 4096
    assert traits.can("tools")
    assert not traits.can("vision")
    assert traits_of(entry("anthropic"), "m").can("vision"), "unknown is taken to be there"


@pytest.mark.parametrize(
    ("capabilities", "fields", "thinking"),
    [
        ({"reasoning"}, {}, "budget"),
        ({"tools"}, {}, "none"),
        (set(), {}, "none"),
        ({"reasoning"}, {"traits": {"thinking": "level"}}, "level"),
        ({"reasoning"}, {"model_traits": (("our-*", {"thinking": "none"}),)}, "none"),
    ],
)
def test_a_model_that_is_listed_as_able_to_reason_can_be_told_to(
    capabilities: set[str], fields: dict[str, Any], thinking: str
) -> None:
    """Of the operator's own name, at a provider that speaks Gemini's format."""
    listed = {"our-model": Model(id="our-model", capabilities=frozenset(capabilities))}
    assert traits_of(entry("gemini", custom=True, models=listed, **fields), "our-model").thinking == thinking
    assert traits_of(entry("openai_chat", models=listed), "our-model").thinking == "effort"
