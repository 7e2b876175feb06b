"""Everything beside chat through the running gateway: the official SDK in front, a scripted provider behind."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import openai
import pytest
from google import genai
from google.genai import types

from providers.wire.openai_chat.passing import KEEP_ALIVE
from routing.gateway.exchange import Limits
from tests.routing.conftest import Client

JSON = "application/json"
SOUND = bytes(range(256)) * 40
VECTOR = [0.5, -2.0]
EMBEDDED = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": VECTOR}],
    "model": "large",
    "usage": {"prompt_tokens": 1000, "total_tokens": 1000},
}
PICTURE = {"created": 1, "data": [{"b64_json": "iVBORw=="}], "usage": {"input_tokens": 5, "output_tokens": 100}}
JUDGED = {"id": "modr-1", "model": "large", "results": [{"flagged": True, "categories": {}, "category_scores": {}}]}
RANKED = {"id": "r", "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]}


@dataclass
class Said:
    """What the vendor answers: ``pieces`` are sent one by one, the later ones only when ``gate`` is open."""

    pieces: tuple[bytes, ...]
    kind: str = JSON
    status: int = 200
    cut: bool = False
    gate: threading.Event | None = None


def said(value: Any, status: int = 200) -> Said:
    return Said((json.dumps(value).encode(),), status=status)


def error(status: int, message: str = "No.", code: str | None = None) -> Said:
    return said({"error": {"message": message, "type": "server_error", "code": code, "param": None}}, status)


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Vendor:
    """A server that says what it was told to, by path, and keeps what it received."""

    port: int
    requests: list[Received] = field(default_factory=list)
    scripts: defaultdict[str, deque[Said]] = field(default_factory=lambda: defaultdict(deque))
    left: threading.Event = field(default_factory=threading.Event)  # a client went away in the middle of an answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def at(self, path: str, *answers: Said) -> None:
        self.scripts[f"/v1{path}"].extend(answers)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    vendor: Vendor

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.vendor.requests.append(
            Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        )
        script = self.vendor.scripts[self.path]
        self.say(script.popleft() if script else error(404, f"nothing is scripted for {self.path}"))

    def say(self, answer: Said) -> None:
        self.send_response(answer.status)
        self.send_header("content-type", answer.kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for number, piece in enumerate(answer.pieces):
                if number and answer.gate is not None:
                    assert answer.gate.wait(10)
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b"")
                self.wfile.flush()
            if not answer.cut:
                self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.vendor.left.set()
        self.close_connection = answer.cut

    def log_message(self, format: str, *args: Any) -> None:
        """Silence: what was received is kept, what fails is asserted."""


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told = Vendor(server.server_address[1])
    server.RequestHandlerClass = type("Told", (Handler,), {"vendor": told})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield told
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture
def configured(gateway: Any, vendor: Vendor, make_provider: Any, make_key: Any, patient: None) -> Any:
    """configured(keys=…, operations=…) → a Client for provider ``acme`` with model ``large``, 1 and 2 USD a million."""
    clients: list[Client] = []

    def make(keys: tuple[str, ...] = ("sk-only",), format: str = "openai_chat", **fields: Any) -> Client:
        row = make_provider("acme", vendor.url, keys=keys, input_price="1", output_price="2", **fields)
        if format != row.format:
            row.format = format
            row.save()
        key = make_key()
        gateway.settle()
        clients.append(Client(gateway, key))
        return clients[-1]

    yield make
    for client in clients:
        client.http.close()


@pytest.fixture
def client(configured: Any) -> Client:
    made: Client = configured()
    return made


@pytest.fixture
def sdk(client: Client) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=client.gateway.url, api_key=client.key, max_retries=0, timeout=20) as made:
        yield made


# -- embeddings -------------------------------------------------------------------------------------------------------
def packed(numbers: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def test_embeddings_come_as_numbers_although_the_sdk_asks_for_base64(
    sdk: openai.OpenAI, client: Client, vendor: Vendor
) -> None:
    vendor.at("/embeddings", said(EMBEDDED))
    raw = sdk.embeddings.with_raw_response.create(model="acme/large", input="hello", dimensions=2)
    assert raw.parse().data[0].embedding == VECTOR
    assert vendor.requests[0].json == {
        "model": "large",
        "input": "hello",
        "dimensions": 2,
        "encoding_format": "base64",
    }
    [row] = client.gateway.records(1)
    assert (row.operation, row.result, row.requested_model, row.model) == ("embeddings", "ok", "acme/large", "large")
    assert (row.input_tokens, row.output_tokens, row.estimated) == (1000, 0, False)
    assert float(row.cost_usd) == float(raw.headers["x-omniroute-cost-usd"]) == 0.001
    assert raw.headers["x-omniroute-provider"] == "acme"
    assert raw.headers["x-request-id"] == row.request_id


@pytest.mark.parametrize(("encoding", "wanted"), [("float", VECTOR), ("base64", packed(VECTOR))])
@pytest.mark.parametrize("sent", [VECTOR, packed(VECTOR)], ids=["numbers", "base64"])
def test_the_client_gets_the_encoding_it_asked_for(
    client: Client, vendor: Vendor, encoding: str, wanted: Any, sent: Any
) -> None:
    vendor.at("/embeddings", said({**EMBEDDED, "data": [{"index": 0, "embedding": sent}]}))
    body = {"model": "acme/large", "input": [1, 2, 3], "encoding_format": encoding}
    reply = client.http.post("/embeddings", json=body)
    assert reply.json()["data"][0]["embedding"] == wanted
    assert vendor.requests[0].json["input"] == [1, 2, 3]


@pytest.mark.parametrize("path", ["/embeddings", "/v1/embeddings", "/v1/v1/embeddings"])
def test_the_version_may_be_written_as_tools_do(client: Client, vendor: Vendor, path: str) -> None:
    vendor.at("/embeddings", said(EMBEDDED))
    body = {"model": "acme/large", "input": "hello"}
    reply = client.http.post(f"{client.gateway.root}{path}", json=body)
    assert reply.json() == EMBEDDED


def test_usage_that_nobody_reports_is_estimated(client: Client, vendor: Vendor) -> None:
    vendor.at("/embeddings", said({**EMBEDDED, "usage": None}))
    client.http.post("/embeddings", json={"model": "acme/large", "input": "The quick brown fox"})
    [row] = client.gateway.records(1)
    assert (row.input_tokens, row.output_tokens, row.estimated) == (4, 0, True)
    assert float(row.cost_usd) == 0.000004


def test_cohere_embeds_in_its_own_words(configured: Any, vendor: Vendor) -> None:
    client = configured(operations={"embeddings": "/v2/embed"})
    bill = {"billed_units": {"input_tokens": 3}}
    vendor.at("/v2/embed", said({"id": "x", "embeddings": {"float": [VECTOR]}, "meta": bill}))
    reply = client.http.post("/embeddings", json={"model": "acme/large", "input": "hello", "user": "u"})
    assert reply.json()["data"] == [{"object": "embedding", "index": 0, "embedding": VECTOR}]
    assert reply.headers["x-omniroute-dropped"] == "user"
    assert vendor.requests[0].json["texts"] == ["hello"]
    assert client.gateway.records(1)[0].input_tokens == 3


def test_tokens_for_a_provider_of_texts_are_refused(configured: Any, vendor: Vendor) -> None:
    client = configured(operations={"embeddings": "/v2/embed"})
    reply = client.http.post("/embeddings", json={"model": "acme/large", "input": [1, 2]})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "input")
    assert client.gateway.records(1)[0].result == "refused"
    assert vendor.requests == []


def test_gemini_embeds_in_its_own_words(configured: Any, vendor: Vendor) -> None:
    client = configured(format="gemini")
    vendor.at("/models/large:batchEmbedContents", said({"embeddings": [{"values": VECTOR}, {"values": VECTOR}]}))
    reply = client.http.post("/embeddings", json={"model": "acme/large", "input": ["a", "b"]})
    assert [item["embedding"] for item in reply.json()["data"]] == [VECTOR, VECTOR]
    assert vendor.requests[0].json["requests"][1] == {"model": "models/large", "content": {"parts": [{"text": "b"}]}}
    assert client.gateway.records(1)[0].estimated


@pytest.mark.parametrize("batch", [False, True])
def test_geminis_clients_embed_at_any_provider(client: Client, vendor: Vendor, batch: bool) -> None:
    vendor.at("/embeddings", said(EMBEDDED))
    one = {"content": {"parts": [{"text": "hello"}]}}
    action, body = ("batchEmbedContents", {"requests": [one]}) if batch else ("embedContent", one)
    reply = client.http.post(f"{client.gateway.root}/v1beta/models/acme/large:{action}", json=body)
    assert reply.json() == ({"embeddings": [{"values": VECTOR}]} if batch else {"embedding": {"values": VECTOR}})
    assert vendor.requests[0].json["input"] == ["hello"]
    assert client.gateway.records(1)[0].input_tokens == 1000


def test_googles_sdk_embeds_at_any_provider(client: Client, vendor: Vendor) -> None:
    vendor.at("/embeddings", said({**EMBEDDED, "data": [{"index": n, "embedding": VECTOR} for n in (0, 1)]}))
    options = types.HttpOptions(base_url=client.gateway.root, timeout=20_000)
    with genai.Client(api_key=client.key, http_options=options) as google:
        config = types.EmbedContentConfig(output_dimensionality=2)
        reply = google.models.embed_content(model="acme/large", contents=["a", "b"], config=config)
    assert [it.values for it in reply.embeddings or []] == [VECTOR, VECTOR]
    assert vendor.requests[0].json["input"] == ["a", "b"]
    assert vendor.requests[0].json["dimensions"] == 2


# -- images, moderation, rerank ---------------------------------------------------------------------------------------
def test_pictures(sdk: openai.OpenAI, client: Client, vendor: Vendor) -> None:
    vendor.at("/images/generations", said(PICTURE))
    reply = sdk.images.generate(model="acme/large", prompt="a cat", size="1024x1024")
    assert reply.data is not None
    assert reply.data[0].b64_json == "iVBORw=="
    assert vendor.requests[0].json == {"model": "large", "prompt": "a cat", "size": "1024x1024"}
    [row] = client.gateway.records(1)
    assert (row.operation, row.input_tokens, row.output_tokens) == ("images", 5, 100)
    assert float(row.cost_usd) == 0.000205


def test_the_cost_of_a_picture_that_reports_nothing_is_unknown(client: Client, vendor: Vendor) -> None:
    vendor.at("/images/generations", said({"created": 1, "data": [{"url": "https://example.com/a.png"}]}))
    reply = client.http.post("/images/generations", json={"model": "acme/large", "prompt": "a cat"})
    assert reply.json()["data"][0]["url"] == "https://example.com/a.png"
    [row] = client.gateway.records(1)
    assert (row.result, row.input_tokens, row.cost_usd) == ("ok", 0, None)


def test_a_streamed_picture(sdk: openai.OpenAI, client: Client, vendor: Vendor) -> None:
    partial = {"type": "image_generation.partial_image", "b64_json": "iVBO", "partial_image_index": 0}
    done = {"type": "image_generation.completed", "b64_json": "iVBORw==", "usage": PICTURE["usage"]}
    vendor.at("/images/generations", Said((event(partial), event(done)), "text/event-stream"))
    events = list(sdk.images.generate(model="acme/large", prompt="a cat", stream=True, partial_images=1))
    assert [it.type for it in events] == ["image_generation.partial_image", "image_generation.completed"]
    [row] = client.gateway.records(1)
    assert (row.stream, row.result, row.output_tokens) == (True, "ok", 100)


def test_moderation(sdk: openai.OpenAI, client: Client, vendor: Vendor) -> None:
    vendor.at("/moderations", said(JUDGED))
    assert sdk.moderations.create(model="acme/large", input="hello").results[0].flagged
    assert vendor.requests[0].json == {"model": "large", "input": "hello"}
    [row] = client.gateway.records(1)
    assert (row.operation, row.result, row.estimated, row.input_tokens) == ("moderation", "ok", True, 1)


def test_moderation_without_a_model_asks_for_the_usual_one(configured: Any, vendor: Vendor, gateway: Any) -> None:
    client = configured(models=("omni-moderation-latest",))
    vendor.at("/moderations", said(JUDGED))
    assert client.http.post("/moderations", json={"input": "hello"}).json() == JUDGED
    assert vendor.requests[0].json["model"] == "omni-moderation-latest"


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/v2/rerank"])
@pytest.mark.parametrize("operations", [{}, {"rerank": "/v2/rerank"}], ids=["usual", "cohere"])
def test_rerank(configured: Any, vendor: Vendor, path: str, operations: dict[str, str]) -> None:
    client = configured(operations=operations)
    vendor.at(operations.get("rerank", "/rerank"), said(RANKED))
    body = {"model": "acme/large", "query": "q", "documents": ["a", {"text": "b"}], "return_documents": True}
    reply = client.http.post(f"{client.gateway.root}{path}", json=body)
    assert [item["document"] for item in reply.json()["results"]] == [{"text": "b"}, {"text": "a"}]
    assert vendor.requests[0].json["documents"] == (["a", "b"] if operations else body["documents"])
    [row] = client.gateway.records(1)
    assert (row.operation, row.result, row.estimated) == ("rerank", "ok", True)


# -- transcription ----------------------------------------------------------------------------------------------------
def event(value: Any) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def test_a_recording_arrives_as_it_was_sent(sdk: openai.OpenAI, client: Client, vendor: Vendor) -> None:
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 4, "total_tokens": 18}
    vendor.at("/audio/transcriptions", said({"text": "Hello", "usage": usage}))
    reply = sdk.audio.transcriptions.create(model="acme/large", file=("a.wav", SOUND), language="en", temperature=0)
    assert reply.text == "Hello"
    [received] = vendor.requests
    assert received.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert SOUND in received.body
    assert b'name="model"\r\n\r\nlarge\r\n' in received.body
    assert b"acme/" not in received.body
    [row] = client.gateway.records(1)
    assert (row.operation, row.input_tokens, row.output_tokens) == ("transcription", 14, 4)


@pytest.mark.parametrize(
    ("format", "kind", "text"),
    [
        ("text", "text/plain; charset=utf-8", "Hello\n"),
        ("srt", "application/x-subrip", "1\n00:00:00,000 --> 00:00:01,000\nHello\n"),
        ("vtt", "text/vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n"),
    ],
)
def test_every_response_format_passes_as_it_comes(
    client: Client, vendor: Vendor, format: str, kind: str, text: str
) -> None:
    vendor.at("/audio/transcriptions", Said((text.encode(),), kind))
    fields = {"model": "acme/large", "response_format": format}
    reply = client.http.post("/audio/transcriptions", data=fields, files={"file": ("a.wav", SOUND)})
    assert (reply.text, reply.headers["content-type"]) == (text, kind)
    [row] = client.gateway.records(1)
    assert (row.result, row.cost_usd) == ("ok", None)


def test_a_streamed_transcript(sdk: openai.OpenAI, client: Client, vendor: Vendor) -> None:
    delta = {"type": "transcript.text.delta", "delta": "Hello"}
    done = {"type": "transcript.text.done", "text": "Hello", "usage": {"input_tokens": 14, "output_tokens": 4}}
    vendor.at("/audio/transcriptions", Said((event(delta), event(done)), "text/event-stream"))
    events = list(sdk.audio.transcriptions.create(model="acme/large", file=("a.wav", SOUND), stream=True))
    assert [it.type for it in events] == ["transcript.text.delta", "transcript.text.done"]
    [row] = client.gateway.records(1)
    assert (row.stream, row.result, row.output_tokens) == (True, "ok", 4)


FAILURE = {"error": {"message": "Out of breath.", "type": "server_error", "code": "overloaded_error"}}


def test_an_error_event_at_once_moves_on(configured: Any, vendor: Vendor) -> None:
    client = configured(keys=("sk-first", "sk-second"))
    done = {"type": "transcript.text.done", "text": "Hello"}
    kind = "text/event-stream"
    vendor.at("/audio/transcriptions", Said((event(FAILURE),), kind), Said((event(done),), kind))
    fields = {"model": "acme/large", "stream": "true"}
    reply = client.http.post("/audio/transcriptions", data=fields, files={"file": ("a.wav", SOUND)})
    assert reply.text == event(done).decode()
    assert [it["kind"] for it in client.gateway.records(1)[0].attempts] == ["overloaded", "ok"]


def test_an_error_event_in_the_middle_is_told_once(client: Client, vendor: Vendor) -> None:
    gate = threading.Event()
    delta = {"type": "transcript.text.delta", "delta": "Hello"}
    vendor.at("/audio/transcriptions", Said((event(delta), event(FAILURE)), "text/event-stream", gate=gate))
    form = {"data": {"model": "acme/large", "stream": "true"}, "files": {"file": ("a.wav", SOUND)}}
    with client.http.stream("POST", "/audio/transcriptions", **form) as reply:
        pieces = reply.iter_raw()
        heard = next(pieces)
        gate.set()
        heard += b"".join(pieces)
    assert heard.startswith(event(delta))
    told = json.loads(heard.removeprefix(event(delta)).removeprefix(b"data: "))
    assert (told["error"]["message"], told["error"]["code"]) == ("Out of breath.", "overloaded_error")
    [row] = client.gateway.records(1)
    assert (row.result, row.error_kind) == ("failed", "overloaded_error")


def test_silence_between_events_is_filled(client: Client, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.gateway.runtime.gateway, "_limits", Limits(keep_alive_seconds=0.05))
    gate = threading.Event()
    delta, done = {"type": "transcript.text.delta", "delta": "Hel"}, {"type": "transcript.text.done", "text": "Hello"}
    whole = event(delta) + event(done)
    pieces = (whole[: len(event(delta)) + 9], whole[len(event(delta)) + 9 :])  # silent in the middle of an event
    vendor.at("/audio/transcriptions", Said(pieces, "text/event-stream", gate=gate))
    form = {"data": {"model": "acme/large", "stream": "true"}, "files": {"file": ("a.wav", SOUND)}}
    with client.http.stream("POST", "/audio/transcriptions", **form) as reply:
        coming = reply.iter_raw()
        heard = b""
        while heard.count(KEEP_ALIVE) < 2:
            heard += next(coming)
        gate.set()
        heard += b"".join(coming)
    assert heard.replace(KEEP_ALIVE, b"") == whole
    assert client.gateway.records(1)[0].result == "ok"


def test_events_that_are_cut_end_in_an_error(client: Client, vendor: Vendor) -> None:
    delta = {"type": "transcript.text.delta", "delta": "Hello"}
    half = b'data: {"type": "transc'
    vendor.at("/audio/transcriptions", Said((event(delta), half), "text/event-stream", cut=True))
    fields = {"model": "acme/large", "stream": "true"}
    reply = client.http.post("/audio/transcriptions", data=fields, files={"file": ("a.wav", SOUND)})
    first, last, nothing = reply.text.split("\n\n")
    assert json.loads(first.removeprefix("data: ")) == delta
    assert json.loads(last.removeprefix("data: "))["error"]["message"]
    assert nothing == ""
    assert client.gateway.records(1)[0].result == "failed"


# -- speech -----------------------------------------------------------------------------------------------------------
def test_sound_comes_as_it_is_made(sdk: openai.OpenAI, client: Client, vendor: Vendor) -> None:
    gate = threading.Event()
    vendor.at("/audio/speech", Said((SOUND, SOUND[::-1]), "audio/mpeg", gate=gate))
    asking = sdk.audio.speech.with_streaming_response.create(model="acme/large", voice="alloy", input="Hello")
    with asking as reply:
        pieces = reply.iter_bytes()
        heard = next(pieces)
        assert not gate.is_set(), "the first sound must not wait for the last"
        gate.set()
        heard += b"".join(pieces)
    assert heard == SOUND + SOUND[::-1]
    assert reply.headers["content-type"] == "audio/mpeg"
    assert reply.headers["x-omniroute-provider"] == "acme"
    assert vendor.requests[0].json == {"model": "large", "voice": "alloy", "input": "Hello"}
    assert vendor.requests[0].headers["accept"] == "*/*"
    [row] = client.gateway.records(1)
    assert (row.operation, row.stream, row.result, row.cost_usd) == ("speech", True, "ok", None)


def test_sound_that_breaks_off_is_never_whole(client: Client, vendor: Vendor) -> None:
    vendor.at("/audio/speech", Said((SOUND,), "audio/mpeg", cut=True))
    heard: list[bytes] = []
    asking = client.http.stream("POST", "/audio/speech", json={"model": "acme/large", "input": "Hello"})
    with asking as reply, pytest.raises(httpx.RemoteProtocolError):
        heard += reply.iter_raw()
    assert b"".join(heard) == SOUND, "an error must not be written into the sound"
    [row] = client.gateway.records(1)
    assert (row.result, row.status) == ("failed", 200)


def test_the_provider_is_left_when_the_listener_leaves(client: Client, vendor: Vendor) -> None:
    gate = threading.Event()
    vendor.at("/audio/speech", Said((SOUND, *[SOUND * 100] * 50), "audio/mpeg", gate=gate))
    asking = client.http.stream("POST", "/audio/speech", json={"model": "acme/large", "input": "Hello"})
    with asking as reply, contextlib.closing(reply.iter_raw()) as pieces:
        next(pieces)
    [row] = client.gateway.records(1)
    gate.set()
    assert vendor.left.wait(10)
    assert (row.result, row.operation) == ("client_gone", "speech")


# -- failures ---------------------------------------------------------------------------------------------------------
ASKED: dict[str, tuple[str, dict[str, Any], Said]] = {
    "embeddings": ("/embeddings", {"input": "hello"}, said(EMBEDDED)),
    "images": ("/images/generations", {"prompt": "a cat"}, said(PICTURE)),
    "moderation": ("/moderations", {"input": "hello"}, said(JUDGED)),
    "rerank": ("/rerank", {"query": "q", "documents": ["a", "b"]}, said(RANKED)),
    "speech": ("/audio/speech", {"input": "hello"}, Said((SOUND,), "audio/mpeg")),
}
WRONG = {
    "429": error(429),
    "500": error(500),
    "a page": Said((b"<html></html>",), "text/html"),
    "nothing": Said((), JSON),
    "broken JSON": Said((b'{"data": [',)),
    "error inside 200": error(200, "Too hot.", "overloaded_error"),
    "cut": Said((b"",), cut=True),
    "another object": said({"ok": True}),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("operation", ASKED)
def test_the_second_connection_answers_when_the_first_fails(
    configured: Any, vendor: Vendor, operation: str, wrong: Said
) -> None:
    client = configured(keys=("sk-first", "sk-second"))
    path, body, right = ASKED[operation]
    vendor.at(path, wrong, right)
    reply = client.http.post(path, json={"model": "acme/large", **body})
    assert reply.status_code == 200
    assert reply.content == b"".join(right.pieces)
    assert reply.headers["x-omniroute-attempts"] == "2"
    [row] = client.gateway.records(1)
    assert (row.result, row.connection) == ("ok", "c2")
    assert [it["kind"] == "ok" for it in row.attempts] == [False, True]
    assert [it.headers["authorization"] for it in vendor.requests] == ["Bearer sk-first", "Bearer sk-second"]


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("operation", ["embeddings", "speech"])
def test_a_failure_of_the_only_connection_is_an_honest_error(
    client: Client, vendor: Vendor, operation: str, wrong: Said
) -> None:
    path, body, _ = ASKED[operation]
    vendor.at(path, wrong)
    reply = client.http.post(path, json={"model": "acme/large", **body})
    assert reply.status_code in (429, 502, 503)
    assert reply.json()["error"]["message"]
    assert "127.0.0.1" not in reply.text
    [row] = client.gateway.records(1)
    assert (row.result, row.status, row.cost_usd) == ("failed", reply.status_code, None)


def test_a_malformed_request_is_sent_once_and_keeps_the_providers_words(configured: Any, vendor: Vendor) -> None:
    client = configured(keys=("sk-first", "sk-second"))
    vendor.at("/embeddings", error(400, "input is too odd"))
    reply = client.http.post("/embeddings", json={"model": "acme/large", "input": "hello"})
    assert (reply.status_code, reply.json()["error"]["message"]) == (400, "input is too odd")
    assert len(vendor.requests) == 1


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/embeddings", {"input": 5}, "input"),
        ("/images/generations", {"prompt": "x", "n": "2"}, "n"),
        ("/audio/speech", {"input": ["x"]}, "input"),
        ("/moderations", {"input": []}, "input"),
        ("/rerank", {"query": "q", "documents": [1]}, "documents[0]"),
    ],
)
def test_a_wrong_body_is_refused_by_name(
    client: Client, vendor: Vendor, path: str, body: dict[str, Any], param: str
) -> None:
    reply = client.http.post(path, json={"model": "acme/large", **body})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)
    [row] = client.gateway.records(1)
    assert (row.result, row.status) == ("refused", 400)
    assert vendor.requests == []


def test_a_form_without_its_model_is_refused(client: Client, vendor: Vendor) -> None:
    reply = client.http.post("/audio/transcriptions", files={"file": ("a.wav", SOUND)})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "model")
    assert client.gateway.records(1)[0].result == "refused"


def test_a_provider_without_the_operation_is_not_asked(configured: Any, vendor: Vendor) -> None:
    client = configured(format="anthropic")
    reply = client.http.post("/embeddings", json={"model": "acme/large", "input": "hello"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "unsupported_operation")
    assert client.gateway.records(1)[0].result == "refused"
    assert vendor.requests == []
