"""The export is a document that changes nothing where it was made and makes the same elsewhere."""

from __future__ import annotations

import argparse
from decimal import Decimal
from typing import Any

import pytest
import yaml
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Team, User
from omniroute.cli import export as command
from omniroute.declarative.apply import apply
from omniroute.declarative.document import BadDocument
from omniroute.declarative.export import _Dumper, export
from providers import connections, registry
from providers.entry import CAPABILITIES
from providers.models import Connection, Provider, Proxy
from routing import keys
from routing.models import Alias, ApiKey, Combo, GatewaySettings
from tests.omniroute.test_declarative_apply import ENVIRONMENT, FULL, PROXIES

pytestmark = pytest.mark.django_db


def plan(text: str, environment: dict[str, str] | None = None, **options: bool) -> list[str]:
    return [str(change) for change in apply(text, variable=(environment or ENVIRONMENT).get, **options).changes]


def wipe() -> None:
    """Another installation, as far as a document can tell."""
    for model in (ApiKey, Alias, Combo, Connection, Provider, Proxy, GatewaySettings):
        model.objects.all().delete()


def test_an_empty_installation_exports_its_switches_only() -> None:
    assert set(yaml.safe_load(export())) == {"version", "settings", "resilience", "cache"}
    assert plan(export(), prune=True) == []


@pytest.mark.parametrize("with_secrets", [True, False])
def test_applying_the_export_changes_nothing(with_secrets: bool) -> None:
    plan(FULL)
    text = export(with_secrets=with_secrets)
    environment = {} if with_secrets else {"ACME_MAIN_API_KEY": "acme-secret-one"}
    assert plan(text, environment or {"UNUSED": ""}) == plan(text, environment or {"UNUSED": ""}, prune=True) == []


def test_the_export_makes_the_same_elsewhere() -> None:
    plan(FULL)
    plan("providers: [{id: openai, enabled: false, models: [{id: gpt-4o, input_price: 1.25, enabled: false}]}]")
    first = export(with_secrets=True)
    wipe()
    assert "+ connection acme/main" in plan(first)
    assert export(with_secrets=True) == first
    assert connections.secret_of(Connection.objects.get(name="main")) == "acme-secret-one"
    assert Provider.objects.get(id="openai").enabled is False


def test_overrides_in_the_catalogues_words_go_there_and_back() -> None:
    said = "{headers: {X-Plan: team}, request: {clamp: {temperature: [0, 0.5]}}, plans: {pro: 9.99}}"
    model = "{id: mine, cache_write_1h_price: 2.5, query_price: 0.002}"
    plan(f"providers: [{{id: groq, overrides: {said}, models: [{model}]}}]")
    first = export()
    wipe()
    plan(first)
    assert export() == first
    words = Provider.objects.get(id="groq").overrides
    assert words == {
        "headers": {"X-Plan": "team"},
        "request": {"clamp": {"temperature": [0, 0.5]}},
        "plans": {"pro": 9.99},
    }


def test_a_word_that_is_not_the_catalogues_is_told_at_its_line() -> None:
    with pytest.raises(BadDocument, match="telepathy"):
        plan("providers:\n  - id: groq\n    overrides: {telepathy: true}")


def test_nothing_connects_to_what_has_ended() -> None:
    with pytest.raises(BadDocument, match="ended"):
        plan("connections: [{provider: qwen, name: main, api_key: sk-1}]")


def test_without_the_flag_secrets_are_left_out_by_name() -> None:
    plan(FULL)
    plan("connections: [{provider: groq, name: 'Ä 1', api_key: s3cret, proxy: 'http://u:hush@p.example:1'}]")
    plan("connections: [{provider: groq, name: 'ö 1', api_key: s4cret}]")
    text = export()
    assert not any(secret in text for secret in ("acme-secret-one", "s3cret", "s4cret", "hush"))
    header = [line[4:] for line in text.splitlines() if line.startswith("#   ")]
    assert header == ["PROXY_GROQ_1_URL", "ACME_MAIN_API_KEY", "GROQ_1_API_KEY", "GROQ_1_API_KEY_2"]
    assert all(f'"${{{name}}}"' in text for name in header)


def test_secrets_that_look_like_references_survive() -> None:
    row = Connection(
        provider=Provider.objects.create(id="acme", base_url="https://a.example", format="openai_chat"), name="a"
    )
    connections.set_secret(row, "a${HOME}$${b}$")
    row.save()
    assert plan(export(with_secrets=True)) == []


def test_client_keys_are_named_without_their_text() -> None:
    user, team = User.objects.create_user("ann@example.com"), Team.objects.create(name="Red: 1")
    row, text = keys.create(name="yes", owner=user, team=team, patterns=["*", "openai/*"], expires_at=timezone.now())
    exported = export(with_secrets=True)
    assert text not in exported and row.key_hash not in exported and "stored as hashes" in exported
    assert plan(exported, prune=True) == []


def test_a_second_key_of_the_same_name_is_told_and_not_pruned() -> None:
    keys.create(name="laptop")
    second, _ = keys.create(name="laptop")
    text = export()
    assert f"# Left out, for another key of the same name, user and team is there: laptop (…{second.last4})." in text
    assert plan(text, prune=True) == [] and ApiKey.objects.count() == 2


def test_the_command_writes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    assert command.run(parser.parse_args([])) == 0
    assert capsys.readouterr().out == export()


