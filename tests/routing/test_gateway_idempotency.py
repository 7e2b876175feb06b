"""The same request sent twice is made once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.routing.asked import FORMATS, ask, asked
from tests.routing.conftest import Client
from tests.routing.test_gateway_edge import dial
from tests.simulator import status

KEYED = {"idempotency-key": "k-1"}
WHOLE = b'{"id":"c","object":"chat.completion","created":1,"model":"large","choices":[{"index":0,"message":{"role":"assistant","content":"once"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'  # noqa: E501
CHUNK = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"large","choices":[{"index":0,"delta":{"content":"once"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'  # noqa: E501


@dataclass
class Slow:
    """A vendor that answers when it is told to."""

    url: str = ""
    go: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    count: int = 0
    fail: bool = False


@pytest.fixture
def slow() -> Iterator[Slow]:
    vendor = Slow()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            vendor.count += 1
            vendor.arrived.release()
            assert vendor.go.wait(20)
            stream = b'"stream":true' in body.replace(b" ", b"")
            said = CHUNK if stream else WHOLE
            self.send_response(400 if vendor.fail else 200)
            self.send_header("content-type", "text/event-stream" if stream else "application/json")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            try:
                self.wfile.write(said)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        vendor.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield vendor
        vendor.go.set()
        server.shutdown()


@pytest.fixture
def patience(client: Client, slow: Slow, make_provider: Any, gateway: Any) -> Iterator[Any]:
    """Ask the slow vendor, in threads."""
    make_provider("slow", slow.url)
    gateway.settle()
    with ThreadPoolExecutor(8) as pool:
        yield lambda **said: pool.submit(_asked, client, said)


def _asked(client: Client, said: dict[str, Any]) -> httpx.Response:
    with httpx.Client(base_url=client.gateway.url, headers=client.http.headers, timeout=20) as http:
        return ask(http, "openai_chat", model="slow/large", headers=KEYED, **said)


def waiting(gateway: Any, number: int) -> None:
    """Until so many requests are under way: one that asks, the others in line for its answer."""
    deadline = threading.Event()
    once = gateway.runtime.gateway.replays.once
    for _ in range(2000):
        in_line = sum(len(slot.over._waiters) for slot in list(once._slots.values()))
        if gateway.runtime.gateway.in_flight == number and in_line == number - 1:
            return
        deadline.wait(0.005)
    raise AssertionError(f"{gateway.runtime.gateway.in_flight} of {number} requests came, {in_line} are in line")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("format", FORMATS)
def test_again_within_the_window(client: Client, upstream: Any, gateway: Any, format: str, stream: bool) -> None:
    first, second = (ask(client.http, format, stream=stream, headers=KEYED) for _ in range(2))
    assert (first.status_code, second.status_code, upstream.count) == (200, 200, 1)
    assert second.content == first.content
    assert second.headers["content-type"] == first.headers["content-type"]
    assert (second.headers["x-omniroute-idempotent"], second.headers["x-omniroute-cache"]) == ("true", "hit")
    rows = sorted(gateway.records(2), key=lambda row: row.started_at)
    assert [(row.cache, row.result) for row in rows] == [("", "ok"), ("repeated", "ok")]
    assert rows[1].cost_usd == 0


def test_another_request_under_the_same_key_is_refused(client: Client, upstream: Any) -> None:
    ask(client.http, "openai_chat", "one", headers=KEYED)
    for said in ({"text": "two"}, {"text": "one", "stream": True}):
        refused = ask(client.http, "openai_chat", said.pop("text"), headers=KEYED, **said)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert upstream.count == 1


def test_a_key_is_its_callers_own(client: Client, upstream: Any, gateway: Any, make_key: Any) -> None:
    other = make_key("other")
    gateway.settle()
    ask(client.http, "openai_chat", headers=KEYED)
    reply = ask(client.http, "openai_chat", headers={**KEYED, "authorization": f"Bearer {other}"})
    assert (reply.status_code, upstream.count) == (200, 2)


def test_failures_are_not_repeated(client: Client, upstream: Any) -> None:
    upstream.plays(status(400))
    assert ask(client.http, "openai_chat", headers=KEYED).status_code == 400
    assert ask(client.http, "openai_chat", headers=KEYED).status_code == 200


def test_it_can_be_switched_off(client: Client, upstream: Any, gateway: Any) -> None:
    from routing.models import CacheSettings

    CacheSettings(idempotency_seconds=0).save()
    gateway.settle()
    for _ in range(2):
        ask(client.http, "openai_chat", headers=KEYED)
    assert upstream.count == 2


@pytest.mark.parametrize("stream", [False, True])
def test_who_comes_meanwhile_waits_for_the_answer(gateway: Any, slow: Slow, patience: Any, stream: bool) -> None:
    asked = [patience(stream=stream) for _ in range(4)]
    slow.arrived.acquire(timeout=20)
    waiting(gateway, 4)
    slow.go.set()
    replies = [each.result(20) for each in asked]
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.content for reply in replies}) == 1
    assert b"once" in replies[0].content
    assert slow.count == 1


def test_when_the_first_leaves_the_next_takes_over(client: Client, gateway: Any, slow: Slow, patience: Any) -> None:
    _, body = asked("openai_chat", "Hello", model="slow/large")
    first = client.http.build_request("POST", "/chat/completions", json=body, headers=KEYED)
    head = "".join(f"{name}: {value}\r\n" for name, value in first.headers.items())
    with dial(client) as leaving:
        leaving.sendall(f"POST {first.url.path} HTTP/1.1\r\n{head}\r\n".encode() + first.content)
        assert slow.arrived.acquire(timeout=20)
        others = [patience() for _ in range(2)]
        waiting(gateway, 3)
    assert slow.arrived.acquire(timeout=20)  # the next one is asked for
    slow.go.set()
    assert [each.result(20).status_code for each in others] == [200, 200]
    assert slow.count == 2


def test_a_failure_is_told_to_those_who_waited(gateway: Any, slow: Slow, patience: Any) -> None:
    slow.fail = True
    asked = [patience() for _ in range(3)]
    slow.arrived.acquire(timeout=20)
    waiting(gateway, 3)
    slow.go.set()
    assert {each.result(20).status_code for each in asked} == {400}
    assert slow.count == 1
