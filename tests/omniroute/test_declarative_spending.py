"""Teams, limits, budgets and address rules in the declarative file: there, back, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Team
from omniroute.declarative.apply import apply
from omniroute.declarative.document import BadDocument
from omniroute.declarative.export import export
from providers.models import Connection, Provider
from routing.models import Budget, GatewaySettings, IpRule, Limit, TeamAccess

pytestmark = pytest.mark.django_db
FILE = """
version: 1
teams:
  - {name: Research, members: [{email: member@example.com, role: owner}], models: ["acme/*"], endpoints: [chat]}
api_keys:
  - {name: ci, key: "sk-omni-for-automation-0123456789abcdef", team: Research}
  - {name: ci, key: "sk-omni-for-automation-another-01234567", user: member@example.com}
limits:
  - {scope: key, name: ci, team: Research, requests_per_minute: 10, parallel: 2}
  - {scope: team, name: Research, tokens_per_minute: 5000}
budgets:
  - {scope: key, name: ci, user: member@example.com, period: daily, limit_usd: 1.5, time_zone: Europe/Berlin}
  - {scope: team, name: Research, limit_usd: 100, hard: false, notify_at: null}
  - {scope: provider, name: openai, period: total, limit_usd: 7}
  - {scope: tier, name: cheap, limit_usd: 0.25}
  - {scope: global, limit_usd: 1000}
ip_rules:
  - {network: 203.0.113.7, action: block, until: 2030-01-01, reason: scans}
  - {network: "2001:db8::1/32", action: allow}
settings: {address_mode: allow_first, requests_per_address: 100, charge_without_output: true}
"""


def test_there_and_back(member: Any) -> None:
    apply(FILE)
    assert [str(row.limit_usd.normalize()) for row in Budget.objects.order_by("id")] == [
        "1.5",
        "1E+2",
        "7",
        "0.25",
        "1E+3",
    ]
    assert Limit.objects.get(team__name="Research").tokens_per_minute == 5000
    assert sorted(IpRule.objects.values_list("network", flat=True)) == ["2001:db8::/32", "203.0.113.7/32"]
    access = TeamAccess.objects.get(team__name="Research")
    assert (access.model_patterns, access.endpoints, access.providers) == (["acme/*"], ["chat"], [])
    assert GatewaySettings.load().requests_per_address == 100
    text = export()
    assert apply(text, prune=True).changes == ()
    assert export() == text


def test_what_a_file_leaves_out_is_pruned(member: Any) -> None:
    apply(FILE)
    changes = [
        str(change) for change in apply("version: 1\nlimits: []\nbudgets: []\nip_rules: []\n", prune=True).changes
    ]
    assert len(changes) == 2 + 5 + 2
    assert not (Limit.objects.exists() or Budget.objects.exists() or IpRule.objects.exists())


@pytest.mark.parametrize(
    ("section", "word"),
    [
        (
            "ip_rules: [{network: 10.1.2.3/8, action: block}, {network: 10.0.0.0/8, action: block}]",
            "block 10.0.0.0/8 is there twice",
        ),
        ("limits: [{scope: team, name: Research, parallel: 3000000000}]", "from 1 to 2147483647"),
        ("budgets: [{scope: global, limit_usd: 99999999.5}]", "less than or equal to 99999999"),
        ("teams: [{name: Research, providers: [gorq]}]", "There is no provider “gorq”"),
        ("api_keys: [{name: new, providers: [gorq]}]", "There is no provider “gorq”"),
        ("proxies: [{name: out, url: 'http://169.254.169.254:80'}]", "metadata"),
        ("combos: [{name: a/../b, steps: [x/y]}]", "with ../ in it"),
        ("limits: [{scope: key, name: nobody, parallel: 1}]", "there is no key 'nobody'"),
        ("limits: [{scope: key, name: ci, parallel: 1}]", "there is more than one key 'ci'; say user or team"),
        ("limits: [{scope: tier, name: cheap, parallel: 1}]", "must be one of key, user, team"),
        ("budgets: [{scope: global, name: x, limit_usd: 1}]", "of every scope but global"),
        ("budgets: [{scope: team, limit_usd: 1}]", "of every scope but global"),
        ("budgets: [{scope: tier, name: free, limit_usd: 1}]", "paid by the month or free"),
        ("budgets: [{scope: global, limit_usd: 1, time_zone: Mars/Base}]", "is no time zone"),
        ("budgets: [{scope: global, limit_usd: 1}, {scope: global, limit_usd: 2}]", "is there twice"),
        ("ip_rules: [{network: 10.0.0.0/40, action: block}]", "This is no network"),
        ("ip_rules: [{network: 10.0.0.1, action: allow, until: 2030-01-01}]", "Only a block can end"),
        ("teams: [{name: T, members: [{email: nobody@example.com}]}]", "there is no user 'nobody@example.com'"),
    ],
)
def test_what_is_refused(member: Any, section: str, word: str) -> None:
    apply(FILE)
    with pytest.raises(BadDocument) as bad:
        apply(f"version: 1\n{section}\n")
    assert word in str(bad.value)


def test_a_team_that_may_use_everything_again_has_no_permissions(member: Any) -> None:
    apply(FILE)
    told = apply(FILE.replace(', models: ["acme/*"], endpoints: [chat]', ", models: null, endpoints: []")).changes
    assert [str(change) for change in told] == [
        "~ team Research (model_patterns [acme/*] → [*], endpoints [chat] → [])"
    ]
    assert not TeamAccess.objects.exists()


def test_a_provider_that_went_stays_named_where_it_was(make_provider: Any) -> None:
    make_provider("acme", "http://127.0.0.1:9/v1")
    apply("version: 1\nteams: [{name: R, providers: [acme]}]\napi_keys: [{name: ci, providers: [acme, groq]}]")
    Provider.objects.get(pk="acme").delete()
    assert apply(export(), prune=True).changes == ()


OF_A_TEAM = """
version: 1
teams: [{name: Research}]
providers: [{id: acme, base_url: "https://acme.example/v1", models: [large]}]
connections: [{provider: acme, name: main, api_key: upstream-secret, team: Research}]
"""


def test_a_team_and_its_connection_come_in_one_file() -> None:
    apply(OF_A_TEAM)
    [row] = Connection.objects.filter(provider="acme")
    assert row.team is not None and row.team.name == "Research"
    assert apply(export(with_secrets=True), prune=True).changes == ()


def test_a_connection_outlives_the_team_that_it_is_taken_from() -> None:
    apply(OF_A_TEAM)
    [before] = Connection.objects.filter(provider="acme")
    apply("version: 1\nteams: []\nconnections: [{provider: acme, name: main}]", prune=True)
    [row] = Connection.objects.filter(provider="acme")
    assert (row.pk, row.team) == (before.pk, None) and row.secret and not Team.objects.exists()
