"""What the gateway does itself: stored responses, counts, lists of models, threads, signs of life."""

from __future__ import annotations

import dataclasses
import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest
from google.genai import errors

from routing.gateway.asking import Asking
from routing.gateway.exchange import Exchange
from tests import simulator as sim
from tests.fixtures import PATIENCE
from tests.pairs.conftest import KEY, UPSTREAMS, Bench, clients, each, pairs, streams, upstreams
from tests.pairs.words import Spec, Wish

CLOCK = {"type": "function", "name": "get_time", "parameters": {"type": "object", "properties": {}}, "strict": False}


def responses(bench: Bench) -> Any:
    return bench.sdks["openai_responses"].responses


# -- stored responses ------------------------------------------------------------------------------------------------
@streams
@upstreams
def test_a_response_goes_on_from_the_one_before(bench: Bench, upstream: str, stream: bool) -> None:
    def create(**fields: Any) -> Any:
        if not stream:
            return responses(bench).create(model=bench.name(upstream), **fields)
        return list(responses(bench).create(model=bench.name(upstream), stream=True, **fields))[-1].response

    first = create(input="My name is Ada", instructions="Be brief.")
    second = create(input="What is my name?", previous_response_id=first.id)
    third = create(input="Use the tool", previous_response_id=second.id, tools=[CLOCK])
    [call] = [it for it in third.output if it.type == "function_call"]
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "noon"}
    fourth = create(input=[output], previous_response_id=third.id, tools=[CLOCK])
    assert "noon" in fourth.output_text
    assert second.previous_response_id == first.id
    told = json.dumps(bench.sent)
    for words in ("My name is Ada", "You said: My name is Ada", "What is my name?", "Use the tool"):
        assert told.count(f'"{words}"') == 1, told
    assert "Be brief." not in told  # instructions do not last
    assert "previous_response_id" not in bench.sent


@upstreams
def test_stored_responses_are_shown_and_forgotten(bench: Bench, upstream: str) -> None:
    made = responses(bench).create(model=bench.name(upstream), input="Remember this")
    shown = responses(bench).retrieve(made.id)
    assert (shown.id, shown.output_text, shown.status) == (made.id, "You said: Remember this", "completed")
    items = responses(bench).input_items.list(made.id)
    assert [it.content[0].text for it in items.data] == ["Remember this"]
    responses(bench).delete(made.id)
    for gone in (responses(bench).retrieve, responses(bench).delete):
        with pytest.raises(openai.NotFoundError):
            gone(made.id)


def test_the_input_of_a_stored_response_is_listed_in_pages(bench: Bench) -> None:
    words = [f"word {number}" for number in range(45)]
    said = [{"role": "user", "content": word} for word in words]
    made = responses(bench).create(model=bench.name("anthropic"), input=said)

    def listed(**query: Any) -> list[str]:
        return [it.content[0].text for it in responses(bench).input_items.list(made.id, **query)]  # all pages

    assert listed(order="asc") == words
    assert listed() == listed(limit=7) == words[::-1]  # newest first, as OpenAI lists them
    page = responses(bench).input_items.list(made.id, limit=7)
    assert (len(page.data), page.has_more) == (7, True)
    for wrong in ({"limit": 0}, {"order": "up"}, {"after": "msg_none"}):
        with pytest.raises(openai.BadRequestError) as caught:
            responses(bench).input_items.list(made.id, **wrong)
        assert caught.value.param == next(iter(wrong))
    with pytest.raises(openai.BadRequestError):
        next(iter(responses(bench).retrieve(made.id, stream=True)))


@upstreams
def test_nothing_is_answered_in_the_background(bench: Bench, upstream: str) -> None:
    """There would be nobody to ask for the answer later: the upstream's memory is not the gateway's."""
    before = len(bench.provider.requests)
    with pytest.raises(openai.BadRequestError) as caught:
        responses(bench).create(model=bench.name(upstream), input="Go", background=True)
    assert caught.value.param == "background"
    assert len(bench.provider.requests) == before
    assert responses(bench).create(model=bench.name(upstream), input="Go", background=False).output_text


