"""Kept answers through the running gateway: in every client format, whole and streamed, each caller's own only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest
from google import genai

from routing.models import Combo
from tests.routing.asked import FORMATS, ask
from tests.routing.conftest import HELLO, Client
from tests.simulator import status


@pytest.fixture
def caching(gateway: Any, client: Client) -> Any:
    """Switch the cache on, with these settings."""
    from routing.gateway.replay import Replays
    from routing.gateway.replay.shelf import LIVE
    from routing.models import CacheSettings

    def change(**changes: Any) -> None:
        row = CacheSettings(**{"exact": True, **changes})
        row.full_clean(exclude=["id"])
        row.save()
        gateway.settle()

    LIVE.clear()
    gateway.runtime.gateway.replays = Replays()
    change()
    return change


@pytest.fixture
def another(gateway: Any, make_key: Any, client: Client) -> Iterator[httpx.Client]:
    """Somebody else."""
    text = make_key("another")
    gateway.settle()
    with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {text}"}, timeout=20) as http:
        yield http


def how(reply: httpx.Response) -> str:
    assert reply.status_code == 200, reply.text
    return reply.headers["x-omniroute-cache"]


def text_of(format: str, reply: httpx.Response) -> str:
    """What was said, whole or streamed."""
    from providers.wire.assemble import Assembly
    from providers.wire.formats import FORMATS as WIRE
    from providers.wire.frames import EventSplitter, payload
    from providers.wire.translation import Names

    if reply.headers["content-type"].startswith("application/json"):
        parts = WIRE[format].parse_reply(reply.content, Names()).choices[0].parts
    else:
        reader, said, split = WIRE[format].reader(Names()), Assembly(), EventSplitter()
        for frame in [*split.feed(reply.content), split.flush()]:
            for event in reader.frame(payload(frame)) if frame and payload(frame) else []:
                said.add(event)
        assert reader.done or format == "gemini"
        parts = said.parts()
    return "".join(getattr(part, "text", "") for part in parts)


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("format", FORMATS)
def test_the_second_time_nobody_is_asked(
    client: Client, upstream: Any, caching: Any, gateway: Any, format: str, first: bool, second: bool
) -> None:
    made = ask(client.http, format, stream=first)
    again = ask(client.http, format, stream=second)
    assert (how(made), how(again), upstream.count) == ("miss", "hit", 1)
    assert text_of(format, again) == text_of(format, made) != ""
    assert again.headers["x-omniroute-provider"] == "acme"
    if first == second:
        assert again.content == made.content
    before, after = sorted(gateway.records(2), key=lambda row: row.started_at)
    assert (before.cache, after.cache, after.result, after.status) == ("miss", "hit", "ok", 200)
    assert (after.cost_usd, after.input_tokens, after.output_tokens) == (0, 0, 0)
    assert after.saved_tokens == before.input_tokens + before.output_tokens > 0


@pytest.mark.parametrize("format", FORMATS)
def test_two_callers_never_share(
    client: Client, upstream: Any, caching: Any, another: httpx.Client, format: str
) -> None:
    assert [how(ask(http, format)) for http in (client.http, another)] == ["miss", "miss"]
    assert upstream.count == 2


def test_a_team_shares_when_that_is_wanted_and_only_what_each_may_use(
    gateway: Any, upstream: Any, caching: Any, make_key: Any, team: Any
) -> None:
    texts = [make_key("a", team=team), make_key("b", team=team), make_key("c", team=team, patterns=["other/*"])]
    caching(per_team=True)
    replies = [
        httpx.post(
            f"{gateway.url}/chat/completions",
            headers={"authorization": f"Bearer {text}"},
            json={"model": "acme/large", "temperature": 0, "messages": [{"role": "user", "content": "hi"}]},
        )
        for text in texts
    ]
    assert [reply.status_code for reply in replies] == [200, 200, 403]
    assert [how(reply) for reply in replies[:2]] == ["miss", "hit"]


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [{"role": "user", "content": "hello!"}]},
        {"top_p": 0.5},
        {"max_tokens": 7},
        {"seed": 1},
        {"presence_penalty": 0.1},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"user": "somebody"},
        {"logprobs": False},
    ],
)
def test_whatever_changes_the_answer_makes_another_question(
    client: Client, upstream: Any, caching: Any, other: dict[str, Any]
) -> None:
    assert [how(client.chat(temperature=0)), how(client.chat(temperature=0, **other))] == ["miss", "miss"] or (
        "messages" in other
    )
    assert upstream.count == 2


def test_the_order_of_fields_makes_none(client: Client, upstream: Any, caching: Any) -> None:
    body = {"model": "acme/large", "temperature": 0, "messages": [{"role": "user", "content": "hi"}]}
    turned = dict(reversed(body.items()))
    assert [how(client.http.post("/chat/completions", json=each)) for each in (body, turned)] == ["miss", "hit"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 0, "n": 2},
        {"temperature": 0, "store": True},
        {"temperature": 0, "web_search_options": {}},
    ],
)
def test_what_is_not_kept(client: Client, upstream: Any, caching: Any, fields: dict[str, Any]) -> None:
    assert [how(client.chat(**fields)) for _ in range(2)] == ["bypass", "bypass"]
    assert upstream.count == 2


def test_stored_responses_are_not_kept(client: Client, upstream: Any, caching: Any) -> None:
    for more in ({"store": True}, {"store": None}):
        assert [how(ask(client.http, "openai_responses", more=more)) for _ in range(2)] == ["bypass", "bypass"]


def test_errors_and_answers_that_were_cut_are_not_kept(
    client: Client, upstream: Any, caching: Any, patient: None
) -> None:
    upstream.plays(status(500), status(400))
    assert client.chat(temperature=0).status_code >= 400
    assert client.chat(temperature=0).status_code >= 400
    assert how(client.chat(temperature=0)) == "miss"


@pytest.mark.parametrize(
    "headers", [{"x-omniroute-no-cache": "true"}, {"cache-control": "no-store"}, {"cache-control": "no-cache"}]
)
def test_a_client_may_want_it_fresh(client: Client, upstream: Any, caching: Any, headers: dict[str, str]) -> None:
    assert how(ask(client.http, "openai_chat")) == "miss"
    assert how(ask(client.http, "openai_chat", headers=headers)) == "bypass"
    assert how(ask(client.http, "openai_chat")) == "hit"
    assert upstream.count == 2


def test_it_is_off_until_somebody_switches_it_on(client: Client, upstream: Any, gateway: Any) -> None:
    assert [how(ask(client.http, "openai_chat")) for _ in range(2)] == ["bypass", "bypass"]


def test_another_meaning_of_the_name_is_another_question(
    gateway: Any, client: Client, upstream: Any, caching: Any, make_provider: Any
) -> None:
    from routing.models import Alias

    make_provider("other", upstream.url)
    alias = Alias.objects.create(pattern="fast", target="acme/large")
    gateway.settle()
    assert [how(ask(client.http, "openai_chat", model="fast")) for _ in range(2)] == ["miss", "hit"]
    alias.target = "other/large"
    alias.save()
    gateway.settle()
    assert how(ask(client.http, "openai_chat", model="fast")) == "miss"


def test_flushing(gateway: Any, client: Client, another: httpx.Client, caching: Any) -> None:
    from routing import caching as services
    from routing.models import ApiKey

    def hits() -> list[str]:
        return [how(ask(http, "openai_chat")) for http in (client.http, another)]

    hits()
    assert services.fill().entries == 2
    services.flush(key=ApiKey.objects.get(name="another").pk)
    gateway.settle()
    assert hits() == ["hit", "miss"]
    services.flush(model="acme/large")
    gateway.settle()
    assert hits() == ["miss", "miss"]
    services.flush()
    gateway.settle()
    assert hits() == ["miss", "miss"]
    assert hits() == ["hit", "hit"]


# -- the official SDKs read what is told in another way than it was made ---------------------------------------------
def test_the_openai_sdk(client: Client, upstream: Any, caching: Any, gateway: Any) -> None:
    sdk = openai.OpenAI(base_url=gateway.url, api_key=client.key)
    asked: Any = {"model": "acme/large", "temperature": 0, "messages": [{"role": "user", "content": "hi"}]}
    whole = sdk.chat.completions.create(**asked).choices[0].message.content
    chunks = list(sdk.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole
    assert chunks[-1].usage is not None
    responses: Any = {"model": "acme/large", "temperature": 0, "input": "hi", "store": False}
    told = sdk.responses.create(**responses).output_text
    with sdk.responses.stream(**responses) as stream:
        stream.until_done()
        assert stream.get_final_response().output_text == told
    assert upstream.count == 2


def test_the_anthropic_and_google_sdks(client: Client, upstream: Any, caching: Any, gateway: Any) -> None:
    sdk = anthropic.Anthropic(base_url=gateway.root, api_key=client.key)
    asked: Any = {"model": "acme/large", "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}
    asked["extra_body"] = {"temperature": 0}
    with sdk.messages.stream(**asked) as stream:
        told = stream.get_final_text()
    assert [block.text for block in sdk.messages.create(**asked).content] == [told]
    google = genai.Client(api_key=client.key, http_options={"base_url": gateway.root})
    config = {"temperature": 0}
    whole = google.models.generate_content(model="acme/large", contents="hi", config=config).text
    chunks = google.models.generate_content_stream(model="acme/large", contents="hi", config=config)
    assert "".join(chunk.text or "" for chunk in chunks) == whole
    assert upstream.count == 2


def test_a_gemini_array_is_told_from_a_kept_answer(client: Client, upstream: Any, caching: Any) -> None:
    made = ask(client.http, "gemini")
    body = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}], "generationConfig": {"temperature": 0}}
    array = client.http.post("/models/acme/large:streamGenerateContent", json=body)
    assert isinstance(json.loads(array.content), list)
    assert how(made) == "miss"


# -- meaning ---------------------------------------------------------------------------------------------------------
def test_the_same_in_other_words(
    client: Client, upstream: Any, caching: Any, another: httpx.Client, gateway: Any
) -> None:
    pytest.importorskip("wordllama")
    caching(semantic=True, semantic_percent=90)
    assert how(ask(client.http, "openai_chat", "How do I reverse a list in Python?")) == "miss"
    assert how(ask(client.http, "openai_chat", "How can I reverse a Python list?", stream=True)) == "hit"
    assert how(ask(client.http, "openai_chat", "How do I sort a list in Python?")) == "miss"
    assert how(ask(another, "openai_chat", "How can I reverse a Python list?")) == "miss"
    assert how(ask(client.http, "anthropic", "How can I reverse a Python list?")) == "miss"
    assert [row.cache for row in sorted(gateway.records(5), key=lambda row: row.started_at)] == [
        "miss",
        "semantic",
        "miss",
        "miss",
        "miss",
    ]


def test_numbers_and_negations_are_not_other_words(client: Client, upstream: Any, caching: Any) -> None:
    pytest.importorskip("wordllama")
    caching(semantic=True, semantic_percent=70)
    for text in (
        "Is it safe to delete the file?",
        "Is it not safe to delete the file?",
        "What is 2+2?",
        "What is 2+3?",
    ):
        assert how(ask(client.http, "openai_chat", text)) == "miss"


def test_what_surrounds_the_question_must_be_the_same(client: Client, upstream: Any, caching: Any) -> None:
    pytest.importorskip("wordllama")
    caching(semantic=True, semantic_percent=70)
    for system in ("You are brief.", "You are French."):
        messages = [{"role": "system", "content": system}, {"role": "user", "content": "How do I reverse a list?"}]
        reply = client.http.post(
            "/chat/completions", json={"model": "acme/large", "temperature": 0, "messages": messages}
        )
        assert how(reply) == "miss"


def test_a_changed_order_of_a_combo_gives_no_old_answers(
    gateway: Any, client: Client, upstream: Any, caching: Any, make_provider: Any
) -> None:
    make_provider("other", upstream.url, models=("small",))
    row = Combo.objects.create(name="combo", strategy="priority")
    one = row.steps.create(model="acme/large", position=0)
    row.steps.create(model="other/small", position=1)
    gateway.settle()
    assert how(ask(client.http, "openai_chat", model="combo")) == "miss"
    one.position = 2
    one.save()
    gateway.settle()
    assert how(ask(client.http, "openai_chat", model="combo")) == "miss"


@pytest.mark.parametrize(
    "wanted", [{"stream": True, "stream_options": {"include_usage": True}}, {}], ids=["streamed", "whole"]
)
def test_usage_is_told_of_an_answer_that_was_first_streamed_without(
    client: Client, upstream: Any, caching: Any, wanted: dict[str, Any]
) -> None:
    assert how(client.chat(temperature=0, stream=True)) == "miss"
    again = client.chat(temperature=0, **wanted)
    assert how(again) == "hit"
    assert '"prompt_tokens":0' not in again.text and '"prompt_tokens":' in again.text


def test_what_a_vendor_fetches_itself_is_not_kept(client: Client, upstream: Any, caching: Any) -> None:
    body = {
        "model": "acme/large", "max_tokens": 9, "temperature": 0, "messages": [{"role": "user", "content": "news?"}],
        "mcp_servers": [{"type": "url", "url": "https://mcp.example/sse", "name": "news"}],
    }  # fmt: skip
    assert [how(client.http.post("/messages", json=body)) for _ in range(2)] == ["bypass", "bypass"]


def test_what_does_not_count_tells_no_limits(client: Client, caching: Any) -> None:
    """Kept answers, repeated ones, lists of models, and endpoints that the key may not ask for."""
    from routing.models import ApiKey, Limit

    ApiKey.objects.update(endpoints=["chat"])
    Limit.objects.create(api_key=ApiKey.objects.get(), requests_per_minute=2)
    client.gateway.settle()
    once = {"idempotency-key": "one"}
    for headers in ({}, once):
        body = {"model": "acme/large", "messages": [*HELLO, *HELLO[: len(headers)]], "temperature": 0}
        first, again = [client.http.post("/chat/completions", json=body, headers=headers) for _ in range(2)]
        assert (first.status_code, again.status_code, again.headers["x-omniroute-cache"]) == (200, 200, "hit")
        told = [[name for name in reply.headers if name.startswith("x-ratelimit")] for reply in (first, again)]
        assert told[0] and not told[1]
    uncounted = [
        client.http.get("/models"),
        client.http.post("/embeddings", json={"model": "acme/large", "input": "x"}),
    ]
    assert [reply.status_code for reply in uncounted] == [200, 403]
    assert not [name for reply in uncounted for name in reply.headers if name.startswith("x-ratelimit")]
    assert client.chat(model="acme/large", seed=1).status_code == 429, "the two that were asked for"
