"""What else an answer may hold, and what else a request: sources, refusals, addresses, fields of one vendor only."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from google.genai import errors

from tests import simulator as sim
from tests.pairs.conftest import Bench, each, pairs, streams, upstreams
from tests.pairs.words import Wish

PAGE = sim.Citation("https://example.com/rome", "Rome in figures")


@streams
@pairs
def test_sources_are_told(bench: Bench, client: str, upstream: str, stream: bool) -> None:
    bench.provider.plays(sim.chat("Three million live there.", citations=[PAGE]))
    talk = bench.talk(client, upstream)
    talk.say("How many?")
    said = talk.ask(stream=stream)
    assert said.text == "Three million live there."
    assert PAGE.url in said.raw.model_dump_json()


@streams
@pairs
def test_a_refusal_is_told(bench: Bench, client: str, upstream: str, stream: bool) -> None:
    bench.provider.plays(sim.chat(refusal="I will not do that."))
    talk = bench.talk(client, upstream)
    talk.say("Do it")
    said = talk.ask(stream=stream)
    refused = [part for part in getattr(said.raw, "output", ()) if any(it.type == "refusal" for it in part.content)]
    field = said.raw.choices[0].message.refusal if client == "openai_chat" else None
    told = field or (refused[0].content[0].refusal if refused else said.text)
    assert told == "I will not do that."
    assert said.finish in ("stop", "content_filter")


ADDRESS = "https://example.com/a/picture.png"


@upstreams
def test_a_picture_by_address(bench: Bench, upstream: str) -> None:
    talk: Any = bench.talk("openai_chat", upstream)
    picture = {"type": "image_url", "image_url": {"url": ADDRESS, "detail": "low"}}
    talk.turns = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}]
    talk.ask()
    assert json.dumps(bench.sent).count(ADDRESS) == 1


DROPPED: dict[str, tuple[dict[str, Any], dict[str, set[str]]]] = {
    "seed": ({"seed": 7}, {"openai_responses": {"seed"}, "anthropic": {"seed"}}),
    "penalties": (
        {"presence_penalty": 0.5},
        {"openai_responses": {"presence_penalty"}, "anthropic": {"presence_penalty"}},
    ),
    "bias": (
        {"logit_bias": {"50256": -100}},
        {"openai_responses": {"logit_bias"}, "anthropic": {"logit_bias"}, "gemini": {"logit_bias"}},
    ),
    "logprobs": ({"logprobs": True, "top_logprobs": 2}, {"anthropic": {"logprobs", "top_logprobs"}}),
    "user": ({"user": "someone"}, {"gemini": {"user"}}),
    "metadata": ({"metadata": {"a": "b"}}, {"anthropic": {"metadata"}, "gemini": {"metadata"}}),
    "prediction": (
        {"prediction": {"type": "content", "content": "x"}},
        {"openai_responses": {"prediction"}, "anthropic": {"prediction"}, "gemini": {"prediction"}},
    ),
    "verbosity": ({"verbosity": "low"}, {"anthropic": {"verbosity"}, "gemini": {"verbosity"}}),
    "parallel": ({"parallel_tool_calls": False}, {"gemini": {"parallel_tools"}}),
}
TOOL = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}


@upstreams
@each(name=DROPPED)
def test_what_a_format_lacks_is_named(bench: Bench, upstream: str, name: str) -> None:
    fields, expected = DROPPED[name]
    if name == "parallel":
        fields = {**fields, "tools": [TOOL]}
    talk = bench.talk("openai_chat", upstream)
    talk.say("Go on")
    talk.ask(Wish(more=fields))
    assert bench.dropped == expected.get(upstream, set())


@upstreams
def test_probabilities_of_tokens(bench: Bench, upstream: str) -> None:
    talk = bench.talk("openai_chat", upstream)
    talk.say("One two")
    found = talk.ask(Wish(more={"logprobs": True, "top_logprobs": 2})).raw.choices[0].logprobs
    if upstream in ("gemini", "openai_responses"):
        assert found.content
        assert all(it.logprob <= 0 and it.token for it in found.content)


def test_what_one_step_of_a_combo_cannot_be_told_the_next_one_answers(bench: Bench) -> None:
    from routing.models import Combo, ComboStep

    steps = [bench.name("anthropic"), bench.name("gemini")]
    combo = Combo.objects.create(name="hears")
    for position, target in enumerate(steps):
        ComboStep.objects.create(combo=combo, model=target, position=position)
    bench.gateway.settle()
    sound = {"type": "input_audio", "input_audio": {"data": "UklGRgAAAABXQVZF", "format": "wav"}}
    asked = {"messages": [{"role": "user", "content": [sound, {"type": "text", "text": "What is it?"}]}]}
    for stream in (False, True):
        made = bench.sdks["openai_chat"].chat.completions.create(model="hears", stream=stream, **asked)
        assert list(made) if stream else made.choices
        assert bench.headers[-1]["x-omniroute-provider"] == "by-gemini"
    with pytest.raises(openai.BadRequestError, match="audio"):
        bench.sdks["openai_chat"].chat.completions.create(model=steps[0], **asked)


@each(upstream=("openai_chat", "openai_responses", "anthropic"))
def test_content_that_only_google_has_is_not_left_out(bench: Bench, upstream: str) -> None:
    config = {"cached_content": "cachedContents/abc"}
    with pytest.raises(errors.ClientError) as caught:
        bench.sdks["gemini"].models.generate_content(model=bench.name(upstream), contents="Go on", config=config)
    assert caught.value.code == 400
    assert "cachedContent" in str(caught.value)


@each(upstream=("openai_chat", "anthropic", "gemini"))
def test_a_prompt_that_only_openai_has_is_not_left_out(bench: Bench, upstream: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        bench.sdks["openai_responses"].responses.create(
            model=bench.name(upstream), input="Go on", prompt={"id": "pmpt_1"}
        )
    assert caught.value.param == "prompt"


@upstreams
def test_a_conversation_of_the_gateways_own(bench: Bench, upstream: str) -> None:
    ask = bench.sdks["openai_responses"].responses.create
    name = f"conv_of_{upstream}"
    ask(model=bench.name(upstream), input="My name is Ada", conversation=name)
    ask(model=bench.name(upstream), input="What is my name?", conversation={"id": name})
    assert "My name is Ada" in json.dumps(bench.sent)
    assert "conversation" not in bench.sent


@upstreams
def test_an_item_by_reference(bench: Bench, upstream: str) -> None:
    ask = bench.sdks["openai_responses"].responses.create
    first = ask(model=bench.name(upstream), input="Remember this")
    reference = {"type": "item_reference", "id": first.output[-1].id}
    ask(model=bench.name(upstream), input=[reference, {"role": "user", "content": "And?"}])
    assert "You said: Remember this" in json.dumps(bench.sent)
    assert "item_reference" not in json.dumps(bench.sent)
