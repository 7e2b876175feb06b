"""What the dashboard shows of how things stand, the management API tells: combos' steps, budgets, providers' facts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from analytics import budgets
from analytics.models import LedgerLine
from providers import catalogue
from routing import combos, keys
from routing.blueprints import BLUEPRINTS
from routing.models import Budget, Combo
from routing.money import units

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> APIClient:
    catalogue.sync()
    client = APIClient()
    client.force_login(User.objects.create_superuser("admin@example.com"))
    return client


# -- combos ------------------------------------------------------------------------------------------------------------
def test_how_each_step_stands(api: APIClient, make_provider: Any) -> None:
    make_provider("acme", "http://127.0.0.1:9/v1")
    combo = Combo(name="c")
    combos.store(combo, [combos.Step("acme/large", 3), combos.Step("acme/*"), combos.Step("nobody/x")])
    found = api.get(f"/api/v1/combos/{combo.pk}/standing/").json()
    assert [(row["model"], row["weight"], row["state"], row["models"]) for row in found] == [
        ("acme/large", 3, "usable", 1), ("acme/*", 1, "usable", 1), ("nobody/x", 1, "gone", 0),
    ]  # fmt: skip
    assert "nobody/x" in found[2]["why"]


def test_a_combo_is_duplicated(api: APIClient) -> None:
    combo = Combo(name="c", strategy="weighted")
    combos.store(combo, [combos.Step("groq/a", 3), combos.Step("groq/b")])
    reply = api.post(f"/api/v1/combos/{combo.pk}/duplicate/")
    assert reply.status_code == 201
    shown = reply.json()
    original = api.get(f"/api/v1/combos/{combo.pk}/").json()
    assert shown == original | {"id": shown["id"], "name": "c-copy"} and shown["id"] != combo.pk


def test_every_template_can_be_made_as_it_is_shown(api: APIClient) -> None:
    for plan in api.get("/api/v1/combos/templates/").json():
        assert plan["taken"] is False and [row["model"] for row in plan["standing"]] == plan["steps"]
        body = {name: plan[name] for name in ("name", "strategy", "steps")}
        assert api.post("/api/v1/combos/", body, format="json").status_code == 201
    assert [plan["taken"] for plan in api.get("/api/v1/combos/templates/").json()] == [True] * len(BLUEPRINTS)


def test_only_site_administrators_see_how_combos_stand(api: APIClient, member: User) -> None:
    combo = Combo(name="c")
    combos.store(combo, [combos.Step("groq/a")])
    api.force_login(member)
    for verb, path in (("get", f"{combo.pk}/standing"), ("post", f"{combo.pk}/duplicate"), ("get", "templates")):
        assert getattr(api, verb)(f"/api/v1/combos/{path}/").status_code == 403


# -- budgets -----------------------------------------------------------------------------------------------------------
def test_how_a_budget_stands(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(
        budgets, "_reserved", lambda purses: asked.append(len(purses)) or [units(Decimal(1))] * len(purses)
    )
    key, _text = keys.create(name="ci")
    for period in ("total", "monthly"):
        made = api.post(
            "/api/v1/budgets/", {"scope": "key", "api_key": key.pk, "period": period, "limit_usd": "10"}, format="json"
        )
        assert made.status_code == 201 and made.json()["standing"]["spent_usd"] == "0.0000000000"
        LedgerLine.objects.create(
            budget_id=made.json()["id"],
            kind="settle",
            units=units(Decimal("2.5")),
            at=made.json()["standing"]["begin"],
        )
    asked.clear()
    total, monthly = api.get("/api/v1/budgets/").json()["results"]
    assert asked == [2]  # one question for the whole page
    figures = {"spent_usd": "2.5000000000", "reserved_usd": "1.0000000000", "left_usd": "6.5000000000", "share": 25}
    assert total["standing"] == total["standing"] | figures | {"end": None}
    assert monthly["standing"]["end"] > monthly["standing"]["begin"]
    assert api.get(f"/api/v1/budgets/{total['id']}/").json() == total


def test_people_see_their_own_budgets_and_change_none(api: APIClient, member: User) -> None:
    mine = Budget.objects.create(scope="user", user=member, limit_usd=1)
    other = Budget.objects.create(scope="global", limit_usd=1)
    api.force_login(member)
    assert [row["id"] for row in api.get("/api/v1/budgets/").json()["results"]] == [mine.pk]
    assert api.get(f"/api/v1/budgets/{other.pk}/").status_code == 404
    assert api.patch(f"/api/v1/budgets/{mine.pk}/", {"limit_usd": "9"}, format="json").status_code == 403
    assert api.post("/api/v1/budgets/", {"scope": "global", "limit_usd": "9"}, format="json").status_code == 403
    assert api.delete(f"/api/v1/budgets/{mine.pk}/").status_code == 403


# -- providers ---------------------------------------------------------------------------------------------------------
def test_what_is_known_of_a_provider(api: APIClient) -> None:
    ended = api.get("/api/v1/providers/iflow/").json()
    entry = catalogue.entries()["iflow"]
    assert (
        entry.ended is not None and ended["facts"]["ended"] == entry.ended.isoformat() and "ended" in ended["problem"]
    )
    for entry in catalogue.entries().values():
        shown = api.get(f"/api/v1/providers/{entry.id}/").json()["facts"]
        assert (shown["terms_risk"], shown["notes"], shown["login"]) == (entry.terms_risk, entry.notes, entry.login)
        assert shown["uncertain"] == sorted(entry.uncertain)
        assert [row["window"] for row in shown["quota"]] == [row.window for row in entry.quota]
        assert {name: Decimal(price) for name, price in shown["plans"].items()} == dict(entry.plans)
    name = next(entry.id for entry in catalogue.entries().values() if any(m.uncertain for m in entry.models.values()))
    listed = api.get(f"/api/v1/providers/{name}/models/?page_size=500").json()["results"]
    models = catalogue.entries()[name].models
    assert {row["id"] for row in listed if row["uncertain"]} == {id for id, model in models.items() if model.uncertain}
