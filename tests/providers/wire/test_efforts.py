"""An effort that a model does not know becomes the nearest that it does."""

from __future__ import annotations

from typing import Any

import pytest

from providers import catalogue
from providers.tailoring import traits_of
from providers.wire.efforts import EFFORTS, nearest
from providers.wire.formats import FORMATS
from providers.wire.traits import Traits

ANTHROPIC = {"max_tokens": 100_000, "messages": [{"role": "user", "content": "Hello"}]}
CHAT = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        ((), "low low low medium high high high"),
        (("none", "xhigh"), "none low low medium high xhigh xhigh"),
        (("minimal",), "minimal minimal low medium high high high"),
        (("max",), "low low low medium high max max"),
        (("xhigh", "max"), "low low low medium high xhigh max"),
        (None, " ".join(EFFORTS)),
    ],
)
def test_the_next_above_else_the_most(known: Any, wanted: str) -> None:
    assert [nearest(effort, known) for effort in EFFORTS] == wanted.split()


def test_other_words_stay() -> None:
    assert (nearest("", ()), nearest("dynamic", ())) == ("", "dynamic")


def effort(client: str, asked: dict[str, Any], upstream: str, traits: Traits) -> Any:
    """What a client's wish becomes at an upstream of another format."""
    request = FORMATS[client].parse({"model": "m", **asked})
    body = FORMATS[upstream].dump(request, traits).body
    where = {"openai_chat": "reasoning_effort", "openai_responses": "reasoning", "anthropic": "output_config"}
    said = body.get(where[upstream])
    return said.get("effort") if isinstance(said, dict) else said


def of(provider: str, model: str) -> Traits:
    return traits_of(catalogue.entries()[provider], model)


@pytest.mark.parametrize(
    ("client", "asked", "upstream", "provider", "model", "wanted"),
    [
        ("openai_chat", {**CHAT, "reasoning_effort": "max"}, "openai_responses", "codex", "gpt-5.4", "xhigh"),
        ("openai_chat", {**CHAT, "reasoning_effort": "max"}, "openai_responses", "codex", "gpt-6-sol", "max"),
        ("openai_chat", {**CHAT, "reasoning_effort": "minimal"}, "openai_responses", "codex", "gpt-5.1", "low"),
        ("openai_chat", {**CHAT, "reasoning_effort": "xhigh"}, "anthropic", "anthropic", "claude-opus-4-6", "max"),
        ("openai_chat", {**CHAT, "reasoning_effort": "xhigh"}, "anthropic", "anthropic", "claude-opus-5", "xhigh"),
        ("anthropic", {**ANTHROPIC, "thinking": {"type": "disabled"}}, "openai_chat", "openai", "gpt-5", "minimal"),
        ("anthropic", {**ANTHROPIC, "thinking": {"type": "disabled"}}, "openai_chat", "openai", "gpt-5.2", "none"),
        ("anthropic", {**ANTHROPIC, "output_config": {"effort": "max"}, "thinking": {"type": "adaptive"}},
         "openai_chat", "openai", "gpt-5.1", "high"),
    ],
)  # fmt: skip
def test_a_wish_as_the_catalogues_model_knows_it(
    client: str, asked: dict[str, Any], upstream: str, provider: str, model: str, wanted: str
) -> None:
    assert effort(client, asked, upstream, of(provider, model)) == wanted


def test_a_model_nobody_knows_of_gets_the_clients_word() -> None:
    traits = of("codex", "gpt-5.1-codex-next")
    assert traits.efforts is None
    assert effort("openai_chat", {**CHAT, "reasoning_effort": "max"}, "openai_responses", traits) == "max"


def test_the_catalogue_knows_no_other_words() -> None:
    text = 'name="A"\nformat="openai_chat"\nbase_url="https://a.example"\nmodels=[{id="m", efforts=["huge"]}]'
    with pytest.raises(catalogue.CatalogueError, match="huge"):
        catalogue.parse("a", text)