@upstreams
def test_what_is_not_to_be_stored_is_not(bench: Bench, upstream: str) -> None:
    made = responses(bench).create(model=bench.name(upstream), input="Forget this", store=False)
    with pytest.raises(openai.NotFoundError):
        responses(bench).retrieve(made.id)
    with pytest.raises(openai.APIStatusError) as caught:
        responses(bench).create(model=bench.name(upstream), input="Go on", previous_response_id=made.id)
    assert caught.value.status_code in (400, 404)
    assert caught.value.param == "previous_response_id"


def test_stored_responses_are_the_callers_own(bench: Bench) -> None:
    from routing import keys

    made = responses(bench).create(model=bench.name("anthropic"), input="Mine")
    other = keys.create(name="other")[1]
    bench.gateway.settle()
    theirs = bench.sdks["openai_responses"].with_options(api_key=other).responses
    with pytest.raises(openai.NotFoundError):
        theirs.retrieve(made.id)
    with pytest.raises(openai.APIStatusError):
        theirs.create(model=bench.name("anthropic"), input="Go on", previous_response_id=made.id)


# -- counts of tokens ------------------------------------------------------------------------------------------------
@upstreams
def test_tokens_are_counted_for_messages(bench: Bench, upstream: str) -> None:
    before = len(bench.provider.requests)
    counted = bench.sdks["anthropic"].messages.count_tokens(
        model=bench.name(upstream),
        system="Be brief.",
        messages=[{"role": "user", "content": "one two three four five"}],
        tools=[{"name": "get_time", "description": "Tells the time.", "input_schema": {"type": "object"}}],
    )
    assert counted.input_tokens >= 10
    counted_there(bench, upstream, before)


@upstreams
def test_tokens_are_counted_for_gemini(bench: Bench, upstream: str) -> None:
    before = len(bench.provider.requests)
    counted = bench.sdks["gemini"].models.count_tokens(model=bench.name(upstream), contents="one two three four five")
    assert counted.total_tokens >= 5
    counted_there(bench, upstream, before)


@upstreams
def test_tokens_are_counted_for_responses(bench: Bench, upstream: str) -> None:
    first = responses(bench).create(model=bench.name(upstream), input="one two three four five")
    before = len(bench.provider.requests)
    alone = responses(bench).input_tokens.count(model=bench.name(upstream), input="six seven").input_tokens
    counted_there(bench, upstream, before)
    more = responses(bench).input_tokens.count(
        model=bench.name(upstream), input="six seven", previous_response_id=first.id
    )
    assert more.input_tokens >= alone + 5


def counted_there(bench: Bench, upstream: str, before: int) -> None:
    """By the upstream's own counter, where its format has one; else the answer says that it is an estimate."""
    estimated = upstream == "openai_chat"
    assert bench.headers[-1].get("x-omniroute-estimated") == ("true" if estimated else None)
    assert len(bench.provider.requests) - before == (0 if estimated else 1)


@pytest.mark.parametrize("upstream", ["openai_responses", "anthropic", "gemini"])
@each(status=(404, 400, 429, 500))
def test_a_counter_that_fails_says_nothing_against_answering(bench: Bench, upstream: str, status: int) -> None:
    """Many compatible providers have no counter: the count is estimated then, and no connection rests for it."""
    from routing.models import GatewaySettings

    GatewaySettings(connection_cooldown=True, circuit_breaker=True).save()
    bench.gateway.settle()
    bench.provider.plays(sim.status(status))
    messages = [{"role": "user", "content": "one two three"}]
    client = bench.sdks["anthropic"].messages
    assert client.count_tokens(model=bench.name(upstream), messages=messages).input_tokens
    assert bench.headers[-1]["x-omniroute-estimated"] == "true"
    assert client.create(model=bench.name(upstream), messages=messages, max_tokens=2000).content


# -- lists of models -------------------------------------------------------------------------------------------------
@clients
def test_models_are_listed_in_the_shape_of_the_client(bench: Bench, client: str) -> None:
    offered = {bench.name(upstream) for upstream in UPSTREAMS}
    models = bench.sdks[client].models
    listed = {it.name.removeprefix("models/") if client == "gemini" else it.id for it in models.list()}
    assert offered <= listed
    name = bench.name("anthropic")
    if client == "gemini":
        assert models.get(model=name).name == f"models/{name}"
        with pytest.raises(errors.ClientError):
            models.get(model="no/such")
    else:
        assert models.retrieve(name).id == name
        with pytest.raises((openai.NotFoundError, anthropic.NotFoundError)):
            models.retrieve("no/such")


