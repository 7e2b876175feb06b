"""The database's configuration → the snapshot requests see, and when it is made anew."""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, Team, User
from providers import connections, proxies
from providers.models import Connection, Grant, Provider, ProviderModel, Proxy
from routing import keys, publish
from routing.models import (
    Alias,
    ApiKey,
    Budget,
    CacheFlush,
    CacheSettings,
    Combo,
    ComboStep,
    ConfigVersion,
    GatewaySettings,
    IpRule,
    Limit,
    Policy,
    TeamAccess,
)
from routing.snapshot import Snapshot

pytestmark = pytest.mark.django_db
SECRET, PROXY = "upstream-secret-1", "http://user:proxy-pass@127.0.0.1:3128"


@pytest.fixture
def acme() -> Provider:
    row = Provider.objects.create(
        id="acme", alias="ac", format="openai_chat", base_url="http://127.0.0.1:9/v1", allow_private_network=True
    )
    ProviderModel.objects.create(provider=row, model_id="large", input_price=Decimal("1.5"), output_price=Decimal("3"))
    ProviderModel.objects.create(provider=row, model_id="off", enabled=False)
    connections.add(row, "main", SECRET)
    return row


def built() -> Snapshot:
    return publish.build()


class TestBuild:
    def test_nothing_configured(self) -> None:
        snapshot = built()
        assert snapshot.version == 0 and not snapshot.callers and not snapshot.providers and snapshot.built_at > 0
        assert snapshot.switches.require_api_key and snapshot.switches.circuit_breaker

    def test_a_provider_ready_for_use(self, acme: Provider) -> None:
        connections.add(acme, "first", "upstream-secret-2", priority=0, proxy=PROXY)
        provider = built().providers["acme"]
        first, main = provider.links
        assert [link.name for link in provider.links] == ["first", "main"] and not provider.unusable
        assert (main.route.host, main.route.port, main.route.scheme, main.base_path) == ("127.0.0.1", 9, "http", "/v1")
        assert main.route.allow_private and main.route.proxy is None and first.route.proxy == PROXY
        sent = dict(main.headers)
        assert (
            sent[b"authorization"] == f"Bearer {SECRET}".encode()
            and sent[b"user-agent"] == settings.USER_AGENT.encode()
        )
        assert SECRET in main.secrets and PROXY in first.secrets

    def test_secrets_are_in_no_repr(self, acme: Provider) -> None:
        connections.add(acme, "first", "upstream-secret-2", proxy=PROXY)
        text = repr(built())
        assert "acme" in text
        assert not [word for word in (SECRET, "upstream-secret-2", "proxy-pass") if word in text]

    @pytest.mark.usefixtures("acme")
    def test_names(self) -> None:
        snapshot = built()
        assert set(snapshot.prefixes) == {"acme", "ac"} and [p.entry.id for p in snapshot.bare["large"]] == ["acme"]
        assert "off" not in snapshot.bare and not snapshot.providers["acme"].takes("off")
        price = snapshot.providers["acme"].prices["large"]
        assert price is not None and (price.input, price.output, price.source) == (Decimal("1.5"), 3, "override")

    def test_what_is_switched_off_is_not_there(self, acme: Provider) -> None:
        Connection.objects.update(enabled=False)
        assert built().providers["acme"].links == ()
        acme.enabled = False
        acme.save()
        snapshot = built()
        assert not snapshot.providers and not snapshot.prefixes and not snapshot.bare

    def test_a_tampered_secret_leaves_only_its_row_out(self, acme: Provider, caplog: pytest.LogCaptureFixture) -> None:
        other = connections.add(acme, "other", "upstream-secret-2")
        with connection.cursor() as cursor:
            token = other.secret.token
            middle = len(token) // 2
            broken = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
            cursor.execute("UPDATE providers_connection SET secret = %s WHERE id = %s", [broken, other.pk])
        with caplog.at_level(logging.WARNING):
            provider = built().providers["acme"]
        assert [link.name for link in provider.links] == ["main"]
        assert set(provider.unusable) == {"other"} and "cannot be decrypted" in provider.unusable["other"]
        assert "other of acme" in caplog.text and token not in caplog.text and broken not in caplog.text

    def test_a_connection_that_cannot_be_made_ready_leaves_the_others(
        self, acme: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connections.add(acme, "other", "upstream-secret-2")
        made = publish.link

        def link(entry: Any, **said: Any) -> Any:
            return made(entry, **said) if said["name"] == "main" else {}["region"]

        monkeypatch.setattr(publish, "link", link)
        provider = built().providers["acme"]
        assert [each.name for each in provider.links] == ["main"] and set(provider.unusable) == {"other"}

    def test_a_secret_goes_to_no_other_address(self, acme: Provider) -> None:
        Provider.objects.filter(pk="acme").update(base_url="http://127.0.0.1:10/v1")
        provider = built().providers["acme"]
        assert provider.links == () and "address changed" in provider.unusable["main"]

    def test_a_provider_that_cannot_be_leaves_the_others(self, acme: Provider) -> None:
        Provider.objects.create(id="odd", format="morse", base_url="http://127.0.0.1:9")
        Provider.objects.create(id="gone", custom=False)
        assert set(built().providers) == {"acme"}

    def test_callers(self, member: User, team: Team) -> None:
        until = datetime(2030, 1, 1, tzinfo=UTC)
        row, text = keys.create(name="k", owner=member, team=team, patterns=["a/*", "b"], expires_at=until)
        ((digest, caller),) = built().callers.items()
        assert digest == hashlib.sha256(text.encode()).hexdigest()
        assert (caller.key_id, caller.key_name, caller.user_id, caller.team_id) == (row.pk, "k", member.pk, team.pk)
        assert caller.enabled and caller.expires_at == until.timestamp() and caller.access.models == ("a/*", "b")

    def test_callers_that_are_switched_off(self, member: User) -> None:
        row, _ = keys.create(name="theirs", owner=member)
        ApiKey.objects.filter(pk=keys.create(name="off")[0].pk).update(enabled=False)
        keys.create(name="nobodys")
        assert {c.key_name: c.enabled for c in built().callers.values()} == {
            "theirs": True,
            "off": False,
            "nobodys": True,
        }
        member.is_active = False
        member.save()
        assert not built().callers[row.key_hash].enabled

    @pytest.mark.parametrize("stored", ["*", {"*": 1}, 5, [None, 5, "a"]])
    def test_odd_patterns_allow_nothing_and_break_nothing(self, stored: Any) -> None:
        row, _ = keys.create(name="k")
        ApiKey.objects.filter(pk=row.pk).update(model_patterns=stored)
        assert built().callers[row.key_hash].access.models == (("a",) if isinstance(stored, list) else ())

    def test_combos_and_aliases(self) -> None:
        for name, enabled in (("team", True), ("off", False)):
            combo = Combo.objects.create(name=name, strategy="weighted", enabled=enabled)
            ComboStep.objects.create(combo=combo, position=2, model="b/b", weight=3)
            ComboStep.objects.create(combo=combo, position=1, model="a/a")
        for pattern in ("*", "gpt-*", "gpt-4?", "fast"):
            Alias.objects.create(pattern=pattern, target="a/a")
        snapshot = built()
        assert list(snapshot.combos) == ["team"] and snapshot.combos["team"].strategy == "weighted"
        assert [(step.name, step.weight) for step in snapshot.combos["team"].steps] == [("a/a", 1), ("b/b", 3)]
        assert snapshot.aliases == {"fast": "a/a"}
        assert [pattern for pattern, _ in snapshot.wildcards] == ["gpt-4?", "gpt-*", "*"]

    def test_switches(self) -> None:
        GatewaySettings(require_api_key=False, connection_cooldown=False, circuit_breaker=False).save()
        switches = built().switches
        assert not (switches.require_api_key or switches.connection_cooldown or switches.circuit_breaker)

    def test_queries_do_not_grow_with_the_rows(self, acme: Provider) -> None:
        def count() -> int:
            with CaptureQueriesContext(connection) as queries:
                built()
            return len(queries)

        Combo.objects.create(name="c0")
        before = count()
        for number in range(5):
            keys.create(name=f"k{number}")
            connections.add(acme, f"c{number}", SECRET)
            ProviderModel.objects.create(provider=acme, model_id=f"m{number}")
            ComboStep.objects.create(combo=Combo.objects.create(name=f"c{number + 1}"), model="a/a")
        assert count() <= before + 1


# -- noticing -----------------------------------------------------------------------------------------------------
def raised(change: Callable[[], object]) -> bool:
    before = publish.version()
    change()
    return publish.version() > before


def rows() -> dict[type, Any]:
    provider = Provider.objects.create(
        id="p", format="openai_chat", base_url="http://127.0.0.1:9", allow_private_network=True
    )
    user, team, combo = (
        User.objects.create_user("p@example.com"),
        Team.objects.create(name="t"),
        Combo.objects.create(name="c"),
    )
    connection = connections.add(provider, "c", SECRET)
    return {
        ProviderModel: ProviderModel.objects.create(provider=provider, model_id="m"),
        Grant: Grant.objects.create(provider=provider, connection=connection, flow="claude", access_token=SECRET),
        Connection: connection,
        Proxy: proxies.save(Proxy(name="x"), PROXY),
        ApiKey: keys.create(name="k")[0],
        ComboStep: ComboStep.objects.create(combo=combo, model="m"),
        Alias: Alias.objects.create(pattern="a", target="b"),
        GatewaySettings: GatewaySettings.objects.create(),
        TeamAccess: TeamAccess.objects.create(team=Team.objects.create(name="u")),
        Limit: Limit.objects.create(user=user, parallel=1),
        Budget: Budget.objects.create(scope="team", team=team, limit_usd=1),
        IpRule: IpRule.objects.create(network="192.0.2.1"),
        Membership: Membership.objects.create(team=team, user=user),
        Policy: Policy.objects.create(kind="max_tokens", settings={"tokens": 5}),
        CacheSettings: CacheSettings.objects.create(),
        CacheFlush: CacheFlush.objects.create(subject="", at=1.0),
        Combo: combo,
        Provider: provider,
        Team: team,
        User: user,
    }


class TestNoticing:
    def test_the_rows_of_this_test_are_those_that_are_watched(self) -> None:
        assert set(rows()) == set(publish.WATCHED)

    @pytest.mark.parametrize("model", publish.WATCHED)
    def test_saving_and_deleting(self, model: type) -> None:
        row = rows()[model]
        assert raised(row.save) and raised(row.delete)

    def test_creating(self) -> None:
        assert raised(lambda: Alias.objects.create(pattern="a", target="b"))
        assert raised(lambda: keys.create(name="k"))

    def test_what_goes_with_a_deleted_row(self, member: User) -> None:
        keys.create(name="k", owner=member)
        assert raised(member.delete) and not built().callers

    def test_a_queryset_that_deletes(self) -> None:
        Alias.objects.create(pattern="a", target="b")
        assert raised(lambda: Alias.objects.filter(pattern="a").delete())

    @pytest.mark.parametrize(
        ("model", "fields"),
        [
            (User, ["last_login"]),
            (ApiKey, ["last_used_at"]),
            (ApiKey, ["last_used_at", "request_count"]),
            (Connection, ["tested_at", "test_ok", "test_message", "test_latency_ms"]),
            (Proxy, ["tested_at", "test_ok", "test_message", "test_latency_ms", "exit_address"]),
        ],
    )
    def test_what_is_written_often_and_changes_nothing(self, model: type, fields: list[str]) -> None:
        row = rows()[model]
        assert not raised(lambda: row.save(update_fields=fields))

    def test_one_that_matters_among_them(self) -> None:
        row = rows()[ApiKey]
        assert raised(lambda: row.save(update_fields=["last_used_at", "enabled"]))

    def test_the_number_is_in_the_snapshot_and_never_repeats(self) -> None:
        publish.bump()
        first = publish.version()
        assert built().version == first > 10**12
        ConfigVersion.objects.all().delete()
        publish.bump()
        assert publish.version() > first, "an emptied database must not meet an old number"

    def test_two_first_changes_at_once_are_two(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The second finds the row made by the first: it must still raise the number."""
        manager, versions = ConfigVersion.objects, []
        real = manager.get_or_create

        def made_meanwhile(**said: Any) -> tuple[ConfigVersion, bool]:
            row, _ = real(**said)
            versions.append(row.version)
            return row, False

        monkeypatch.setattr(manager, "get_or_create", made_meanwhile)
        publish.bump()
        assert publish.version() == versions[0] + 1

    def test_an_update_says_so_itself(self) -> None:
        Alias.objects.create(pattern="a", target="b")
        assert not raised(lambda: Alias.objects.update(target="c"))
        assert raised(publish.bump)


class Told(threading.Event):
    """Counts how often it was set: the publisher of a gateway that runs in this process may clear it at once."""

    times = 0

    def set(self) -> None:
        self.times += 1
        super().set()


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    @pytest.fixture
    def told(self, monkeypatch: pytest.MonkeyPatch) -> Told:
        told = Told()
        monkeypatch.setattr(publish, "_changed", told)
        return told

    def test_a_rolled_back_change_is_none(self, told: Told) -> None:
        publish.bump()
        told.times = 0
        before = publish.version()
        with transaction.atomic():
            Alias.objects.create(pattern="a", target="b")
            transaction.set_rollback(True)
        assert publish.version() == before and not told.times and not built().aliases

    def test_a_change_is_told_when_it_is_committed(self, told: Told) -> None:
        with transaction.atomic():
            Alias.objects.create(pattern="a", target="b")
            assert not told.times
        assert told.times

    def test_the_publisher_publishes_what_changed(self) -> None:
        seen: queue.Queue[Snapshot] = queue.Queue()
        publisher = publish.Publisher(seen.put)
        publisher.start()
        try:
            assert publisher.wait_first(10) and not seen.get(timeout=10).aliases
            Alias.objects.create(pattern="a", target="b")
            assert seen.get(timeout=10).aliases == {"a": "b"}
            assert seen.empty()
        finally:
            publisher.stop()
        assert not publisher._thread.is_alive()

    def test_the_last_snapshot_stays_while_the_database_is_away(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        seen: queue.Queue[Snapshot] = queue.Queue()
        publisher = publish.Publisher(seen.put)
        failed = queue.Queue[int]()

        def away() -> Snapshot:
            failed.put(1)
            raise OSError("away")

        publisher.start()
        try:
            seen.get(timeout=10)
            with monkeypatch.context() as patch:
                patch.setattr(publish, "build", away)
                Alias.objects.create(pattern="a", target="b")
                failed.get(timeout=10)
            assert seen.get(timeout=10).aliases == {"a": "b"}, "it asks again by itself"
        finally:
            publisher.stop()
        assert "the last one stays in force" in caplog.text
