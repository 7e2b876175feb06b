"""Proxies: who says which one, what is shown of it, and that nothing is called around it."""

from __future__ import annotations

import itertools
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from django.db import connection as database
from django.db.migrations.executor import MigrationExecutor
from django.db.models import ProtectedError

from providers import connections, outward, proxies, proxytest
from providers.models import Connection, Provider, Proxy
from providers.proxies import DIRECT, BadProxy, Level, Way, in_force, save, url_of, way_of
from tests.providers.proxying import ProxyServer
from tests.simulator import SimulatorThread, json_reply, status

KEY = "sk-upstream-secret-1"
LISTED = json_reply({"data": [{"id": "large"}]})


def made(name: str, url: str = "http://u:hush@10.0.0.1:3128", **fields: Any) -> Proxy:
    return save(Proxy(name=name, **fields), url)


# -- which one --------------------------------------------------------------------------------------------------------
def test_the_narrowest_level_that_says_anything_decides() -> None:
    near, middle, far = Proxy(name="near"), Proxy(name="middle"), Proxy(name="far")
    for mine, providers_, everywhere in itertools.product((None, DIRECT, near), (None, DIRECT, middle), (None, far)):
        way = in_force(mine, providers_, everywhere)
        said = [(Level.CONNECTION, mine), (Level.PROVIDER, providers_), (Level.GLOBAL, everywhere)]
        level, who = next(((level, who) for level, who in said if who is not None), (None, None))
        assert way == Way(level, None if who == DIRECT else who)
    assert in_force(None, None, None).label == ""
    assert in_force(None, Proxy(name="p", address="10.0.0.1:1"), far).label == "provider 10.0.0.1:1"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://u:p@Proxy.example", "proxy.example:80"),
        ("https://proxy.example/", "proxy.example:443"),
        ("socks5h://u:p@10.0.0.1:9", "10.0.0.1:9"),
        ("socks5://[2001:db8::1]", "[2001:db8::1]:1080"),
        ("http://squid_proxy:3128", "squid_proxy:3128"),
        ("http://localhost:3128", "localhost:3128"),
    ],
)
def test_the_shown_address_has_no_credentials(url: str, address: str) -> None:
    assert proxies.shown_address(proxies.check_url(url)) == address


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254:80",
        "socks5://u:p@[fd00:ec2::254]:1080",
        "http://[::ffff:169.254.169.254]:80",
        "https://2852039166:443",
        "http://0xa9fea9fe:80",
        "http://0.0.0.0:3128",
        "http://224.0.0.1:1",
    ],
)
def test_a_proxy_is_never_where_credentials_are_handed_out(url: str, db: None) -> None:
    with pytest.raises(BadProxy, match="metadata") as wrong:
        made("out", url)
    assert wrong.value.field == "url" and not Proxy.objects.exists()


@pytest.fixture
def row(make_provider: Any) -> Connection:
    return make_provider("acme", "https://acme.example/v1").connections.get()


@pytest.mark.django_db
class TestRows:
    def test_the_three_levels_of_a_connection(self, row: Connection) -> None:
        assert way_of(row) == Way()
        everything, own = made("all", is_global=True), made("own", "socks5h://10.0.0.2")
        assert way_of(row) == Way(Level.GLOBAL, everything)
        proxies.choose(row.provider, "own")
        assert way_of(row) == Way(Level.PROVIDER, own) and proxies.way_of_provider(row.provider).proxy == own
        proxies.choose(row, DIRECT)
        assert way_of(row) == Way(Level.CONNECTION, None) and connections.proxy_of(row) is None
        proxies.choose(row, "all")
        assert way_of(row).label == "connection 10.0.0.1:3128"
        assert connections.proxy_of(row) == "http://u:hush@10.0.0.1:3128"
        assert proxies.choose(row, "all") is False and proxies.choose(row, None) is True

    def test_a_url_becomes_a_proxy_of_its_own_and_stays_one(self, row: Connection) -> None:
        assert proxies.choose(row, "socks5h://u:p@10.0.0.2:1") is True
        row.save()
        assert proxies.choose(row, "socks5h://u:p@10.0.0.2:1") is False
        assert proxies.choose(row, "socks5h://u:other@10.0.0.2:1") is True
        assert Proxy.objects.get().name == proxies.written(row) == "acme/c1"
        assert connections.proxy_of(row) == "socks5h://u:other@10.0.0.2:1"

    def test_a_proxy_that_is_off_or_unreadable_stops_its_calls(self, row: Connection, upstream: Any) -> None:
        entry = connections.registry.effective_of(row.provider)
        proxy = made("all", is_global=True, enabled=False)
        assert "switched off" in str(connections.usable_reason(row, entry))
        assert "switched off" in connections.test(row).message
        with pytest.raises(proxies.ProxyOff):
            url_of(way_of(row))
        proxy.enabled = True
        save(proxy)
        assert connections.usable_reason(row, entry) is None
        with database.cursor() as cursor:
            cursor.execute("UPDATE providers_proxy SET url = NULL")
        assert "decrypted" in str(connections.usable_reason(row, entry))

    def test_the_global_place_moves(self) -> None:
        made("one", is_global=True)
        two = made("two", is_global=True)
        assert list(Proxy.objects.filter(is_global=True)) == [two] and proxies.everywhere() == two

    @pytest.mark.parametrize("name", ["direct", "http://x", "", "two\nlines", "x" * 200, "one"])
    def test_a_bad_name_is_refused(self, name: str) -> None:
        made("one")
        with pytest.raises(BadProxy) as wrong:
            made(name)
        assert wrong.value.field == "name" and Proxy.objects.count() == 1

    def test_what_does_not_exist_cannot_be_chosen(self, row: Connection) -> None:
        with pytest.raises(BadProxy, match="nowhere"):
            proxies.choose(row, "nowhere")

    def test_who_goes_through_a_proxy_keeps_it(self, row: Connection) -> None:
        proxies.choose(row, "http://10.0.0.1:1")
        row.save()
        with pytest.raises(ProtectedError):
            Proxy.objects.get().delete()


