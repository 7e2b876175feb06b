"""Text, instructions, turns, limits and structured output, of every client with every upstream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import simulator as sim
from tests.pairs.conftest import FORMATS, UPSTREAMS, Bench, clients, each, pairs, streams, upstreams
from tests.pairs.words import PAPER, PICTURE, Wish, plain

# Text that breaks careless splitters and encoders.
ODD = 'Grüße\u2028 two\u2029 three\x85 "quoted" \\ back\ttab\nnew line 🐌 \u200f'
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}


@streams
@pairs
def test_an_answer_is_what_the_upstream_said(bench: Bench, client: str, upstream: str, stream: bool) -> None:
    bench.provider.plays(sim.chat(["Hel", "lo ", ODD]))
    talk = bench.talk(client, upstream)
    talk.say("Say hello")
    said = talk.ask(stream=stream)
    assert (said.text, said.reasoning, said.finish, list(said.calls)) == ("Hello " + ODD, "", "stop", [])
    assert bench.dropped == set()
    headers = bench.headers[-1]
    assert (headers["x-omniroute-provider"], headers["x-omniroute-model"]) == UPSTREAMS[upstream]
    assert headers["content-type"].startswith("text/event-stream" if stream else "application/json")
    [row] = bench.records()
    assert (row.client_format, row.upstream_format, row.result, row.stream) == (client, upstream, "ok", stream)
    assert (row.input_tokens, row.output_tokens) == (said.usage.input, said.usage.output)
    assert not row.estimated


@pairs
def test_instructions_and_earlier_turns_arrive(bench: Bench, client: str, upstream: str) -> None:
    talk = bench.talk(client, upstream)
    talk.say("The first question")
    assert talk.ask(Wish(system="Be brief.")).text == "You said: The first question"
    talk.say("The second", ", in two parts")
    said = talk.ask(Wish(system="Be brief."), stream=True)
    assert said.text.startswith("You said:")
    told = json.dumps(bench.sent)
    for words in ('"Be brief."', '"The first question"', '"You said: The first question"', "The second", ", in two"):
        assert told.count(words) == 1, told


@streams
@pairs
def test_limits_and_sampling(bench: Bench, client: str, upstream: str, stream: bool) -> None:
    talk = bench.talk(client, upstream, OLDER[upstream])
    talk.say("Count to ten")
    stop = () if client == "openai_responses" else ("END",)
    talk.ask(Wish(most=77, temperature=0.5, stop=stop), stream=stream)
    sent = bench.sent.get("generationConfig", bench.sent)
    most = {"openai_chat": "max_tokens", "openai_responses": "max_output_tokens", "anthropic": "max_tokens"}
    name = most.get(upstream, "maxOutputTokens")
    if client == upstream == "openai_chat":
        name = "max_completion_tokens"  # passed through as the client wrote it
    assert sent[name] == 77
    assert sent["temperature"] == 0.5
    stops = {"openai_chat": "stop", "anthropic": "stop_sequences", "gemini": "stopSequences"}
    if stop and upstream in stops:
        assert sent[stops[upstream]] == ["END"]
    assert bench.dropped == ({"stop"} if stop and upstream == "openai_responses" else set())


# A model of each upstream that takes temperature.
OLDER = {
    "openai_chat": "sim-chat",
    "openai_responses": "gpt-sim",
    "anthropic": "claude-budget-4-5",
    "gemini": "gemini-2.5-sim",
}


@pytest.mark.parametrize("client", [it for it in FORMATS if it != "anthropic"])  # there the vendor's own word counts
def test_sampling_that_a_model_refuses_is_left_out_and_named(bench: Bench, client: str) -> None:
    talk = bench.talk(client, "anthropic", "claude-modern-5")
    talk.say("Hello")
    assert talk.ask(Wish(temperature=0.5)).text
    assert bench.dropped == {"temperature"}


@streams
@pairs
def test_a_schema_of_the_answer(bench: Bench, client: str, upstream: str, stream: bool) -> None:
    talk = bench.talk(client, upstream)
    talk.say("Where?")
    said = talk.ask(Wish(schema=SCHEMA), stream=stream)
    assert json.loads(said.text) == {"city": "text", "people": 1}
    assert bench.dropped == set()


@pairs
def test_pictures_and_papers_arrive_whole(bench: Bench, client: str, upstream: str) -> None:
    talk = bench.talk(client, upstream)
    talk.say("What is this?", PICTURE, PAPER)
    assert talk.ask().text.startswith("You said: What is this?")
    told = plain(bench.sent)
    for blob in (PICTURE, PAPER):
        assert blob.type in told
        assert told.count(blob.base64.rstrip("=")) == 1
    assert bench.dropped == set()


@streams
@pairs
@each(finish=("length", "content_filter"))
def test_why_an_answer_ended(bench: Bench, client: str, upstream: str, finish: str, stream: bool) -> None:
    bench.provider.plays(sim.chat("It was", finish_reason=finish))
    talk = bench.talk(client, upstream)
    talk.say("Go on")
    said = talk.ask(stream=stream)
    assert said.finish == finish
    assert said.text == "It was"


SPENT = sim.Tokens(input=120, output=50, cached=70, cache_write=20, reasoning=30)


@streams
@pairs
def test_usage_by_class(bench: Bench, client: str, upstream: str, stream: bool) -> None:
    bench.provider.plays(sim.chat("Done", reasoning="Let me see.", usage=SPENT))
    talk = bench.talk(client, upstream)
    talk.say("Work")
    spent = talk.ask(Wish(effort="high"), stream=stream).usage
    [row] = bench.records()
    told = sim.Tokens(
        row.input_tokens, row.output_tokens, row.cached_tokens, row.cache_write_tokens, row.reasoning_tokens
    )
    written = 0 if upstream == "gemini" else 20  # Gemini has no word for it
    assert told == sim.Tokens(120, 50, 70, written, 30)
    assert spent == sim.Tokens(120, 50, 70, 0 if client == "gemini" else written, 30)
    assert not row.estimated


@streams
@clients
def test_usage_is_worked_out_when_nobody_tells(bench: Bench, client: str, stream: bool) -> None:
    bench.provider.plays(sim.chat("Some words that were said", usage="never"))
    talk = bench.talk(client, "openai_chat")
    talk.say("Say some words")
    assert talk.ask(stream=stream).text == "Some words that were said"
    [row] = bench.records()
    assert row.estimated
    assert row.output_tokens > 2


@upstreams
def test_more_than_one_answer(bench: Bench, upstream: str) -> None:
    talk: Any = bench.talk("openai_chat", upstream)
    talk.say("Two, please")
    raw = talk.ask(Wish(more={"n": 2})).raw
    several = upstream in ("openai_chat", "gemini")
    assert [it.index for it in raw.choices] == ([0, 1] if several else [0])
    assert bench.dropped == (set() if several else {"n"})