def test_an_unreadable_secret_stops_only_the_export_with_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    plan(FULL)
    Connection.objects.filter(name="main").update(uid="00000000-0000-4000-8000-000000000000")  # sealed for another row
    parser = argparse.ArgumentParser()
    command.configure(parser)
    assert command.run(parser.parse_args(["--with-secrets"])) == 1
    out, err = capsys.readouterr()
    assert out == "" and "ENCRYPTION_KEYS" in err and "connection acme · main: " in err
    assert command.run(parser.parse_args([])) == 0


def test_a_base_url_with_a_blank_that_connections_fill_is_taken_as_the_dashboard_takes_it() -> None:
    url = "https://{resource}.cognitiveservices.azure.com/openai/v1"
    registry.save_provider(Provider(id="azure", custom=False, base_url=url))
    exported = export()
    wipe()
    assert len(plan(exported)) == 1 and plan(exported) == []
    assert Provider.objects.get(pk="azure").base_url == url


# -- any document --------------------------------------------------------------------------------------------
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
NAMES = (
    st.sampled_from(["a", "yes", "null", "1", "1e5", "0x1f", "- x", "a: b", "#x", "é", "${A}", "$${A}", "~"]) | WORDS
)
PRICE = st.decimals(0, 1000, places=6, allow_nan=False)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


MODELS = st.lists(
    st.builds(
        lambda id, rest: {"id": id} | rest,
        NAMES,
        some(
            input_price=PRICE,
            output_price=PRICE,
            image_price=PRICE,
            audio_minute_price=PRICE,
            characters_price=PRICE,
            query_price=PRICE,
            context=st.integers(1, 10**6),
            enabled=st.booleans(),
            capabilities=st.lists(st.sampled_from(sorted(CAPABILITIES)), unique=True),
        ),
    ),
    max_size=3,
    unique_by=lambda model: model["id"],
)
PROVIDER = some(
    name=NAMES, any_model=st.booleans(), enabled=st.booleans(), tier=st.sampled_from(["cheap", "free"]), models=MODELS,
    allow_private_network=st.booleans(), operations=st.just({"rerank": "/rerank"}), transport=st.just("aiohttp"),
)  # fmt: skip
CONNECTIONS = st.lists(
    st.builds(
        lambda name, rest: {"provider": "acme", "name": name} | rest,
        NAMES,
        some(
            priority=st.integers(0, 9),
            enabled=st.booleans(),
            api_key=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20),
            proxy=st.sampled_from(["http://p.example:1", "socks5h://u:${p}@p.example:1"]),
        ),
    ),
    max_size=3,
    unique_by=lambda connection: connection["name"],
)
STEPS = st.lists(
    st.builds(lambda model, weight: {"model": model, "weight": weight}, WORDS.map("m/{}".format), st.integers(0, 100)),
    min_size=1,
    max_size=3,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    provider=PROVIDER,
    connection_rows=CONNECTIONS,
    steps=STEPS,
    patterns=st.lists(WORDS, max_size=3, unique=True),
    switches=some(require_api_key=st.booleans(), circuit_breaker=st.booleans(), notice=st.text("ab:#\n ${}'\"é")),
)
def test_any_document_round_trips(
    provider: dict[str, Any],
    connection_rows: list[dict[str, Any]],
    steps: list[dict[str, Any]],
    patterns: list[str],
    switches: dict[str, Any],
) -> None:
    wipe()
    document = {
        "providers": [{"id": "acme", "base_url": "https://acme.example/v1", **provider}],
        "connections": connection_rows,
        "combos": [{"name": "c", "steps": steps}],
        "api_keys": [{"name": "k", "models": patterns}],
        "settings": switches,
    }
    written = yaml.dump(document, Dumper=_Dumper, allow_unicode=True, width=10_000)
    assert plan(written)
    assert plan(written, prune=True) == []
    exported = export(with_secrets=True)
    assert plan(exported, prune=True) == []
    wipe()
    plan(exported)
    assert export(with_secrets=True) == exported


def test_decimals_are_written_exactly() -> None:
    assert (
        yaml.dump([Decimal("0.100000"), Decimal("10.000000"), Decimal("0.000001")], Dumper=_Dumper)
        == "- 0.1\n- 10\n- 0.000001\n"
    )


def test_proxies_come_back_and_their_credentials_stay() -> None:
    plan(PROXIES)
    text = export()
    assert "hush" not in text and "socks5h://10.0.0.2:1080" in text
    told = {"PROXY_EU_URL": "http://u:hush@10.0.0.1:3128", "PROXY_ACME_B_URL": "https://u:hush@10.0.0.3"}
    assert plan(text, told, prune=True) == []
    first = export(with_secrets=True)
    wipe()
    plan(first)
    assert export(with_secrets=True) == first and plan(text, told) == []


def test_a_connections_team_and_tags_go_round() -> None:
    Team.objects.create(name="Red Team")
    plan(FULL)
    rows = "connections: [{provider: acme, name: main, priority: 1, team: Red Team, tags: [EU, paid]}]"
    assert plan(rows) == ["~ connection acme/main (tags [] → [eu, paid], team none → Red Team)"]
    text = export(with_secrets=True)
    assert plan(text) == [] and "team: " in text
    wipe()
    plan(text)
    row = Connection.objects.get(name="main")
    assert row.tags == ["eu", "paid"] and row.team.name == "Red Team"
    for wrong in ("team: Blue", "tags: [two words]", "tags: eu"):
        with pytest.raises(BadDocument, match=wrong.partition(":")[0]):
            plan(f"connections: [{{provider: acme, name: main, {wrong}}}]")
