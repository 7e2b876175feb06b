"""Every provider of the catalogue: the request that would leave is what the vendors' documentation says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from providers import catalogue
from providers.body import dump
from providers.entry import Entry
from providers.tailoring import traits_of
from providers.transport.base import Outbound, Timeouts
from providers.upstream import Attempt, Upstream, link
from providers.wire.formats import FORMATS
from providers.wire.media import embeddings, images, moderation, rerank, speech, transcription
from providers.wire.media.job import Answer, Further, Job, Outgoing, dialect_of
from providers.wire.media.shapes import shaped
from providers.wire.openai_chat.passing import parse
from providers.wire.translation import Asked
from routing.gateway.lanes import Prepared, Translating

TABLE: Mapping[str, dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("catalogue_requests.yaml").read_text("utf-8")
)
SECRET = "s3cret-value"
ASKED = Further()  # the operation's own address
CHAT = {
    "messages": [{"role": "user", "content": "Hello"}],
    "temperature": 0.5,
    "top_p": 0.9,
    "n": 2,
    "seed": 7,
    "user": "u-1",
    "logprobs": True,
    "top_logprobs": 2,
    "logit_bias": {"5": 1},
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
    "stop": ["END"],
    "max_tokens": 100,
    "store": True,
    "service_tier": "auto",
    "reasoning_effort": "low",
    "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
}
FORM = (
    b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper\r\n'
    b'--x\r\ncontent-disposition: form-data; name="language"\r\n\r\nde\r\n'
    b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\ncontent-type: audio/x-wav\r\n\r\n'
    b"RIFF\r\n--x--\r\n"
)
JOBS: Mapping[str, Job] = {
    "embeddings": embeddings.parse(b'{"model":"m","input":"Hello"}'),
    "images": images.parse(b'{"model":"m","prompt":"A hut","size":"1536x1024"}'),
    "speech": speech.parse(b'{"model":"m","input":"Hello","voice":"Aria","speed":1.5}'),
    "moderation": moderation.parse(b'{"model":"m","input":"Hello"}'),
    "rerank": rerank.parse(b'{"model":"m","query":"q","documents":["a","b"],"top_n":1}'),
    "transcription": transcription.parse(FORM, "multipart/form-data; boundary=x"),
}


class Caught(Exception):
    """The request that would have left."""


class Nobody:
    """A transport that shows what it was to send."""

    def of(self, route: object, kind: str) -> Nobody:
        return self

    async def send(self, outbound: Outbound) -> None:
        raise Caught(outbound)


def leaving(
    entry: Entry,
    row: Mapping[str, Any],
    operation: str,
    model: str,
    said: Prepared,
    stream: bool,
    further: Further = ASKED,
) -> Outbound:
    """What Upstream hands to the transport. Signed requests carry no secret here: ``providers.auth`` adds it."""
    here = entry.at(row.get("parameters", {}))
    secret = None if entry.signed else SECRET
    connected = link(
        here, connection_id=1, name="c", priority=1, secret=secret, proxy=None, user_agent="OmniRoute/0",
        parameters=row.get("parameters"),
    )  # fmt: skip
    patience, spoken = Timeouts(connect=1, write=1, first_byte=1, idle=1), entry.of(model)
    target = further.place.of(spoken.target(operation, model, stream=stream))
    sending = Upstream(Nobody()).open(  # type: ignore[arg-type]
        Attempt(spoken, connected, model), operation, said.body, stream=stream, timeouts=patience,
        headers=said.headers, method=further.method, target=target,
    )  # fmt: skip
    with pytest.raises(Caught) as caught:
        asyncio.run(sending)
    return caught.value.args[0]


def chat(entry: Entry, model: str, *, stream: bool) -> Prepared:
    """A chat of a client that speaks Chat Completions, as the gateway says it to the provider."""
    to, body = entry.of(model), json.dumps({"model": "x", **CHAT, "stream": stream}).encode()
    if to.format == "openai_chat":
        sent, dropped, _ = dump(parse(body, "chat"), model, to.request, traits_of(to, model))
        return Prepared(sent, dropped)
    client = FORMATS["openai_chat"]
    wanted = client.parse(json.loads(body))
    lane = Translating(
        client,
        FORMATS[to.format],
        wanted,
        Asked(request=wanted, model="x", id="i", created=0),
        lambda *_: None,
        lambda _: None,
    )  # type: ignore[arg-type, return-value]
    here = link(to.sample, connection_id=1, name="c", priority=1, secret=None, proxy=None, user_agent="OmniRoute/0")
    return lane.prepare(Attempt(to, here, model))


def address(request: Outbound) -> str:
    port = "" if request.route.port in (80, 443) else f":{request.route.port}"
    return f"{request.route.scheme}://{request.route.host}{port}{request.target}"


def headers(request: Outbound) -> dict[str, str]:
    names = [name.decode() for name, _ in request.headers]
    assert len(set(names)) == len(names), "a header is there twice"
    return {name.decode(): value.decode() for name, value in request.headers}


def chats() -> Iterator[tuple[str, dict[str, Any], str]]:
    for id, row in TABLE.items():
        if row.get("chat"):
            listed = [m.id for m in catalogue.entries()[id].models.values() if m.operation == "chat"]
            yield id, row, row.get("model") or next(iter(listed), "some-model")
        for one in row.get("models", ()):
            shared = {name: row[name] for name in ("auth", "headers", "parameters", "wrapped") if name in row}
            usual = {} if "format" in one else {name: row[name] for name in ("format", "chat") if name in row}
            yield id, {**shared, **usual, **one}, one["model"]


def services() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for id, row in TABLE.items():
        for operation, said in row.get("services", {}).items():
            for one in said if isinstance(said, list) else [said]:
                yield id, operation, {**row, **one}


CHATS, SERVICES = list(chats()), list(services())
STREAMS = [one for one in CHATS if "stream" in one[1]]


def test_the_table_and_the_catalogue_name_the_same_providers() -> None:
    assert set(TABLE) == set(catalogue.entries())


@pytest.mark.parametrize(("id", "row", "model"), CHATS, ids=[f"{id}-{model}" for id, _, model in CHATS])
class TestChat:
    def test_where_it_goes(self, id: str, row: dict[str, Any], model: str) -> None:
        entry = catalogue.entries()[id].of(model)
        if row.get("wrapped"):  # the envelope's own tests send it
            assert entry.envelope == row["wrapped"] and entry.format == row["format"]
            here = entry.at(row.get("parameters", {}))
            assert here.base_url + entry.target("chat", model) == row["chat"].replace("{model}", model)
            return
        assert entry.format == row["format"]
        request = leaving(entry, row, "chat", model, chat(entry, model, stream=False), False)
        assert address(request) == row["chat"].replace("{model}", model) and request.method == "POST"

    def test_what_it_carries(self, id: str, row: dict[str, Any], model: str) -> None:
        entry = catalogue.entries()[id]
        here = entry.at(row.get("parameters", {}))
        fixed = here.sends("OmniRoute/0")
        assert fixed == row["headers"]
        if row.get("wrapped"):
            assert entry.signed == (row["auth"] == "signed")
            return
        sent = headers(leaving(entry, row, "chat", model, chat(entry, model, stream=False), False))
        carried = {name: value for name, value in sent.items() if SECRET in value}
        if row["auth"] == "signed":
            assert entry.signed and not carried
        else:
            assert carried == {row["auth"][0]: row["auth"][1].replace("{secret}", SECRET)}
        assert row["headers"].items() <= sent.items() and sent["user-agent"].startswith("OmniRoute")

    def test_what_is_said(self, id: str, row: dict[str, Any], model: str) -> None:
        entry = catalogue.entries()[id]
        body = json.loads(chat(entry, model, stream=False).body)
        renames, values = row.get("renames", {}), row.get("values", {})
        assert not {*row.get("drops", ()), *renames} & (body.keys() - values.keys())
        assert {name: body[name] for name in values} == values
        if row["format"] == "openai_chat":  # and nothing else is lost
            kept = CHAT.keys() - set(row.get("drops", ()))
            assert {renames.get(name, name) for name in kept} | {"model", "stream"} == body.keys()
            assert body["model"] == model
        elif row["format"] == "gemini":
            assert "model" not in body
        else:
            assert body["model"] == model


@pytest.mark.parametrize(("id", "row", "model"), STREAMS, ids=[id for id, _, _ in STREAMS])
def test_where_a_stream_goes(id: str, row: dict[str, Any], model: str) -> None:
    entry, wanted = catalogue.entries()[id].of(model), row["stream"]
    if row.get("wrapped"):
        here = entry.at(row.get("parameters", {}))
        assert here.base_url + entry.target("chat", model, stream=True) == wanted.replace("{model}", model)
        return
    request = leaving(entry, row, "chat", model, chat(entry, model, stream=True), True)
    assert address(request) == wanted.replace("{model}", model)
    assert headers(request)["accept"] == "text/event-stream"
    if entry.format == "openai_chat":
        asked = json.loads(request.body).get("stream_options")
        assert asked == (None if row.get("no_usage_option") else {"include_usage": True})


@pytest.mark.parametrize(
    ("id", "operation", "row"), SERVICES, ids=[f"{id}-{op}-{row['model']}" for id, op, row in SERVICES]
)
def test_services(id: str, operation: str, row: dict[str, Any]) -> None:
    model = row["model"]
    entry = catalogue.entries()[id].of(model)
    if entry.models and not entry.any_model and not row.get("unlisted"):
        assert entry.models[model].operation == operation
    if row["url"] == "unspoken":
        assert not entry.has(operation)
        return
    job = shaped(JOBS[operation], operation, entry.shapes.get(operation, ""), 1)
    said: Outgoing = job.dump(dialect_of(entry.path(operation)), model)
    kind = ((b"content-type", said.content_type.encode()),)
    request = leaving(
        entry, row, operation, model, Prepared(said.bodies[0], (), kind), False, Further(place=said.place)
    )
    assert address(request) == row["url"].replace("{model}", model)
    sent = headers(request)
    assert sent["content-type"] == said.content_type
    if row["auth"] != "signed":
        assert sent[row["auth"][0]] == row["auth"][1].replace("{secret}", SECRET)
    assert row.get("unnamed") or model.encode() in request.body or model in request.target
    assert ("said" in row or "bytes" in row) == (operation in entry.shapes)
    if "bytes" in row:
        assert (request.body, sent["content-type"]) == (row["bytes"].encode(), row["kind"])
    for step in row.get("then", ()):
        further = job.read(dialect_of(""), [json.dumps(step["reply"]).encode()], "")
        assert not isinstance(further, Answer)
        request = leaving(entry, row, operation, model, Prepared(further.body, (), ()), False, further)
        assert (request.method, address(request)) == (step["method"], step["url"])
        assert (json.loads(request.body) if request.body else None) == step.get("said")
        assert row["auth"][1].replace("{secret}", SECRET) == headers(request)[row["auth"][0]]
    if "said" in row:
        body = json.loads(request.body)
        if entry.envelope:  # what is fresh in each request
            assert body.pop("requestId").startswith("agent-") and body["request"].pop("sessionId")
        assert body == row["said"]


def test_a_clients_beta_features_stand_beside_those_the_provider_needs() -> None:
    entry, asked = catalogue.entries()["claude"], ((b"anthropic-beta", b"files-api-2025-04-14,oauth-2025-04-20"),)
    request = leaving(entry, {}, "chat", "m", Prepared(b"{}", (), asked), False)
    assert headers(request)["anthropic-beta"] == "oauth-2025-04-20,files-api-2025-04-14"


@pytest.mark.parametrize("id", [id for id, row in TABLE.items() if "ended" in row])
def test_what_has_ended(id: str) -> None:
    entry = catalogue.entries()[id]
    assert str(entry.ended) == TABLE[id]["ended"] and not entry.models and not entry.any_model
