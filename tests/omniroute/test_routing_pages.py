"""Pages of routing: combos, aliases, health, the preview, permissions; who may open them and what they do."""

from __future__ import annotations

import inspect
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Team, User
from analytics import ledger
from analytics.models import LedgerLine, UsageRecord
from providers import catalogue
from providers.models import Connection
from providers.wire.errors import Kind
from routing import combos, keys, names, resolve, words
from routing.blueprints import BLUEPRINTS
from routing.board import News
from routing.gateway import denials
from routing.health import store
from routing.models import (
    Alias,
    ApiKey,
    Budget,
    Combo,
    GatewaySettings,
    HealthState,
    IpRule,
    Limit,
    Policy,
    Strategy,
    TeamAccess,
)  # fmt: skip
from tests import simulator as sim

pytestmark = pytest.mark.django_db
NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture
def admin(admin_user: User, client: Client) -> Client:
    client.force_login(admin_user)
    return client


@pytest.fixture
def as_member(member: User, client: Client) -> Client:
    client.force_login(member)
    return client


def text(client: Client, name: str, *args: Any, **query: Any) -> str:
    reply = client.get(reverse(name, args=args), query)
    assert reply.status_code == 200, (name, reply.status_code)
    return reply.content.decode()


def combo(name: str, *steps: str, **said: Any) -> Combo:
    row = Combo(name=name, **said)
    combos.store(row, [combos.Step(step) for step in steps])
    return row


def typed(**said: Any) -> dict[str, Any]:
    usual = {"name": "fast", "strategy": "priority", "sticky": "1", "enabled": "on", "grants_steps": "on"}
    return {**usual, "step_model": ["acme/large", "acme/small"], "step_weight": ["1", "7"], **said}


def rest(connection: int, kind: Kind = Kind.RATE_LIMITED, model: str = "", seconds: float = 90) -> None:
    now = timezone.now().timestamp()
    store([News(f"#{connection}", model, "rest", str(kind), 2, now + seconds, "slow down, please", now)])


def note(provider: str, kind: str, ms: int) -> dict[str, Any]:
    """An attempt as the log keeps it."""
    return {
        "provider": provider, "connection": "c1", "model": "large", "kind": kind, "status": 200, "ms": ms,
        "message": "",
    }  # fmt: skip


# -- who may ----------------------------------------------------------------------------------------------------------
def test_members_are_refused_on_the_gateways_pages(as_member: Client, team: Any) -> None:
    row, alias = combo("fast", "acme/large"), Alias.objects.create(pattern="x", target="acme/large")
    for name, args in (
        ("routing:combos", ()),
        ("routing:combo_create", ()),
        ("routing:combo_edit", (row.pk,)),
        ("routing:combo_delete", (row.pk,)),
        ("analytics:combo", (row.pk,)),
        ("routing:aliases", ()),
        ("routing:health", ()),
        ("routing:team_access", (team.pk,)),
    ):
        assert as_member.get(reverse(name, args=args)).status_code == 403, name
    for name, args in (
        ("routing:combo_switch", (row.pk,)),
        ("routing:combo_duplicate", (row.pk,)),
        ("routing:combo_test", (row.pk,)),
        ("routing:combo_delete", (row.pk,)),
        ("routing:alias_delete", (alias.pk,)),
        ("routing:health_reset", ()),
        ("routing:team_access", (team.pk,)),
    ):
        assert as_member.post(reverse(name, args=args)).status_code == 403, name
    assert Combo.objects.get().enabled and Alias.objects.exists()


def test_what_changes_needs_a_post(admin: Client) -> None:
    row = combo("fast", "acme/large")
    for name in ("routing:combo_switch", "routing:combo_duplicate", "routing:combo_test"):
        assert admin.get(reverse(name, args=[row.pk])).status_code == 405, name
    assert admin.get(reverse("routing:health_reset")).status_code == 405