# -- threads ---------------------------------------------------------------------------------------------------------
@upstreams
def test_a_tool_runner_goes_on_without_threads(bench: Bench, upstream: str) -> None:
    ran = []

    @anthropic.beta_tool
    def get_time(zone: str) -> str:
        """The time in a zone."""
        ran.append(zone)
        return f"noon in {zone}"

    runner = bench.sdks["anthropic"].beta.messages.tool_runner(
        model=bench.name(upstream),
        max_tokens=1024,
        tools=[get_time],
        messages=[{"role": "user", "content": "Use the tool"}],
    )
    messages = list(runner)
    assert ran == ["text"]
    assert [it.stop_reason for it in messages] == ["tool_use", "end_turn"]
    assert "noon in text" in messages[-1].content[-1].text
    assert "thread" not in bench.sent


# -- signs of life ---------------------------------------------------------------------------------------------------
@pytest.fixture
def quick(bench: Bench) -> Iterator[None]:
    inner = bench.gateway.runtime.gateway
    before = inner._limits
    inner._limits = dataclasses.replace(before, keep_alive_seconds=0.05)
    yield
    inner._limits = before


Post = Callable[..., httpx.Response]
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "openai_chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Go"}]}),
    "openai_responses": ("/v1/responses", {"input": "Go"}),
    "anthropic": ("/v1/messages", {"max_tokens": 99, "messages": [{"role": "user", "content": "Go"}]}),
    "gemini": ("/v1beta/models/{model}:streamGenerateContent?alt=sse", {"contents": [{"parts": [{"text": "Go"}]}]}),
}


@clients
@upstreams
def test_silence_is_filled_in_the_way_of_the_format(bench: Bench, client: str, upstream: str, quick: None) -> None:
    signs = {"openai_chat": "\n:", "openai_responses": "\n:", "anthropic": "event: ping\n", "gemini": ""}
    held = sim.chat("At last").hold()
    bench.provider.plays(held if signs[client] else sim.chat("At last").silence(0.3))
    path, body = ASKED[client]
    if client != "gemini":
        body = {**body, "model": bench.name(upstream), "stream": True}
    url = bench.gateway.root + path.replace("{model}", bench.name(upstream))
    text = ""
    with httpx.stream("POST", url, json=body, headers={"authorization": f"Bearer {KEY}"}, timeout=20) as reply:
        for piece in reply.iter_text():
            text += piece
            if signs[client] in "\n" + text:
                held.release()
    before_text = text.partition("At ")[0]
    assert "last" in text
    if signs[client]:
        assert signs[client] in "\n" + before_text
    else:
        assert all(not line or line.startswith("data: {") for line in text.replace("\r\n", "\n").split("\n"))


@clients
def test_the_sdks_bear_the_signs_of_life(bench: Bench, client: str, quick: None) -> None:
    bench.provider.plays(sim.chat("One two three").slow(0.12))
    talk = bench.talk(client, "openai_chat" if client != "openai_chat" else "anthropic")
    talk.say("Count")
    assert talk.ask(stream=True).text == "One two three"


# -- Gemini's other shapes -------------------------------------------------------------------------------------------
@each(root=("/v1beta", "/v1", ""))
@upstreams
def test_gemini_without_events_is_one_array(bench: Bench, upstream: str, root: str) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "one two three"}]}]}
    url = f"{bench.gateway.root}{root}/models/{bench.name(upstream)}:streamGenerateContent"
    reply = httpx.post(url, json=body, headers={"x-goog-api-key": KEY}, timeout=20)
    assert reply.headers["content-type"].startswith("application/json")
    chunks = reply.json()
    parts = [part for chunk in chunks for part in chunk["candidates"][0].get("content", {}).get("parts", [])]
    assert "".join(it["text"] for it in parts) == "You said: one two three"
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    assert chunks[-1]["usageMetadata"]["totalTokenCount"] > 0