# -- nothing goes around it -------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
class TestTheControlPlane:
    @pytest.fixture(params=["connection", "provider", "global"])
    def level(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def sent_through(self, row: Connection, level: str, url: str) -> None:
        if level == "global":
            save(Proxy(name="all", is_global=True), url)
        else:
            chosen = row if level == "connection" else row.provider
            proxies.choose(chosen, url)
            chosen.save()

    @pytest.mark.parametrize("kind", ["http", "socks5"])
    def test_a_test_goes_through_the_proxy_in_force(self, row: Connection, level: str, kind: str) -> None:
        Provider.objects.filter(pk="acme").update(base_url="http://acme.example/v1")
        Connection.objects.update(origin="http://acme.example:80")
        with SimulatorThread() as upstream, ProxyServer(upstream.port, kind) as proxy:
            upstream.plays(LISTED)
            self.sent_through(Connection.objects.get(), level, proxy.url)
            found = connections.test(Connection.objects.get())
        assert found.ok, found.message
        assert len(proxy.asked) == 1 and "acme.example" in proxy.asked[0]

    @pytest.mark.parametrize("kind", ["http", "socks5"])
    @pytest.mark.parametrize("trouble", ["dead", "credentials", "silent"])
    def test_a_bad_proxy_is_an_error_and_never_gone_around(
        self, make_provider: Any, kind: str, trouble: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if trouble == "silent":
            monkeypatch.setattr(outward, "TIMEOUT", httpx.Timeout(0.3))
            monkeypatch.setattr(outward.client, "__kwdefaults__", {"timeout": httpx.Timeout(0.3)})
        with SimulatorThread() as upstream, ProxyServer(upstream.port, kind, silent=trouble == "silent") as proxy:
            row = make_provider("acme", upstream.url).connections.get()
            url = {
                "dead": f"{kind}://user:hush@127.0.0.1:1",
                "credentials": proxy.url.replace("pa%40ss", "hush"),
                "silent": proxy.url,
            }[trouble]
            self.sent_through(row, "connection", url)
            found = connections.test(row)
            trial = proxytest.try_out(Proxy.objects.get())
            assert not found.ok and not trial.ok and upstream.count == 0
        assert proxy.refused == (2 if trouble == "credentials" else 0)
        for said in (found.message, trial.message, Proxy.objects.get().test_message):
            assert said and "hush" not in said and "pa%40ss" not in said and "127.0.0.1" not in said

    def test_an_encrypted_proxy_is_verified(
        self, row: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Provider.objects.filter(pk="acme").update(base_url="http://acme.example/v1")
        authority = trustme.CA()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        with SimulatorThread() as upstream, ProxyServer(upstream.port, tls=context) as server:
            upstream.plays(LISTED)
            proxy = made("tls", server.url)
            provider = Provider.objects.get(pk="acme")
            assert not proxytest.try_out(proxy, provider).ok and not server.asked
            authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
            assert proxytest.try_out(proxy, provider).ok and len(server.asked) == 1

    def test_what_the_environment_says_of_proxies_counts_for_nothing(
        self, make_provider: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "NO_PROXY"):
            monkeypatch.setenv(name, "*" if name == "NO_PROXY" else "http://127.0.0.1:1")
        with SimulatorThread() as upstream, ProxyServer(upstream.port) as server:
            upstream.plays(LISTED, LISTED)
            row = make_provider("acme", upstream.url).connections.get()
            assert connections.test(row).ok and not server.asked
            self.sent_through(row, "provider", server.url)
            assert connections.test(row).ok and len(server.asked) == 1

    def test_a_proxy_may_not_be_a_metadata_address(self, row: Connection) -> None:
        """One that was stored before such an address was refused."""
        self.sent_through(row, "connection", "http://10.0.0.1:80")
        proxy = Proxy.objects.get()
        proxy.url = "http://169.254.169.254:80"
        proxy.save()
        row = Connection.objects.get(pk=row.pk)
        assert "metadata" in connections.test(row).message


# -- testing one ------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
class TestTryingOut:
    @pytest.mark.parametrize(
        ("said", "seen"),
        [
            (json_reply({"ip": "203.0.113.7"}), "203.0.113.7"),
            (json_reply({"origin": "203.0.113.7, 10.0.0.1"}), "203.0.113.7"),
            (json_reply("2001:db8::5"), None),
            (json_reply({"hello": "world"}), None),
            (status(500), None),
        ],
    )
    def test_latency_and_exit_address(self, make_provider: Any, settings: Any, said: Any, seen: str | None) -> None:
        with SimulatorThread() as upstream, ProxyServer(upstream.port) as server:
            settings.PROXY_ECHO_URL = "http://echo.example/v1/models"
            upstream.plays(status(401), said)
            proxy = made("out", server.url)
            row = make_provider("acme", upstream.url).connections.get()
            proxies.choose(row, "out")
            row.save()
            trial = proxytest.try_out(proxy)
        assert trial.ok and trial.provider == "acme" and trial.exit_address == seen and trial.latency_ms is not None
        kept = Proxy.objects.get()
        assert (kept.test_ok, kept.exit_address, kept.test_latency_ms) == (True, seen, trial.latency_ms)
        assert "HTTP 401" in kept.test_message and len(server.asked) == 2

    def test_no_credential_is_sent_along(self, make_provider: Any) -> None:
        with SimulatorThread() as upstream, ProxyServer(upstream.port) as server:
            upstream.plays(LISTED)
            make_provider("acme", upstream.url)
            trial = proxytest.try_out(made("out", server.url, is_global=True))
            asked = upstream.requests[0]
        assert trial.ok and trial.exit_address is None
        assert asked.header("authorization") is None and asked.header("proxy-authorization") is None

    def test_with_nobody_to_ask_it_says_so(self) -> None:
        trial = proxytest.try_out(made("out"))
        assert not trial.ok and "Nobody to ask" in trial.message

    def test_a_proxys_own_failure_is_no_answer(self, make_provider: Any) -> None:
        with SimulatorThread() as upstream, ProxyServer(upstream.port) as server:
            upstream.plays(status(502))
            make_provider("acme", upstream.url)
            assert not proxytest.try_out(made("out", server.url, is_global=True)).ok


# -- what was stored before -------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_urls_of_connections_become_proxies() -> None:
    executor = MigrationExecutor(database)
    leaves = executor.loader.graph.leaf_nodes()
    try:
        executor.migrate([("providers", "0002_resilience")])
        old = executor.loader.project_state([("providers", "0002_resilience")]).apps
        provider = old.get_model("providers", "Provider").objects.create(id="acme")
        rows = old.get_model("providers", "Connection").objects
        for name, url in (("a", "http://u:hush@10.0.0.1:1"), ("b", "http://u:hush@10.0.0.1:1"), ("c", None)):
            rows.create(provider=provider, name=name, proxy=url)
        broken = rows.create(provider=provider, name="d", proxy="http://10.0.0.2:1")
        with database.cursor() as cursor:
            cursor.execute("UPDATE providers_connection SET proxy = 'og1.dead.AAAA' WHERE id = %s", [broken.pk])
    finally:
        executor = MigrationExecutor(database)
        executor.migrate(leaves)
    found = {row.name: row for row in Connection.objects.select_related("proxy")}
    assert found["a"].proxy == found["b"].proxy and found["c"].proxy is None
    assert connections.proxy_of(found["a"]) == "http://u:hush@10.0.0.1:1" and found["a"].proxy.address == "10.0.0.1:1"
    assert "decrypted" in str(proxies.fault_of(way_of(found["d"])))