# -- combos -----------------------------------------------------------------------------------------------------------
def test_a_combo_is_made_changed_copied_switched_and_deleted(admin: Client) -> None:
    assert admin.post(reverse("routing:combo_create"), typed()).status_code == 302
    row = Combo.objects.get()
    assert [(step.model, step.weight) for step in combos.steps_of(row)] == [("acme/large", 1), ("acme/small", 7)]
    admin.post(
        reverse("routing:combo_edit", args=[row.pk]),
        {**typed(strategy="weighted", step_model=["acme/small", ""], step_weight=["3", "1"]), "grants_steps": ""},
    )
    row.refresh_from_db()
    assert (row.strategy, row.grants_steps, [str(step) for step in combos.steps_of(row)]) == (
        "weighted", False, ["acme/small×3"],
    )  # fmt: skip
    for name in ("fast-copy", "fast-copy-2"):
        admin.post(reverse("routing:combo_duplicate", args=[row.pk]))
        assert [str(step) for step in combos.steps_of(Combo.objects.get(name=name))] == ["acme/small×3"]
    admin.post(reverse("routing:combo_switch", args=[row.pk]))
    row.refresh_from_db()
    assert not row.enabled
    asked = text(admin, "routing:combo_delete", row.pk)
    assert "fast" in asked and "Fast" not in asked  # a name is shown as it is written
    admin.post(reverse("routing:combo_delete", args=[row.pk]))
    assert not Combo.objects.filter(name="fast").exists()