SNAKES = {
    "contents": [
        {"role": "user", "parts": [{"text": "Go"}, {"inline_data": {"mime_type": "image/png", "data": "aQ=="}}]}
    ],
    "system_instruction": {"parts": [{"text": "Be brief."}]},
    "tools": [
        {
            "function_declarations": [
                {
                    "name": "get_time",
                    "parameters_json_schema": {"type": "object", "properties": {"zone": {"type": "string"}}},
                }
            ]
        }
    ],
    "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["get_time"]}},
    "generation_config": {
        "max_output_tokens": 77,
        "stop_sequences": ["END"],
        "thinking_config": {"include_thoughts": True, "thinking_budget": 0},
    },
}


@upstreams
def test_names_in_snake_case_are_understood(bench: Bench, upstream: str) -> None:
    model = "gemini-2.5-sim" if upstream == "gemini" else ""
    url = f"{bench.gateway.root}/v1beta/models/{bench.name(upstream, model)}:generateContent?key={KEY}"
    reply = httpx.post(url, json=SNAKES, timeout=20)
    assert reply.status_code == 200, reply.text
    [part] = [it for it in reply.json()["candidates"][0]["content"]["parts"] if "functionCall" in it]
    assert part["functionCall"]["name"] == "get_time"
    told = json.dumps(bench.sent)
    for words in ("Be brief.", "77", "aQ==", '"zone"'):
        assert words in told, words


# -- a tool that only its vendor runs --------------------------------------------------------------------------------
HOSTED: dict[str, Any] = {
    "openai_responses": {"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]},
    "anthropic": {"tools": [{"type": "bash_20250124", "name": "bash"}]},
    "gemini": {"tools": [{"google_maps": {}}]},
}


@pytest.mark.parametrize("client", HOSTED)
def test_a_vendors_own_tool_is_named_when_it_is_dropped(bench: Bench, client: str) -> None:
    talk = bench.talk(client, "openai_chat")
    talk.say("Go on")
    talk.ask(Wish(more=HOSTED[client]))
    assert any(name.startswith("tools") for name in bench.dropped), bench.dropped
    [row] = bench.records()
    assert row.result == "ok"


def test_a_tool_beside_a_dropped_one_stays(bench: Bench) -> None:
    talk = bench.talk("openai_responses", "anthropic")
    talk.say("Use the tool")
    both = [*HOSTED["openai_responses"]["tools"], CLOCK]
    said = talk.ask(Wish(tools=(Spec("get_time", None),), more={"tools": both}))
    assert [it.name for it in said.calls] == ["get_time"]


# -- what nobody counted, or not to the end --------------------------------------------------------------------------
@pytest.mark.parametrize("format", ["openai_responses", "gemini"])
def test_a_whole_answer_passed_on_without_usage_costs_its_output(bench: Bench, format: str) -> None:
    bench.provider.plays(sim.chat("One two three four five", usage_when="never"))
    talk = bench.talk(format, format)
    talk.say("Count")
    talk.ask()
    [row] = bench.records()
    assert row.output_tokens >= 5 and row.estimated


@upstreams
def test_who_leaves_in_the_middle_pays_what_was_said(bench: Bench, upstream: str) -> None:
    bench.provider.plays(sim.chat([f"word{number} " for number in range(80)]).stall(after=60))
    body = {"model": bench.name(upstream), "stream": True, "messages": [{"role": "user", "content": "Speak"}]}
    with (
        httpx.Client(base_url=bench.gateway.root, headers={"authorization": f"Bearer {KEY}"}, timeout=60) as client,
        client.stream("POST", "/v1/chat/completions", json=body) as reply,
    ):
        bench.headers.append(dict(reply.headers))
        seen = ""
        for text in reply.iter_text():
            seen += text
            if "word30" in seen:
                break
    [row] = bench.records()
    assert row.output_tokens > 30


@streams
@pairs
def test_a_request_is_freed_when_it_is_over(bench: Bench, client: str, upstream: str, stream: bool) -> None:
    """Not when the collector comes by: one of 60 KB is read into a megabyte of values."""
    gc.collect()
    gc.disable()
    try:
        talk = bench.talk(client, upstream)
        talk.say("Hello")
        talk.ask(stream=stream)
        bench.records()
        deadline = time.monotonic() + PATIENCE
        while any(issubclass(type(one), Asking | Exchange) for one in gc.get_objects()):  # type(): proxies may be dead
            assert time.monotonic() < deadline, "the request is still there"
            threading.Event().wait(0.01)
    finally:
        gc.enable()
