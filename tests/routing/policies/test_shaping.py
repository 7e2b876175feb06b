"""System prompts, thinking budgets and limits of answers, in the words of every format."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from providers.tailoring import traits_of
from providers.wire.formats import FORMATS
from providers.wire.traits import Traits
from providers.wire.types import Thinking
from routing.gateway.policies.base import Wants
from routing.gateway.policies.saying import in_place, on
from routing.gateway.policies.system import SystemPrompt
from routing.gateway.policies.thinking import ThinkingBudget
from routing.gateway.policies.tokens import MaxTokens
from tests.routing.policies.drafts import draft, plain, raw
from tests.routing.samples import entry

USER = {"role": "user", "content": "hi"}
BOTH = SystemPrompt(before="A", after="Z")


# -- system prompt ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("format", "body", "expected"),
    [
        ("openai_chat", {"messages": [USER]}, {"messages": [{"role": "system", "content": "A\n\nZ"}, USER]}),
        (
            "openai_chat",
            {"messages": [{"role": "developer", "content": "own", "name": "n"}, USER]},
            {"messages": [{"role": "developer", "content": "A\n\nown\n\nZ", "name": "n"}, USER]},
        ),
        (
            "openai_chat",
            {"messages": [{"role": "system", "content": [{"type": "text", "text": "one"}]},
                          {"role": "system", "content": "two"}, USER]},
            {"messages": [{"role": "system", "content": [{"type": "text", "text": "A"},
                                                        {"type": "text", "text": "one"}]},
                          {"role": "system", "content": "two\n\nZ"}, USER]},
        ),
        ("openai_responses", {"input": "hi"}, {"input": "hi", "instructions": "A\n\nZ"}),
        ("openai_responses", {"input": "hi", "instructions": "own"}, {"input": "hi", "instructions": "A\n\nown\n\nZ"}),
        ("anthropic", {"messages": [USER]}, {"messages": [USER], "system": "A\n\nZ"}),
        (
            "anthropic",
            {"system": [{"type": "text", "text": "own", "cache_control": {"type": "ephemeral"}}], "messages": [USER]},
            {"system": [{"type": "text", "text": "A"},
                        {"type": "text", "text": "own", "cache_control": {"type": "ephemeral"}},
                        {"type": "text", "text": "Z"}], "messages": [USER]},
        ),
        ("gemini", {"contents": []}, {"contents": [], "systemInstruction": {"parts": [{"text": "A"}, {"text": "Z"}]}}),
        (
            "gemini",
            {"contents": [], "system_instruction": {"role": "user", "parts": [{"text": "own"}]}},
            {"contents": [], "system_instruction": {"role": "user", "parts": [
                {"text": "A"}, {"text": "own"}, {"text": "Z"}]}},
        ),
    ],
)  # fmt: skip
def test_system_prompts_stand_around_the_clients_own_once(format: str, body: Any, expected: Any) -> None:
    assert plain(BOTH.rule()(draft(format, **body)).fields) == expected


def test_a_system_prompt_leaves_other_fields_as_they_were_written() -> None:
    asked = draft(messages=[USER])
    asked.fields["future"] = msgspec.Raw(b'{ "x" : 1.50 }')  # type: ignore[index]
    assert bytes(BOTH.rule()(asked).fields["future"]) == b'{ "x" : 1.50 }'


def test_operations_without_a_system_prompt_have_none() -> None:
    asked = draft(operation="completions", prompt="hi")
    assert BOTH.rule()(asked) is asked


# -- thinking: the numbers ---------------------------------------------------------------------------------------------
LONG = {"role": "user", "content": "x" * 2001}
TOOLS = [{"type": "function", "function": {"name": f"f{n}"}} for n in range(4)]


@pytest.mark.parametrize(
    ("body", "budget"),
    [
        ({"messages": [USER], "reasoning_effort": "low"}, 1024),
        ({"messages": [USER], "reasoning_effort": "medium"}, 10_240),
        ({"messages": [USER], "reasoning_effort": "high"}, 131_072),
        ({"messages": [USER] * 11, "reasoning_effort": "low"}, 1536),
        ({"messages": [USER] * 10, "reasoning_effort": "low"}, 1024),
        ({"messages": [USER], "tools": TOOLS, "reasoning_effort": "low"}, 1536),
        ({"messages": [USER], "tools": TOOLS[:3], "reasoning_effort": "low"}, 1024),
        ({"messages": [LONG], "reasoning_effort": "low"}, 1332),
        ({"messages": [*[USER] * 10, LONG], "tools": TOOLS, "reasoning_effort": "low"}, 2356),
        ({"messages": [LONG], "reasoning_effort": "high"}, 131_072),
        ({"messages": [USER], "reasoning_effort": "none"}, 0),
        ({"messages": [USER]}, 10_240),
    ],
)
def test_the_adaptive_budget(body: Any, budget: int) -> None:
    assert ThinkingBudget(mode="adaptive").rule()(draft(**body)).notes == (f"thinking:{budget}",)


def test_adaptive_counts_turns_and_tools_of_every_format() -> None:
    rule = ThinkingBudget(mode="adaptive").rule()
    parts = {"role": "user", "parts": [{"text": "hi"}]}
    tools = [{"functionDeclarations": [{"name": f"f{n}"} for n in range(4)]}]
    config = {"thinkingConfig": {"thinkingBudget": 1000}}
    asked = draft("gemini", contents=[parts] * 11, tools=tools, generationConfig=config)
    assert rule(asked).notes == ("thinking:2000",)
    asked = draft("openai_responses", input=[USER] * 11, reasoning={"effort": "low"})
    assert rule(asked).notes == ("thinking:1536",)


@pytest.mark.parametrize(("budget", "effort"), [(1024, "low"), (1025, "medium"), (10_240, "medium"), (10_241, "high")])
def test_budgets_stand_for_efforts(budget: int, effort: str) -> None:
    found = ThinkingBudget(mode="custom", budget=budget).rule()(draft(messages=[USER], reasoning_effort="xhigh"))
    assert found.wants.thinking == Thinking(effort=effort, budget=budget)


def test_passthrough_and_nothing_said() -> None:
    asked = draft(messages=[USER], reasoning_effort="high")
    assert ThinkingBudget().rule()(asked) is asked
    silent = draft(messages=[USER])
    assert ThinkingBudget(mode="auto").rule()(silent) is silent
    assert ThinkingBudget(mode="custom", unasked=False).rule()(silent) is silent


# -- what is wanted, in each format's own field ----------------------------------------------------------------------
CUSTOM = Wants(thinking=Thinking(effort="medium", budget=5000))
THINKS = {"type": "enabled", "budget_tokens": 2000}
OFF, NOTHING = Wants(thinking=Thinking(off=True)), Wants(thinking=Thinking())
REASONS = frozenset(("reasoning",))


def traits(format: str, model: str) -> Traits:
    return traits_of(entry(models=(model,), format=format), model)


@pytest.mark.parametrize(
    ("format", "model", "wants", "body", "expected"),
    [
        ("openai_chat", "gpt", CUSTOM, {"reasoning_effort": "max", "new": 1}, {"reasoning_effort": "medium", "new": 1}),
        ("openai_chat", "gpt", CUSTOM, {"enable_thinking": True, "thinking_budget": 9}, {"reasoning_effort": "medium"}),
        ("openai_chat", "gpt", OFF, {"reasoning_effort": "high"}, {}),
        ("openai_chat", "gpt", NOTHING, {"reasoning_effort": "high", "thinking": {"type": "enabled"}}, {}),
        ("openai_responses", "gpt-5", CUSTOM, {"reasoning": {"effort": "low", "summary": "auto", "x": 1}},
         {"reasoning": {"effort": "medium", "summary": "auto", "x": 1}}),
        ("anthropic", "claude-3-7", CUSTOM, {"max_tokens": 9000, "thinking": THINKS},
         {"max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 5000}}),
        ("anthropic", "claude-3-7", OFF, {"max_tokens": 9000, "thinking": THINKS},
         {"max_tokens": 9000}),
        ("anthropic", "claude-3-7", CUSTOM, {"max_tokens": 5000, "thinking": THINKS}, None),
        ("anthropic", "claude-3-7", CUSTOM, {"max_tokens": 9000}, None),
        ("anthropic", "claude-opus-4-8", CUSTOM, {"max_tokens": 9000, "thinking": {"type": "adaptive"}}, None),
        ("gemini", "gemini-2.5-flash", CUSTOM,
         {"generationConfig": {"topK": 3, "thinkingConfig": {"thinkingBudget": 1}}},
         {"generationConfig": {"topK": 3, "thinkingConfig": {"thinkingBudget": 5000}}}),
        ("gemini", "gemini-3-flash", CUSTOM, {"generation_config": {"thinking_config": {"thinking_budget": 1}}},
         {"generation_config": {"thinking_config": {"thinkingLevel": "MEDIUM"}}}),
        ("gemini", "gemini-2.5-flash", NOTHING, {"generationConfig": {"thinkingConfig": {"thinkingBudget": 1}}},
         {"generationConfig": {}}),
    ],
)  # fmt: skip
def test_thinking_is_said_in_the_formats_own_field(
    format: str, model: str, wants: Wants, body: Any, expected: Any
) -> None:
    found = in_place(format, raw(body), wants, traits(format, model), model)
    assert found is None if expected is None else plain(found) == expected


def test_unasked_thinking_goes_to_models_that_are_known_to_think() -> None:
    wants = Wants(thinking=CUSTOM.thinking, unasked=True)
    assert plain(in_place("openai_chat", raw({}), wants, Traits(), "m") or {}) == {}
    assert plain(in_place("openai_chat", raw({}), wants, Traits(capabilities=REASONS), "m") or {}) == {
        "reasoning_effort": "medium"
    }


def test_a_translated_request_has_it_in_its_own_field_too() -> None:
    request = FORMATS["openai_chat"].parse({"model": "m", "messages": [USER], "max_tokens": 9000})
    shape = traits("anthropic", "claude-3-7")
    body = FORMATS["anthropic"].dump(on(request, Wants(max_tokens=8000, thinking=CUSTOM.thinking), shape), shape).body
    assert (body["max_tokens"], body["thinking"]["budget_tokens"]) == (8000, 5000)


# -- length of answers -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("mode", "format", "operation", "body", "wanted"),
    [
        ("cap", "openai_chat", "chat", {"messages": [USER], "max_tokens": 900}, 500),
        ("cap", "openai_chat", "chat", {"messages": [USER], "max_tokens": 100}, None),
        ("cap", "openai_chat", "chat", {"messages": [USER]}, 500),
        ("force", "openai_chat", "chat", {"messages": [USER], "max_completion_tokens": 100}, 500),
        ("cap", "openai_chat", "completions", {"prompt": "hi", "max_tokens": 900}, 500),
        ("cap", "openai_responses", "chat", {"input": "hi", "max_output_tokens": 900}, 500),
        ("cap", "anthropic", "chat", {"messages": [USER], "max_tokens": 900}, 500),
        ("cap", "gemini", "chat", {"contents": [], "generationConfig": {"maxOutputTokens": 900}}, 500),
        ("off", "openai_chat", "chat", {"messages": [USER], "max_tokens": 900}, None),
        ("cap", "openai_chat", "embeddings", {"input": "hi"}, None),
    ],
)
def test_limits_of_answers(mode: Any, format: str, operation: str, body: Any, wanted: int | None) -> None:
    found = MaxTokens(mode=mode, tokens=500).rule()(draft(format, operation, **body))
    assert found.wants.max_tokens == wanted


@pytest.mark.parametrize(
    ("format", "body", "expected"),
    [
        ("openai_chat", {"max_completion_tokens": 900}, {"max_completion_tokens": 500}),
        ("openai_chat", {}, {"max_tokens": 500}),
        ("openai_responses", {}, {"max_output_tokens": 500}),
        ("anthropic", {"max_tokens": 900}, {"max_tokens": 500}),
        ("anthropic", {"max_tokens": 900, "thinking": {"type": "enabled", "budget_tokens": 600}}, None),
        (
            "gemini",
            {"generation_config": {"max_output_tokens": 9}},
            {"generation_config": {"max_output_tokens": 500}},
        ),
        ("gemini", {}, {"generationConfig": {"maxOutputTokens": 500}}),
    ],
)
def test_a_limit_is_said_under_the_clients_own_name(format: str, body: Any, expected: Any) -> None:
    found = in_place(format, raw(body), Wants(max_tokens=500), Traits(), "m")
    assert found is None if expected is None else plain(found) == expected