@pytest.mark.parametrize(
    ("what", "models"),
    [
        ("up-1", ["b", "a", "c"]),
        ("up-0", ["a", "b", "c"]),
        ("down-1", ["a", "c", "b"]),
        ("remove-0", ["b", "c"]),
        ("add", ["a", "b", "c", ""]),
        ("remove-9", ["a", "b", "c"]),
        ("nonsense", ["a", "b", "c"]),
    ],
)
def test_rows_move_without_a_script_and_nothing_is_saved(admin: Client, what: str, models: list[str]) -> None:
    data = typed(name="Half typed", step_model=["a", "b", "c"], step_weight=["1", "2", "3"], arrange=what)
    data.pop("enabled")
    reply = admin.post(reverse("routing:combo_create"), data)
    assert [row.model for row in reply.context["steps"].rows] == models
    form = reply.context["form"]
    assert form["name"].value() == "Half typed" and form["enabled"].value() is False and not form.errors
    assert not Combo.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "no spaces here"}, "Letters, digits"),
        ({"step_model": [], "step_weight": []}, "at least one step"),
        ({"step_weight": ["1", "101"]}, "from 0 to 100"),
        ({"step_weight": ["1", "²"]}, "from 0 to 100"),
        ({"step_model": ["a b", "c"]}, "without spaces"),
        ({"strategy": "guess"}, "guess"),
        ({"sticky": "0"}, "o-errors"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(admin: Client, wrong: dict[str, Any], said: str) -> None:
    reply = admin.post(reverse("routing:combo_create"), typed(**wrong))
    assert reply.status_code == 200 and said in reply.content.decode() and not Combo.objects.exists()


def test_tiers_needs_no_steps(admin: Client) -> None:
    admin.post(reverse("routing:combo_create"), typed(strategy="tiers", step_model=[""], step_weight=["1"]))
    assert Combo.objects.get().strategy == "tiers" and not Combo.objects.get().steps.exists()


def test_a_chain_that_comes_back_is_shown_at_its_step(admin: Client) -> None:
    combo("inner", "fast")
    reply = admin.post(reverse("routing:combo_create"), typed(step_model=["acme/large", "inner"]))
    rows = reply.context["steps"].rows
    assert not rows[0].error and "fast → inner → fast" in rows[1].error
    assert not Combo.objects.filter(name="fast").exists()


def test_a_chain_that_would_make_others_too_deep_is_refused(admin: Client) -> None:
    combo("one", "two")
    combo("two", "three")
    combo("three", "fast")
    combo("deep", "acme/large")
    reply = admin.post(reverse("routing:combo_create"), typed(step_model=["acme/large", "deep"]))
    assert "deep at most" in reply.context["steps"].error and not Combo.objects.filter(name="fast").exists()


def test_the_list_says_how_each_step_stands(admin: Client, make_provider: Any) -> None:
    make_provider("acme", NOWHERE)
    make_provider("beta", NOWHERE)
    combo("fast", "acme/large", "beta/large", "gone/x")
    rest(Connection.objects.get(provider_id="beta").pk)
    (card,) = admin.get(reverse("routing:combos")).context["cards"]
    assert [(one.step.model, one.state) for one in card.steps] == [
        ("acme/large", "usable"),
        ("beta/large", "resting"),
        ("gone/x", "gone"),
    ]
    page = text(admin, "routing:combos")
    assert "data-until" in page and ">there is no such model<" in page


def test_templates_fill_the_form(admin: Client) -> None:
    for one in BLUEPRINTS:
        reply = admin.get(reverse("routing:combo_create"), {"template": one.name})
        assert [row.model for row in reply.context["steps"].rows] == list(one.models)
        assert reply.context["form"]["name"].value() == one.name
        admin.post(
            reverse("routing:combo_create"),
            typed(name=one.name, strategy=one.strategy, step_model=list(one.models), step_weight=[]),
        )
    assert {row.name for row in Combo.objects.all()} == {one.name for one in BLUEPRINTS}
    assert not admin.get(reverse("routing:combos")).context["templates"]


def test_templates_name_models_that_the_catalogue_has() -> None:
    entries = catalogue.entries()
    for one in BLUEPRINTS:
        for model in one.models:
            provider, _slash, name = model.partition("/")
            entry = entries.get(provider)
            if entry is not None and "*" not in name and not entry.any_model:
                assert name in entry.models, (one.name, model)


def test_every_strategy_and_code_has_words() -> None:
    assert set(words.STRATEGIES) == set(Strategy.values)
    assert set(Kind) <= set(words.KINDS)
    assert words.of_skip("The model 'x' does not exist.") == "The model 'x' does not exist."
    # What the gateway refuses with while it looks for somebody to ask: pages say all of it in words.
    sources = [inspect.getsource(module) for module in (names, resolve, denials)]
    codes = set(re.findall(r'code="([a-z_]+)"', "".join(sources)))
    assert codes <= set(words.REFUSALS) and len(codes) > 11


@pytest.mark.django_db(transaction=True)
def test_a_trial_goes_by_the_budgets_of_everybody_and_of_providers(
    admin: Client, upstream: Any, make_provider: Any
) -> None:
    for name in ("acme", "beta"):
        make_provider(name, upstream.url, input_price="1", output_price="1")
    row = combo("fast", "acme/large", "beta/large")
    Budget.objects.create(scope="global", limit_usd=5)
    spent = Budget.objects.create(scope="provider", provider_id="acme", period="total", limit_usd=1)
    ledger.adjust(spent.pk, Decimal(1), "", timezone.now())
    IpRule.objects.create(network="203.0.113.7", allow=True)
    GatewaySettings(address_mode="allow").save()
    place = reverse("routing:combo_test", args=[row.pk])
    first, second = admin.post(place).context["trial"].results
    assert (first.ok, first.code, second.ok) == (False, "budget_exceeded", True)
    assert "a budget is used up" in admin.post(place).content.decode()
    assert LedgerLine.objects.exclude(budget_id=spent.pk).count() == 2
    ledger.adjust(spent.pk, Decimal("-0.5"), "", timezone.now())
    told = admin.post(f"/api/v1/combos/{row.pk}/test/", content_type="application/json").json()
    assert [(one["step"], one["ok"]) for one in told["results"]] == [("acme/large", True), ("beta/large", True)]
    assert told["winner"]["provider"] == "acme" and told["results"][0]["attempts"][0]["kind"] == "ok"
    assert upstream.count == 4


# -- the trial --------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_a_trial_names_the_winner_and_every_verdict(admin: Client, upstream: Any, make_provider: Any) -> None:
    make_provider("acme", upstream.url, keys=("sk-acme",), models=("large", "small"))
    upstream.plays(sim.status(402), sim.chat("OK"))
    row = combo("fast", "acme/large", "gone/x", "acme/small", enabled=False)
    rest(Connection.objects.get().pk)
    import routing.trial

    before, routing.trial.AT_ONCE = routing.trial.AT_ONCE, 1  # in order, as the script plays
    try:
        trial = admin.post(reverse("routing:combo_test", args=[row.pk])).context["trial"]
    finally:
        routing.trial.AT_ONCE = before
    assert [(one.step, one.ok) for one in trial.results] == [
        ("acme/large", False),
        ("gone/x", False),
        ("acme/small", True),
    ]
    assert trial.winner.model == "small" and trial.results[0].attempts[0].kind == "out_of_credit"
    assert "does not exist" in trial.results[1].message
    records = list(UsageRecord.objects.order_by("id"))
    assert {record.key_name for record in records} == {"combo test"} and {r.key_id for r in records} == {None}
    assert records[-1].requested_model in ("acme/small", "acme/large")
    held = HealthState.objects.filter(subject=f"#{Connection.objects.get().pk}", until__isnull=False)
    assert [one.kind for one in held] == ["rate_limited"], "a trial holds nothing against anybody, and lifts nothing"


@pytest.mark.django_db(transaction=True)
def test_a_trial_tells_of_a_pattern_that_stands_for_nothing(admin: Client, upstream: Any, make_provider: Any) -> None:
    make_provider("acme", upstream.url, models=("small",))
    row = combo("shop", "acme/big*", "acme/small")
    trial = admin.post(reverse("routing:combo_test", args=[row.pk])).context["trial"]
    assert [(one.step, one.ok) for one in trial.results] == [("acme/big*", False), ("acme/small", True)]
    assert "does not exist" in trial.results[0].message and trial.winner.model == "small"


# -- figures ----------------------------------------------------------------------------------------------------------
def test_figures_of_steps(admin: Client, make_provider: Any) -> None:
    make_provider("acme", NOWHERE)
    make_provider("beta", NOWHERE)
    row = combo("fast", "acme/large", "beta/large")
    Alias.objects.create(pattern="quick", target="fast")

    def asked(number: int, *attempts: tuple[str, str, int], name: str = "fast", days: int = 0, **said: Any) -> None:
        provider = attempts[-1][0]
        UsageRecord.objects.create(
            request_id=f"r{number}", started_at=timezone.now() - timedelta(days=days), operation="chat",
            client_format="openai_chat", requested_model=name, provider=provider, model="large", status=200,
            result="ok", latency_ms=9, input_tokens=10, output_tokens=5, cost_usd="0.25",
            attempts=[note(provider, kind, ms) for provider, kind, ms in attempts],
            **said,
        )  # fmt: skip

    asked(1, ("acme", "ok", 100), first_byte_ms=40)
    asked(2, ("acme", "rate_limited", 5), ("beta", "ok", 300), name="quick", first_byte_ms=90)
    asked(3, ("acme", "client_gone", 7))
    asked(4, ("acme", "ok", 1), name="other")
    asked(5, ("gone", "ok", 1), days=3)
    asked(6, ("beta", "ok", 300), flat_rate=True)
    day = admin.get(reverse("analytics:combo", args=[row.pk])).context["found"]
    acme, beta = day.steps
    assert (day.requests, day.bounded) == (4, False)
    assert (acme.requests, acme.answered, acme.failed, acme.fallbacks, acme.success_rate) == (3, 1, 1, 1, 50)
    assert (acme.latency_ms, acme.first_byte_ms, acme.tokens, str(acme.cost)) == (100, 40, 30, "0.5000000000")
    assert (beta.requests, beta.latency_ms, beta.first_byte_ms, beta.fallbacks) == (2, 300, None, 0)
    assert (str(beta.cost), str(beta.notional)) == ("0.2500000000", "0.2500000000")
    told = admin.get(f"/api/v1/combo-figures/{row.pk}/", {"hours": "24"}).json()
    assert (told["requests"], told["steps"][0]["success_rate"], told["steps"][1]["latency_ms"]) == (4, 50, 300)
    assert admin.get(f"/api/v1/combo-figures/{row.pk}/", {"hours": "999"}).status_code == 400
    week = admin.get(reverse("analytics:combo", args=[row.pk]), {"hours": "168"}).context["found"]
    assert [(one.step, one.current) for one in week.steps] == [
        ("acme/large", True),
        ("beta/large", True),
        ("gone/large", False),
    ]


# -- aliases ----------------------------------------------------------------------------------------------------------
def test_aliases_are_added_deleted_and_looked_up(admin: Client, make_provider: Any) -> None:
    make_provider("acme", NOWHERE)
    page = reverse("routing:aliases")
    for pattern in ("claude-*", "claude-3-*", "best"):
        assert admin.post(page, {"pattern": pattern, "target": "acme/large"}).status_code == 302
    combo("best", "acme/large")
    shown = admin.get(page, {"name": "claude-3-opus"}).context
    assert [rule.name for rule in shown["rules"]] == ["claude-3-*", "claude-*"]
    assert [row.pattern for row, *_rest in shown["rows"]] == ["best", "claude-3-*", "claude-*"]
    assert [shadowed for _row, _plain, shadowed, _one in shown["rows"]] == [True, False, False]
    assert [rule.kind for rule in admin.get(page, {"name": "best"}).context["rules"]] == ["combo", "alias"]
    admin.post(reverse("routing:alias_delete", args=[Alias.objects.get(pattern="best").pk]))
    assert not Alias.objects.filter(pattern="best").exists()


@pytest.mark.parametrize(
    "wrong", [{"pattern": "a b"}, {"target": "x*"}, {"target": "name"}, {"pattern": ""}, {"pattern": "old"}]
)
def test_a_malformed_alias_is_explained_and_not_made(admin: Client, wrong: dict[str, str]) -> None:
    Alias.objects.create(pattern="old", target="acme/large")
    reply = admin.post(reverse("routing:aliases"), {"pattern": "name", "target": "acme/large", **wrong})
    assert reply.status_code == 200 and reply.context["form"].errors and Alias.objects.count() == 1


# -- health -----------------------------------------------------------------------------------------------------------
def test_what_is_held_is_shown_and_lifted(admin: Client, make_provider: Any) -> None:
    make_provider("acme", NOWHERE, keys=("a", "b"))
    first, second = Connection.objects.order_by("pk")
    rest(first.pk, model="large")
    rest(second.pk, Kind.CREDIT, seconds=3000)
    now = timezone.now().timestamp()
    store(
        [News("acme", "", "breaker", "", 5, now + 20, "", now), News("#999", "", "rest", "auth", 0, now + 9, "", now)]
    )
    shown = admin.get(reverse("routing:health")).context
    assert [(one.scope, one.state) for one in shown["held"]] == [
        ("connection", "terminal"),
        ("model", "rest"),
        ("provider", "breaker"),
    ], "what is held against a connection that is gone is not shown"
    (summary,) = shown["providers"]
    assert (summary.provider, summary.breakers, summary.terminal, summary.rests) == ("acme", 1, 1, 1)
    page = text(admin, "routing:health")
    assert "slow down, please" in page and "out of credit" in page
    admin.post(reverse("routing:health_reset"), {"key": shown["held"][0].row.key})
    assert len(admin.get(reverse("routing:health")).context["held"]) == 2
    admin.post(reverse("routing:health_reset"))
    assert len(admin.get(reverse("routing:health")).context["held"]) == 2, "nothing named, nothing lifted"
    admin.post(reverse("routing:health_reset"), {"all": "1"})
    assert not HealthState.objects.filter(until__isnull=False).exists()


# -- the preview ------------------------------------------------------------------------------------------------------
def test_a_member_tries_names_with_their_own_keys_only(as_member: Client, member: Any, make_provider: Any) -> None:
    make_provider("acme", NOWHERE, models=("large", "small"))
    mine, _text = keys.create(name="mine", owner=member, patterns=["acme/large"])
    other, _text = keys.create(name="boss")
    page = reverse("routing:preview")
    found = as_member.get(page, {"model": "acme/large", "key": mine.pk}).context["found"]
    assert [(one.provider, one.model) for one in found.candidates] == [("acme", "large")]
    assert as_member.get(page, {"model": "acme/small", "key": mine.pk}).context["found"].refusal.status == 403
    for key in (other.pk, ""):
        assert "found" not in as_member.get(page, {"model": "acme/large", "key": key}).context
    assert "acme/small" in text(as_member, "routing:preview"), "what a key they may make could ask for"


def test_the_preview_is_for_users_too(admin: Client, member: Any, make_provider: Any) -> None:
    make_provider("acme", NOWHERE, input_price="1", output_price="1")
    page = reverse("routing:preview")
    other = User.objects.create_user("other@example.com")
    budget = Budget.objects.create(scope="user", user=other, period="total", limit_usd=Decimal(1))
    ledger.adjust(budget.pk, Decimal(1), "used up", timezone.now())
    shown = admin.get(page, {"model": "acme/large", "user": other.pk})
    assert shown.context["found"].refusal.code == "budget_exceeded"
    assert "The total budget of user" in shown.content.decode() and shown.context["candidates"][0].state == "not"
    assert admin.get(page, {"model": "acme/large", "user": member.pk}).context["found"].refusal is None
    refused = admin.get(page, {"model": "acme/large", "user": other.pk, "operation": "nonsense"})
    assert "found" not in refused.context and refused.context["form"].errors.keys() == {"operation"}


def test_a_member_tries_names_as_themselves(as_member: Client, member: Any, make_provider: Any) -> None:
    make_provider("acme", NOWHERE)
    page = reverse("routing:preview")
    other = User.objects.create_user("other@example.com")
    mine = as_member.get(page, {"model": "acme/large", "user": member.pk}).context
    assert [(one.provider, one.model) for one in mine["found"].candidates] == [("acme", "large")]
    hidden = as_member.get(page, {"model": "acme/large", "user": other.pk}).context
    assert "found" not in hidden and hidden["form"].errors.keys() == {"user"}
    nobody = as_member.get(page, {"model": "acme/large"}).context
    assert "found" not in nobody and nobody["form"].errors.keys() == {"key"}


def test_the_preview_shows_order_rests_and_holes(admin: Client, make_provider: Any) -> None:
    make_provider("acme", NOWHERE)
    make_provider("beta", NOWHERE)
    combo("fast", "acme/large", "gone/x", "beta/large")
    Alias.objects.create(pattern="q*", target="fast")
    rest(Connection.objects.get(provider_id="acme").pk, Kind.QUOTA)
    shown = admin.get(reverse("routing:preview"), {"model": "quick"}).context
    assert [(one.candidate.provider, one.state) for one in shown["candidates"]] == [("acme", "not"), ("beta", "asked")]
    assert shown["found"].combo == "fast" and shown["rule"].kind == "pattern"
    assert [(step.name, step.code) for step in shown["found"].left_out] == [("gone/x", "model_not_found")]
    assert admin.get(reverse("routing:preview"), {"model": "nothing"}).context["found"].refusal.status == 404


def test_the_preview_shows_what_holds_for_the_caller(
    admin: Client, member: Any, team: Team, make_provider: Any
) -> None:
    make_provider("acme", NOWHERE, input_price="1", output_price="1")
    key, _text = keys.create(name="ci", owner=member, team=team)
    Limit.objects.create(team=team, requests_per_minute=70, parallel=3)
    Limit.objects.create(api_key=key, tokens_per_minute=9000)
    Limit.objects.create(user=User.objects.create_user("other@example.com"), requests_per_minute=123)
    budget = Budget.objects.create(scope="provider", provider_id="acme", period="total", limit_usd=Decimal(1))
    ledger.adjust(budget.pk, Decimal("0.99"), "nearly", timezone.now())
    ledger.adjust(budget.pk, Decimal("0.01"), "used up", timezone.now())
    Policy.objects.create(kind="guard", settings={"mode": "block"}, team=team)
    GatewaySettings(address_mode="allow", requests_per_address=7).save()
    asked = {"model": "acme/large", "key": key.pk}
    page = admin.get(reverse("routing:preview"), asked).content.decode()
    assert ">9,000<" in page and ">70<" in page and ">3<" in page and ">123<" not in page
    assert page.count("Provider <bdi>acme</bdi> · Total") == 1, "which budget keeps the candidate away"
    assert "$0.99" not in page and "$1.00" in page and "used up" in page
    assert "Refuse the request" in page and str(Policy.Kind.GUARD.label) in page
    shown = admin.get(reverse("routing:preview"), {**asked, "address": "203.0.113.7"})
    assert shown.context["found"].refusal.code == "address_not_allowed"
    assert "requests from this address are not taken" in shown.content.decode().lower()
    IpRule.objects.create(network="203.0.113.7", allow=True)
    page = admin.get(reverse("routing:preview"), {**asked, "address": "203.0.113.7"}).content.decode()
    assert 'Address <bdi class="o-strong">203.0.113.7</bdi>' in page and ">7<" in page
    assert "address" in admin.get(reverse("routing:preview"), {**asked, "address": "nowhere"}).context["form"].errors
    admin.force_login(member)
    mine = admin.get(reverse("routing:preview"), {**asked, "address": "nowhere"})
    assert "address" not in mine.context["form"].fields and mine.context["found"].refusal.code == "budget_exceeded"
    assert "Its figures are for others to see." in mine.content.decode()


# -- permissions ------------------------------------------------------------------------------------------------------
def test_a_keys_permissions_are_set_and_kept(as_member: Client, member: User, make_provider: Any) -> None:
    make_provider("acme", NOWHERE)
    data = {
        "name": "ci", "patterns": "*", "combos_apart": "on", "combos": "", "providers": ["acme"], "endpoints": ["chat"],
    }  # fmt: skip
    as_member.post(reverse("routing:key_create"), data)
    key = ApiKey.objects.get()
    assert (key.combo_patterns, key.providers, key.endpoints) == ([], ["acme"], ["chat"])
    form = as_member.get(reverse("routing:key_edit", args=[key.pk])).context["form"]
    assert form["combos_apart"].value() and form["providers"].value() == ["acme"]
    as_member.post(reverse("routing:key_edit", args=[key.pk]), {"name": "ci", "patterns": "*"})
    key.refresh_from_db()
    assert (key.combo_patterns, key.providers, key.endpoints) == (None, [], [])
    for wrong in ({"providers": ["nobody"]}, {"endpoints": ["everything"]}):
        assert (
            "o-errors" in as_member.post(reverse("routing:key_edit", args=[key.pk]), {**data, **wrong}).content.decode()
        )


def test_a_teams_permissions_are_set_and_lifted(admin: Client, team: Team) -> None:
    assert reverse("routing:team_access", args=[team.pk]) in text(admin, "accounts:people")
    page = reverse("routing:team_access", args=[team.pk])
    admin.post(page, {"patterns": "openai/*\nacme/*", "endpoints": ["chat"]})
    row = TeamAccess.objects.get()
    assert (row.team, row.model_patterns, row.combo_patterns, row.endpoints) == (
        team,
        ["openai/*", "acme/*"],
        None,
        ["chat"],
    )
    assert "openai/*" in admin.get(page).content.decode()
    admin.post(page, {"patterns": "*"})
    assert not TeamAccess.objects.exists()


# -- the story of a request -------------------------------------------------------------------------------------------
def test_a_request_tells_its_story_in_words(admin: Client) -> None:
    combo("fast", "acme/large")
    record = UsageRecord.objects.create(
        request_id="r1", started_at=timezone.now(), operation="chat", client_format="openai_chat",
        requested_model="fast", provider="acme", model="large", connection="main", status=200, result="ok",
        latency_ms=9,
        attempts=[
            note("beta", "rate_limited", 3),
            note("acme", "ok", 3),
        ],
        skips=[{"provider": "z", "connection": "c", "model": "m", "why": "breaker_open", "seconds": 5.0}],
    )  # fmt: skip
    page = text(admin, "analytics:request", record.request_id)
    for said in (
        "The combo",
        "1 candidate not asked",
        "1 attempt failed",
        "answered by",
        "rate limit was met",
        "circuit breaker is open",
    ):
        assert said in page, said
    shown = admin.get(f"/api/v1/requests/{record.request_id}/").json()
    assert shown["skips"][0]["why"] == "breaker_open" and shown["attempts"][0]["kind"] == "rate_limited"


# -- how often a connection is asked ----------------------------------------------------------------------------------
def test_the_pace_of_a_connection_is_set_by_page_and_api(admin: Client, make_provider: Any) -> None:
    make_provider("acme", NOWHERE)
    row = Connection.objects.get()
    page = reverse("providers:connection_edit", args=[row.pk])
    pace = {"weight": "3", "requests_per_minute": "60", "min_gap_ms": "5", "max_concurrent": "4", "quota_reserve": "20"}
    assert admin.post(page, {"name": "c1", "priority": "1", "enabled": "on", **pace}).status_code == 302
    row.refresh_from_db()
    assert {name: str(getattr(row, name)) for name in pace} == pace
    wrong = admin.post(page, {"name": "c1", "priority": "1", **pace, "quota_reserve": "100", "weight": "-1"})
    assert set(wrong.context["form"].errors) == {"quota_reserve", "weight"}
    reply = admin.patch(f"/api/v1/connections/{row.pk}/", {"quota_reserve": None}, content_type="application/json")
    assert (reply.status_code, reply.json()["weight"], reply.json()["quota_reserve"]) == (200, 3, None)
    bad = admin.patch(f"/api/v1/connections/{row.pk}/", {"min_gap_ms": 70_000}, content_type="application/json")
    assert bad.status_code == 400 and "min_gap_ms" in bad.json()["error"]["fields"]


def test_the_choice_among_connections_is_a_providers_own(admin: Client, make_provider: Any) -> None:
    make_provider("acme", NOWHERE)
    page = reverse("providers:edit", args=["acme"])
    form = admin.get(page).context["form"]
    data = {"name": "Acme", "format": "openai_chat", "base_url": NOWHERE, "tier": "api_key", "transport": "fast"}
    data |= {"allow_private_network": "on", "model_ids": "large", "strategy": "round-robin"}
    assert "tiers" not in [value for value, _label in form.fields["strategy"].choices]
    assert admin.post(page, data).status_code == 302
    assert admin.get("/api/v1/providers/acme/").json()["strategy"] == "round-robin"
    wrong = admin.patch("/api/v1/providers/acme/", {"strategy": "guess"}, content_type="application/json")
    assert wrong.status_code == 400
