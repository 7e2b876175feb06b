"""What clients of any format do at the edges of the API: keys sent twice, packed bodies, stray slashes, methods and
paths that there are not, pages of the model list."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import openai
import pytest
from google import genai
from google.genai import types

from tests import simulator as sim
from tests.routing.conftest import HELLO, Client
from tests.routing.test_bad_input import Api, every_api

MODELS = ("a", "b", "c", "d", "e")


def post(client: Client, path: str, body: bytes, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(client.gateway.root + path, content=body, headers=named, timeout=20)


def asked(client: Client, api: Api, **fields: Any) -> bytes:
    return json.dumps(api.body("acme/large") | fields).encode()


def address(api: Api) -> str:
    return api.path.replace("{model}", "acme/large")


# -- keys -----------------------------------------------------------------------------------------------------------
@every_api
def test_our_key_counts_wherever_a_foreign_one_stands(client: Client, api: Api) -> None:
    body, foreign = asked(client, api), "sk-ant-a-vendors-own"
    for ours in ({"x_api_key": client.key}, {"x_goog_api_key": client.key}, {"api_key": client.key}):
        assert post(client, address(api), body, authorization=f"Bearer {foreign}", **ours).status_code == 200
    assert post(client, f"{address(api)}?key={client.key}", body, x_api_key=foreign).status_code == 200
    assert post(client, address(api), body, authorization=f"Bearer {client.key}", x_api_key=foreign).status_code == 200
    assert post(client, address(api), body, authorization=f"Bearer {foreign}", x_api_key=foreign).status_code == 401
    assert {row.key_name for row in client.gateway.records(5)} == {"test"}


# -- bodies ---------------------------------------------------------------------------------------------------------
@every_api
@pytest.mark.parametrize(("pack", "encoding"), [(gzip.compress, "gzip"), (zlib.compress, "deflate")])
def test_a_body_may_come_packed(
    client: Client, upstream: Any, api: Api, pack: Callable[[bytes], bytes], encoding: str
) -> None:
    words = "many words " * 5000
    turns = {
        "messages": [{"role": "user", "content": words}],
        "input": words,
        "contents": [{"role": "user", "parts": [{"text": words}]}],
    }
    body = asked(client, api, **{api.wrong: turns[api.wrong]})
    bearer = f"Bearer {client.key}"
    reply = post(client, address(api), pack(body), authorization=bearer, content_encoding=encoding)
    assert reply.status_code == 200, reply.text
    assert upstream.requests[0].json["messages"][-1]["content"] == words
    assert upstream.requests[0].header("content-encoding") is None


@every_api
def test_a_packed_body_is_bounded(client: Client, upstream: Any, limits: Any, api: Api) -> None:
    limits(max_body=100_000)
    bomb = gzip.compress(b" " * 10_000_000)
    reply = post(client, address(api), bomb, authorization=f"Bearer {client.key}", content_encoding="gzip")
    assert reply.status_code == 413
    assert api.envelope(reply.json())
    [row] = client.gateway.records(1)
    assert (row.result, row.status) == ("refused", 413)
    assert upstream.count == 0


@every_api
def test_what_cannot_be_unpacked_is_refused(client: Client, upstream: Any, api: Api) -> None:
    body, bearer = asked(client, api), f"Bearer {client.key}"
    other = post(client, address(api), body, authorization=bearer, content_encoding="br")
    assert (other.status_code, other.headers["accept-encoding"]) == (415, "gzip, deflate")
    damaged = post(client, address(api), body, authorization=bearer, content_encoding="gzip")
    assert damaged.status_code == 400
    assert api.envelope(other.json()) == api.envelope(damaged.json())
    assert upstream.count == 0


def test_a_packed_recording(client: Client, upstream: Any) -> None:
    plain = httpx.Request(
        "POST", "http://x", data={"model": "acme/large"}, files={"file": ("a.wav", b"RIFF0000WAVEfmt ", "audio/wav")}
    )
    headers = {"content_type": plain.headers["content-type"], "content_encoding": "gzip"}
    reply = post(
        client, "/v1/audio/transcriptions", gzip.compress(plain.read()), authorization=f"Bearer {client.key}", **headers
    )
    assert reply.status_code == 200, reply.text


@every_api
@pytest.mark.parametrize(
    ("body", "words"), [(b"", "it is empty"), (b" \n", "it is empty"), (b"\xef\xbb\xbf{}", "byte order mark")]
)
def test_it_is_said_what_is_no_json(client: Client, api: Api, body: bytes, words: str) -> None:
    reply = post(client, address(api), body, authorization=f"Bearer {client.key}")
    assert reply.status_code == 400
    assert words in reply.json()["error"]["message"]


# -- paths and methods ----------------------------------------------------------------------------------------------
@every_api
def test_stray_slashes(client: Client, api: Api) -> None:
    body, bearer = asked(client, api), f"Bearer {client.key}"
    _, version, rest = address(api).split("/", 2)
    for path in (f"/{version}//{rest}", f"//{version}/{rest}", f"/{version}/{rest}/", f"//{rest}"):
        assert post(client, path, body, authorization=bearer).status_code == 200, path


@every_api
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_a_method_that_is_not_taken(client: Client, api: Api, method: str) -> None:
    reply = client.http.request(method, client.gateway.root + address(api))
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
    if method != "HEAD":
        assert api.envelope(reply.json())


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/v1/models", "GET, HEAD"),
        ("/v1beta/models/acme/large", "GET, HEAD"),
        ("/v1/responses/resp_1", "GET, HEAD, DELETE"),
        ("/v1/responses/resp_1/input_items", "GET, HEAD"),
    ],
)
def test_what_is_read_is_not_written(client: Client, path: str, allow: str) -> None:
    reply = client.http.put(client.gateway.root + path, json={})
    assert (reply.status_code, reply.headers["allow"]) == (405, allow)


def test_an_sdks_call_of_what_there_is_not_is_refused_in_its_own_words(client: Client) -> None:
    with anthropic.Anthropic(base_url=client.gateway.root, api_key=client.key, max_retries=0) as sdk:
        with pytest.raises(anthropic.NotFoundError) as caught:
            sdk.beta.files.list()
        assert caught.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]


# -- lists of models ------------------------------------------------------------------------------------------------
@pytest.fixture
def catalogue(gateway: Any, upstream: Any, make_provider: Any, make_key: Any) -> Client:
    """Five chat models, the first with a context; one of them has an alias of its own name."""
    from providers.models import ProviderModel
    from routing.models import Alias

    make_provider("acme", upstream.url, models=MODELS)
    ProviderModel.objects.filter(model_id="a").update(context=1000)
    Alias.objects.create(pattern="acme/b", target="acme/b")
    key = make_key()
    gateway.settle()
    return Client(gateway, key)


NAMES = [f"acme/{name}" for name in MODELS]


@pytest.mark.parametrize("size", [None, 1, 2, 4, 5, 100])
def test_anthropics_sdk_gets_every_model_in_pages(catalogue: Client, size: int | None) -> None:
    asked: Any = {} if size is None else {"limit": size}
    with anthropic.Anthropic(base_url=catalogue.gateway.root, api_key=catalogue.key, max_retries=0) as sdk:
        page = sdk.models.list(**asked)
        assert len(page.data) == min(size or 100, 5)
        assert page.has_more == (len(page.data) < 5)
        assert (page.first_id, page.last_id) == (page.data[0].id, page.data[-1].id)
        assert [model.id for model in page] == NAMES
        before = sdk.models.list(**asked, before_id=NAMES[3])
        assert before.data[-1].id == NAMES[2]
        assert sorted(model.id for model in before) == NAMES[:3]
        assert list(sdk.models.list(after_id=NAMES[-1])) == []


@pytest.mark.parametrize("version", ["v1", "v1beta"])
@pytest.mark.parametrize("size", [None, 1, 2, 4, 5, 5000])
def test_googles_sdk_gets_every_model_in_pages(catalogue: Client, version: str, size: int | None) -> None:
    options = types.HttpOptions(base_url=catalogue.gateway.root, api_version=version)
    sdk = genai.Client(api_key=catalogue.key, http_options=options)
    pager = sdk.models.list(config={"page_size": size} if size else None)
    assert len(pager) == min(size or 100, 5)
    assert [model.name for model in pager] == [f"models/{name}" for name in NAMES]


def test_openais_sdk_gets_every_model(catalogue: Client) -> None:
    with openai.OpenAI(base_url=catalogue.gateway.url, api_key=catalogue.key, max_retries=0) as sdk:
        assert [model.id for model in sdk.models.list()] == NAMES


@pytest.mark.parametrize(
    ("path", "header"), [("/v1/models", "anthropic-version"), ("/v1beta/models", "x-omniroute-none")]
)
@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", "limit=x", "limit=1.5", "limit=99999999999", "after_id=none", "before_id=none",
     "pageSize=-1", "pageSize=x", "pageToken=none"],
)  # fmt: skip
def test_pages_that_there_are_not(catalogue: Client, path: str, header: str, query: str) -> None:
    theirs = query.startswith("page") == path.startswith("/v1beta")
    reply = catalogue.http.get(f"{catalogue.gateway.root}{path}?{query}", headers={header: "2023-06-01"})
    assert reply.status_code == (400 if theirs else 200)


def test_what_is_known_of_a_model_is_told(catalogue: Client) -> None:
    with anthropic.Anthropic(base_url=catalogue.gateway.root, api_key=catalogue.key, max_retries=0) as sdk:
        first, last = sdk.models.retrieve("acme/a"), sdk.models.retrieve("acme/e")
    assert (first.max_input_tokens, last.max_input_tokens) == (1000, None)
    assert (first.max_tokens, first.lifecycle, first.retires_at) == (None, "active", None)


@pytest.fixture
def famous(gateway: Any, upstream: Any, make_key: Any) -> Client:
    """A provider of the catalogue."""
    from providers.connections import add
    from providers.models import Provider

    row = Provider.objects.create(id="openai", custom=False, base_url=upstream.url, allow_private_network=True)
    add(row, "main", "sk-test")
    key = make_key()
    gateway.settle()
    return Client(gateway, key)


def test_a_model_with_a_last_day_is_told_as_deprecated(famous: Client) -> None:
    known = famous.gateway.runtime.gateway.snapshot.providers["openai"].entry.models
    rows = famous.http.get("/models", headers={"anthropic-version": "2023-06-01"}).json()["data"]
    told = {row["id"].removeprefix("openai/"): (row["lifecycle"], row["retires_at"]) for row in rows}
    assert told["gpt-4o"] == ("active", None)
    assert told == {
        name: ("deprecated", f"{known[name].shutdown}T00:00:00Z") if known[name].shutdown else ("active", None)
        for name in told
    }


def test_googles_clients_are_told_what_a_model_is_for(famous: Client) -> None:
    rows = famous.http.get(f"{famous.gateway.root}/v1beta/models").json()["models"]
    methods = {row["displayName"]: row["supportedGenerationMethods"] for row in rows}
    assert methods["openai/gpt-4o"] == ["generateContent", "streamGenerateContent", "countTokens"]
    assert methods["openai/text-embedding-3-small"] == ["embedContent", "batchEmbedContents"]
    assert methods["openai/gpt-4o-mini-tts"] == []


# -- what replies say -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_that_is_carried_is_not_told_as_lost(client: Client, upstream: Any, stream: bool) -> None:
    said = {"model": "acme/large", "conversation": "conv_1", "stream": stream}
    for words in ("one", "two"):
        reply = client.http.post("/responses", json=said | {"input": words})
        assert reply.status_code == 200
        assert "x-omniroute-dropped" not in reply.headers
    assert [turn["content"] for turn in upstream.requests[1].json["messages"] if turn["role"] == "user"] == [
        "one",
        "two",
    ]


def test_what_another_format_calls_so_is_lost(gateway: Any, make_provider: Any, make_key: Any, patient: None) -> None:
    with sim.SimulatorThread(format="anthropic") as upstream:
        make_provider("claude", upstream.url, format="anthropic", models=("sim-large",))
        client = Client(gateway, make_key())
        gateway.settle()
        reply = client.chat(model="claude/sim-large", conversation="conv_1")
        assert reply.headers["x-omniroute-dropped"] == "conversation"


def test_a_translated_message_begins_with_an_estimate_of_its_prompt(client: Client) -> None:
    said = {"model": "acme/large", "max_tokens": 9, "messages": HELLO, "stream": True}
    events = [
        json.loads(line[6:])
        for line in client.http.post("/messages", json=said).text.split("\n")
        if line.startswith("data: ")
    ]
    opening = events[0]["message"]["usage"]
    assert opening["input_tokens"] > 0
    assert opening["cache_creation"] is None
    [row] = client.gateway.records(1)
    last = next(event["usage"] for event in events if event["type"] == "message_delta")
    assert (last["input_tokens"], last["output_tokens"]) == (row.input_tokens, row.output_tokens)
    assert not row.estimated
