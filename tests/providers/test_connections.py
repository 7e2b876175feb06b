"""Connections: what may be used, where a secret may go, and what a test says."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from django.db import connection as database

from providers import catalogue, connections, outward
from providers import probe as probing
from providers.connections import BadConnection, add, proxy_of, secret_of, set_secret, usable_reason
from providers.entry import Entry, Model
from providers.models import Connection, Provider, ProviderModel
from providers.probe import Probe, probe
from providers.proxies import BadProxy, check_url
from providers.registry import effective_of, save_provider
from providers.vault import SecretUnreadable
from tests.simulator import Simulator, SimulatorThread, broken_json, closed_port, html, json_reply, raw, status

KEY = "sk-test-0123456789abcdef"
LISTED = json_reply({"object": "list", "data": [{"id": "one"}, {"id": "two"}, {"id": 7}, "odd"]})
ANSWER = json_reply({"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]})


def entry(url: str, **said: Any) -> Entry:
    models = {name: Model(id=name) for name in said.pop("models", ("large",))}
    known = {"id": "acme", "name": "Acme", "alias": "acme", "format": "openai_chat", "allow_private_network": True}
    return Entry(**{**known, "base_url": url, "models": models, **said})


# -- rows ---------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
class TestRows:
    @pytest.fixture
    def provider(self) -> Provider:
        row = Provider(id="acme", name="Acme", format="openai_chat", base_url="https://acme.example/v1")
        save_provider(row)
        return row

    @pytest.fixture
    def groq(self) -> Provider:
        catalogue.sync()
        return Provider.objects.get(id="groq")

    def test_adding_keeps_the_secret_and_where_it_belongs(self, provider: Provider) -> None:
        row = add(provider, " main ", f" {KEY}\n", priority=2, proxy="socks5://u:p@10.0.0.1:1080/")
        row = Connection.objects.get(pk=row.pk)
        assert (row.name, row.priority, row.origin) == ("main", 2, "https://acme.example:443")
        assert secret_of(row) == KEY and proxy_of(row) == "socks5://u:p@10.0.0.1:1080"
        assert usable_reason(row, effective_of(provider)) is None

    @pytest.mark.parametrize("bad", ["two words", "line\nbreak", "kéy", "a\x00b", "x" * 9000])
    def test_a_malformed_secret_is_refused_without_repeating_it(self, provider: Provider, bad: str) -> None:
        with pytest.raises(BadConnection) as wrong:
            add(provider, "main", bad)
        assert wrong.value.field == "secret" and bad not in str(wrong.value) and not Connection.objects.exists()

    @pytest.mark.parametrize("id", ["claude", "codex", "gemini-cli", "kiro"])
    def test_a_key_does_not_stand_in_for_a_login(self, id: str) -> None:
        row, _ = Provider.objects.get_or_create(id=id, custom=False)
        with pytest.raises(BadConnection, match=r"connected by logging in") as wrong:
            add(row, "main", "sk-pasted-key-0001")
        assert wrong.value.field == "secret" and not row.connections.exists()

    def test_a_name_is_needed_and_taken_once(self, provider: Provider) -> None:
        add(provider, "main", KEY)
        for name in ("main", " ", "x" * 200):
            with pytest.raises(BadConnection) as wrong:
                add(provider, name, KEY)
            assert wrong.value.field == "name"
        assert Connection.objects.count() == 1

    @pytest.mark.parametrize(
        "bad",
        ["ftp://h:1", "h:1080", "http://:8", "socks5://h:99999", "http://h:1/path", "http://h:1?q=1", "http://h h"],
    )
    def test_a_malformed_proxy_is_refused(self, bad: str) -> None:
        with pytest.raises(BadProxy) as wrong:
            check_url(bad)
        assert wrong.value.field == "url" and bad not in str(wrong.value)

    def test_a_secret_of_a_stored_row_is_saved_at_once(self, provider: Provider) -> None:
        row = add(provider, "main")
        row.name = "not saved by this"
        set_secret(row, KEY)
        kept = Connection.objects.get(pk=row.pk)
        assert secret_of(kept) == KEY and kept.origin and kept.name == "main"
        set_secret(row, "")
        kept = Connection.objects.get(pk=row.pk)
        assert secret_of(kept) is None and kept.origin == ""

    def test_a_disabled_connection_is_not_used(self, provider: Provider) -> None:
        row = add(provider, "main", KEY, enabled=False)
        assert "disabled" in str(usable_reason(row, effective_of(provider)))

    def test_a_key_is_needed_where_the_provider_wants_one(self, groq: Provider, provider: Provider) -> None:
        assert "needed" in str(usable_reason(add(groq, "main"), effective_of(groq)))
        assert usable_reason(add(provider, "main"), effective_of(provider)) is None
        local = Provider.objects.get(id="vllm")
        assert usable_reason(add(local, "main"), effective_of(local)) is None

    @pytest.mark.parametrize(
        "elsewhere",
        [
            "https://evil.example/v1",
            "http://acme.example/v1",
            "https://acme.example:8443/v1",
            "https://a.acme.example/v1",
        ],
    )
    def test_a_secret_is_not_sent_to_a_changed_address(self, provider: Provider, elsewhere: str) -> None:
        row = add(provider, "main", KEY)
        provider.base_url = elsewhere
        save_provider(provider)
        assert "address changed" in str(usable_reason(row, effective_of(provider)))
        set_secret(row, KEY)
        assert usable_reason(row, effective_of(provider)) is None

    def test_another_path_of_the_same_address_is_fine(self, provider: Provider) -> None:
        row = add(provider, "main", KEY)
        provider.base_url = "https://acme.example/v2"
        save_provider(provider)
        assert usable_reason(row, effective_of(provider)) is None

    @pytest.mark.parametrize("column", ["secret", "proxy"])
    def test_what_cannot_be_decrypted_is_not_used(self, provider: Provider, column: str) -> None:
        row = add(provider, "main", KEY, proxy="http://10.0.0.1:1")
        with database.cursor() as cursor:
            table = "providers_connection SET secret" if column == "secret" else "providers_proxy SET url"
            cursor.execute(f"UPDATE {table} = 'og1.deadbeef.AAAA'")
        row = Connection.objects.get(pk=row.pk)
        assert "decrypted" in str(usable_reason(row, effective_of(provider)))
        assert not connections.test(row).ok
        with pytest.raises(SecretUnreadable):
            secret_of(row) if column == "secret" else proxy_of(row)


# -- the probe ----------------------------------------------------------------------------------------------------
class TestProbe:
    async def test_a_list_of_models_is_a_pass(self) -> None:
        async with Simulator() as upstream:
            upstream.plays(LISTED)
            found = await probe(entry(upstream.url), KEY)
            asked = await upstream.next_request()
        assert found == Probe(
            ok=True, message="It answers and lists 2 models.", latency_ms=found.latency_ms, models=("one", "two")
        )
        assert found.latency_ms is not None and 0 <= found.latency_ms < 5000
        assert asked.method == "GET" and asked.path == "/v1/models"
        assert asked.header("authorization") == f"Bearer {KEY}" and str(asked.header("user-agent")).startswith(
            "OmniRoute/"
        )

    async def test_no_key_no_header(self) -> None:
        async with Simulator() as upstream:
            upstream.plays(LISTED, LISTED)
            await probe(entry(upstream.url), None)
            await probe(entry(upstream.url, auth="none"), KEY)
            assert [(await upstream.next_request()).header("authorization") for _ in range(2)] == [None, None]

    async def test_a_refused_key_is_told_in_the_vendors_words_without_it(self) -> None:
        words = f"Incorrect API key provided: {KEY}. Ask https://acme.example/help from 10.1.2.3."
        async with Simulator() as upstream:
            upstream.plays(json_reply({"error": {"message": words, "type": "auth"}}, 401))
            found = await probe(entry(upstream.url), KEY)
            assert upstream.count == 1
        assert not found.ok and found.message.startswith("HTTP 401: Incorrect API key provided")
        for hidden in (KEY, "acme.example", "10.1.2.3"):
            assert hidden not in found.message

    @pytest.mark.parametrize(
        "document", [{"error": "no"}, {"message": "no"}, {"detail": [{"msg": "no"}]}, [{"error": {"message": "no"}}]]
    )
    async def test_errors_of_many_shapes(self, document: Any) -> None:
        async with Simulator() as upstream:
            upstream.plays(json_reply(document, 403))
            assert (await probe(entry(upstream.url), KEY)).message == "HTTP 403: no"

    @pytest.mark.parametrize(
        "missing", [status(404), status(405), html(404), html(200), broken_json(), json_reply({"x": 1})]
    )
    async def test_without_a_list_one_token_of_chat_decides(self, missing: Any) -> None:
        async with Simulator() as upstream:
            upstream.plays(missing, ANSWER)
            found = await probe(entry(upstream.url), KEY)
            await upstream.next_request()
            asked = await upstream.next_request()
        assert found.ok and found.message == "It answers." and asked.path == "/v1/chat/completions"
        assert asked.json["max_tokens"] == 1 and asked.json["model"] == "large"

    async def test_the_chat_may_fail_too(self) -> None:
        async with Simulator() as upstream:
            upstream.plays(status(404), status(401))
            found = await probe(entry(upstream.url), KEY)
            assert not found.ok and found.message.startswith("HTTP 401: ")
            upstream.plays(html(404), html(200))
            found = await probe(entry(upstream.url), KEY)
            assert not found.ok and "not JSON" in found.message

    async def test_a_server_error_does_not_lead_to_a_chat(self) -> None:
        async with Simulator() as upstream:
            upstream.plays(status(500))
            assert (await probe(entry(upstream.url), KEY)).message.startswith("HTTP 500: ")
            assert upstream.count == 1

    async def test_without_any_model_there_is_nothing_to_ask(self) -> None:
        async with Simulator() as upstream:
            upstream.plays(status(404))
            found = await probe(entry(upstream.url, models=()), KEY)
        assert not found.ok and "name one" in found.message

    async def test_a_public_list_says_nothing_of_the_key(self) -> None:
        public = {"models_public": True}
        async with Simulator() as upstream:
            upstream.plays(LISTED, status(401), LISTED, json_reply({"data": {"label": "x"}}), LISTED, ANSWER)
            assert not (await probe(entry(upstream.url, **public, operations={"check": "/models/mine"}), KEY)).ok
            passed = await probe(entry(upstream.url, **public, operations={"check": "/models/mine"}), KEY)
            assert passed.ok and passed.models == ("one", "two")
            assert (await probe(entry(upstream.url, **public, models=()), KEY)).ok
            paths = [(await upstream.next_request()).path for _ in range(6)]
        assert paths == ["/v1/models", "/v1/models/mine"] * 2 + ["/v1/models", "/v1/chat/completions"]

    async def test_redirects_are_not_followed(self) -> None:
        reply = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 2\r\n\r\n{}"
        async with Simulator() as upstream:
            upstream.plays(raw(reply))
            found = await probe(entry(upstream.url), KEY)
        assert not found.ok and "redirects" in found.message

    async def test_a_closed_port_garbage_and_bad_names(self) -> None:
        url = f"http://127.0.0.1:{closed_port()}/v1"
        found = await probe(entry(url), KEY)
        assert not found.ok and found.message.startswith("No connection") and "127.0.0.1" not in found.message
        async with Simulator() as upstream:
            upstream.plays(raw(b"\x00\x01\x02 what?\r\n\r\n"))
            assert not (await probe(entry(upstream.url), KEY)).ok

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:1/v1", "http://localhost:1/v1", "http://10.0.0.1/v1", "http://[::1]/v1"]
    )
    async def test_private_addresses_need_permission(self, url: str) -> None:
        found = await probe(entry(url, allow_private_network=False), KEY)
        assert not found.ok and "may not call" in found.message

    async def test_a_name_that_turns_private_is_not_called(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async with Simulator() as upstream:
            port = upstream.port

            async def answer(*_: Any, **__: Any) -> list[Any]:
                return [(2, 1, 6, "", ("127.0.0.1", port))]

            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", answer, raising=False)
            found = await probe(entry(f"http://vendor.example:{port}/v1", allow_private_network=False), KEY)
            assert not found.ok and "may not call" in found.message and upstream.count == 0

    async def test_too_long_a_reply_is_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(probing, "LONGEST_REPLY", 1000)
        async with Simulator() as upstream:
            upstream.plays(json_reply({"data": ["x" * 5000]}))
            assert "too long" in (await probe(entry(upstream.url), KEY)).message

    async def test_silence_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(probing, "WHOLE_TIME", 0.3)
        async with Simulator() as upstream:
            upstream.plays(LISTED.silence(30))
            assert (await probe(entry(upstream.url), KEY)).message == "No answer in time."


# -- the wire: TLS and proxies, on servers of a few lines -----------------------------------------------------------
BODY = json.dumps({"data": [{"id": "one"}]}).encode()
REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(talk: Streams, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
            await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def test_tls_verifies_the_name_while_the_address_is_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("vendor.example").configure_cert(context)
    names, heads = [], []
    context.sni_callback = lambda _sock, name, _context: names.append(name)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(REPLY)

    async with serving(talk, context) as port:

        async def pinned(host: str, *_: Any, **__: Any) -> list[Any]:
            return [(2, ("127.0.0.1", closed_port())), (2, ("127.0.0.1", port))] if host else []

        monkeypatch.setattr(outward, "resolve", pinned)
        found = await probe(entry(f"https://vendor.example:{port}/v1"), KEY)
        assert found.ok, found.message
        assert names == ["vendor.example"] and f"host: vendor.example:{port}".encode() in heads[0].lower()
        other = await probe(entry(f"https://other.example:{port}/v1"), KEY)
    assert not other.ok and "certificate" in other.message.lower() and len(heads) == 1


async def test_an_http_proxy_is_used() -> None:
    heads = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(REPLY)

    async with serving(talk) as port:
        found = await probe(
            entry("http://vendor.example/v1", allow_private_network=False), KEY, f"http://u:pw@127.0.0.1:{port}"
        )
    assert (
        found.ok
        and heads[0].startswith(b"GET http://vendor.example/v1/models ")
        and b"proxy-authorization" in heads[0].lower()
    )


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_a_socks_proxy_is_used(scheme: str) -> None:
    asked = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        methods = await reader.readexactly((await reader.readexactly(2))[1])
        assert 0 in methods
        writer.write(b"\x05\x00")
        _, _, _, kind, length = await reader.readexactly(5)
        assert kind == 3  # a name: the proxy resolves it
        asked.append(await reader.readexactly(length + 2))
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(REPLY)

    async with serving(talk) as port:
        found = await probe(
            entry("http://vendor.example/v1", allow_private_network=False), KEY, f"{scheme}://127.0.0.1:{port}"
        )
    assert found.ok and asked == [b"vendor.example\x00\x50"]


async def test_a_dead_proxy_is_told_without_its_password() -> None:
    found = await probe(entry("http://vendor.example/v1"), KEY, f"http://user:proxy-password@127.0.0.1:{closed_port()}")
    assert not found.ok and "proxy-password" not in found.message and "127.0.0.1" not in found.message


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    async with Simulator() as upstream:
        upstream.plays(LISTED)
        assert (await probe(entry(upstream.url), KEY)).ok


# -- testing rows -------------------------------------------------------------------------------------------------
@pytest.mark.django_db
class TestTesting:
    def acme(self, url: str) -> Provider:
        row = Provider(id="acme", name="Acme", format="openai_chat", base_url=url, allow_private_network=True)
        save_provider(row)
        ProviderModel.objects.create(provider=row, model_id="large")
        return row

    def test_the_result_is_kept(self) -> None:
        with SimulatorThread() as upstream:
            upstream.plays(LISTED, status(401, "Wrong key."))
            row = add(self.acme(upstream.url), "main", KEY, enabled=False)
            assert connections.test(row).ok
            kept = Connection.objects.get(pk=row.pk)
            assert (
                kept.test_ok
                and kept.tested_at
                and kept.test_message.startswith("It answers")
                and kept.test_latency_ms is not None
            )
            assert row.test_ok
            assert not connections.test(row).ok
            kept = Connection.objects.get(pk=row.pk)
            assert kept.test_ok is False and kept.test_message.startswith("HTTP 401")
            assert secret_of(kept) == KEY

    def test_a_secret_for_another_address_is_not_sent(self) -> None:
        with SimulatorThread() as upstream:
            provider = self.acme(upstream.url)
            row = add(provider, "main", KEY)
            provider.base_url = upstream.url.replace("127.0.0.1", "localhost")
            save_provider(provider)
            row = Connection.objects.get(pk=row.pk)
            found = connections.test(row)
            assert not found.ok and "address changed" in found.message and upstream.count == 0

    def test_a_provider_that_cannot_be_is_told(self) -> None:
        provider = self.acme("http://127.0.0.1:9/v1")
        row = add(provider, "main", KEY)
        Provider.objects.filter(id="acme").update(allow_private_network=False)
        row = Connection.objects.get(pk=row.pk)
        assert "may not call" in connections.test(row).message

    def test_many_are_tested_five_at_a_time_and_in_order(self) -> None:
        with SimulatorThread() as upstream:
            provider = self.acme(upstream.url)
            rows = [add(provider, f"n{number}", f"{KEY}-{number}") for number in range(8)]
            for number in range(8):
                script = upstream.for_key(f"{KEY}-{number}")
                script.plays(LISTED.silence(0.2) if number % 2 else status(401))
            found = connections.test_many(rows)
            assert [one.ok for one in found] == [False, True] * 4
            assert [row.test_ok for row in Connection.objects.order_by("id")] == [False, True] * 4
        assert connections.test_many([]) == []

    def test_no_more_than_five_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now, most = 0, 0

        async def counting(*_: Any) -> Probe:
            nonlocal now, most
            now, most = now + 1, max(most, now + 1)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            now -= 1
            return Probe(ok=True, message="It answers.")

        monkeypatch.setattr(connections, "probe", counting)
        provider = self.acme("http://127.0.0.1:9/v1")
        connections.test_many([add(provider, f"n{number}", KEY) for number in range(12)])
        assert most == connections.TESTS_AT_ONCE
