"""Entries: values that connections give, models that are spoken to otherwise, days that are over."""

from __future__ import annotations

from datetime import date

import pytest

from providers.catalogue import parse
from providers.entry import Model

REGIONAL = """
name = "Acme"
format = "gemini"
base_url = "https://{place_host}/v1/projects/{project}/locations/{place}"
headers = { "X-Organization" = "{organization}" }

[[parameters]]
name = "project"
label = "Project"
example = "my-project"

[[parameters]]
name = "place"
label = "Location"
default = "global"
pattern = "[a-z0-9-]+"
hosts = { global = "acme.example", "*" = "{value}-acme.example" }

[[parameters]]
name = "organization"
label = "Organization"
required = false
example = "org-1"
"""
MIXED = """
name = "Acme"
format = "openai_chat"
base_url = "https://acme.example/v1"
operations = { embeddings = "/embed" }
request.drop = ["logit_bias"]

[[variants]]
match = ["new-*", "newest"]
request.drop = ["stop"]

[[variants]]
match = ["*-codex"]
format = "openai_responses"

[[variants]]
match = ["claude-*"]
format = "anthropic"
envelope = "vertex_raw"
operations = { chat = "/publishers/{model}:rawPredict", chat_stream = "/publishers/{model}:streamRawPredict" }
"""


def test_a_connections_values_fill_the_address() -> None:
    entry = parse("acme", REGIONAL)
    here = entry.at({"project": "p-1", "place": "eu-west1", "organization": "o9"})
    assert here.base_url == "https://eu-west1-acme.example/v1/projects/p-1/locations/eu-west1"
    assert here.headers == {"X-Organization": "o9"} and here.origin == "https://eu-west1-acme.example:443"


def test_defaults_fill_what_is_left_out_and_a_header_without_value_is_not_sent() -> None:
    here = parse("acme", REGIONAL).at({"project": "p-1"})
    assert here.base_url == "https://acme.example/v1/projects/p-1/locations/global" and here.headers == {}
    assert here.path("chat") == "/models/{model}:generateContent"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "project"),
        ({"project": ""}, "project"),
        ({"project": "a/b"}, "project"),
        ({"project": "p", "place": "evil.example/"}, "place"),
        ({"project": "p", "organization": "a\nb"}, "organization"),
    ],
)
def test_a_value_that_is_missing_or_odd_is_refused_by_name(given: dict[str, str], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        parse("acme", REGIONAL).at(given)


def test_models_may_be_spoken_to_otherwise() -> None:
    entry = parse("acme", MIXED)
    assert entry.of("old") is entry
    assert (
        entry.of("new-1").request.drop == {"logit_bias", "stop"}
        and entry.of("new-1").path("chat") == "/chat/completions"
    )
    codex = entry.of("gpt-codex")
    assert (codex.format, codex.path("chat"), codex.request.drop) == ("openai_responses", "/responses", frozenset())
    claude = entry.of("claude-5")
    assert claude.format == "anthropic" and claude.envelope == "vertex_raw"
    assert claude.target("chat", "claude-5", stream=True) == "/publishers/claude-5:streamRawPredict"


def test_services_alone() -> None:
    entry = parse(
        "acme",
        'name = "A"\nformat = "openai_chat"\nbase_url = "https://a.example"\nonly = ["speech"]\nany_model = true',
    )
    assert entry.path("speech") == "/audio/speech"
    with pytest.raises(KeyError):
        entry.path("chat")


def test_a_model_is_offered_until_its_last_day_is_over_or_as_long_as_the_operator_keeps_it() -> None:
    model = Model(id="m", shutdown=date(2026, 12, 1))
    assert model.offered(date(2026, 12, 1)) and not model.offered(date(2026, 12, 2))
    assert Model(id="m", shutdown=date(2026, 12, 1), own=True).offered(date(2027, 1, 1))
    assert not Model(id="m", enabled=False).offered(date(2026, 1, 1))
