"""Policies and caches on their pages and in the management API."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import yaml
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Team, User
from analytics.models import UsageRecord
from omniroute.declarative.apply import apply
from omniroute.declarative.document import BadDocument
from omniroute.declarative.export import export
from routing import keys, publish
from routing.models import CacheFlush, CacheSettings, Policy
from routing.snapshot import Caching

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(admin_user: User, client: Client) -> Client:
    client.force_login(admin_user)
    return client


@pytest.fixture
def api(admin_user: User) -> APIClient:
    found = APIClient()
    found.force_login(admin_user)
    return found


FORMS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("system_prompt", {"before": "A", "after": ""}, {"before": "A", "after": ""}),
    ("thinking", {"mode": "custom", "budget": "0"}, {"mode": "custom", "budget": 0, "unasked": False}),
    ("max_tokens", {"mode": "force", "tokens": "7"}, {"mode": "force", "tokens": 7}),
    (
        "guard",
        {"mode": "block", "block_from": "medium", "scan": ["user"], "families": ["role"], "patterns": "own  x{2} y\n"},
        {"mode": "block", "block_from": "medium", "scan": ["user"], "families": ["role"],
         "patterns": [{"name": "own", "pattern": "x{2} y"}]},
    ),
    ("redaction", {"kinds": ["email"], "scan": ["user"]}, {"kinds": ["email"], "scan": ["user"], "patterns": []}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "said", "settings"), FORMS)
def test_a_form_for_every_kind(admin: Client, kind: str, said: Any, settings: Any) -> None:
    assert admin.get(reverse("policies:create", args=[kind])).status_code == 200
    reply = admin.post(reverse("policies:create", args=[kind]), said | {"enabled": "on"})
    assert reply.status_code == 302, reply.context["form"].errors
    row = Policy.objects.get()
    assert (row.kind, row.enabled, row.settings) == (kind, True, settings)
    assert admin.get(reverse("policies:edit", args=[row.pk])).status_code == 200
    assert [rule.kind for rule in publish.build().policies] == [kind]


def test_what_is_wrong_is_told_in_the_form(admin: Client) -> None:
    said = {"mode": "warn", "block_from": "high", "scan": ["user"], "patterns": "bad (?<=a)b", "enabled": "on"}
    reply = admin.post(reverse("policies:create", args=["guard"]), said)
    assert "RE2 cannot use the pattern" in reply.content.decode()
    admin.post(reverse("policies:create", args=["max_tokens"]), {"mode": "cap", "tokens": "5", "enabled": "on"})
    again = admin.post(reverse("policies:create", args=["max_tokens"]), {"mode": "cap", "tokens": "6", "enabled": "on"})
    assert again.status_code == 200 and Policy.objects.count() == 1
    assert admin.get(reverse("policies:create", args=["nothing"])).status_code == 404


def test_policies_are_listed_switched_and_deleted(admin: Client) -> None:
    row = Policy.objects.create(kind="guard", settings={"mode": "warn"}, team=Team.objects.create(name="Red"))
    Policy.objects.create(kind="max_tokens", settings={"tokens": 5})
    page = admin.get(reverse("policies:list")).content.decode()
    assert "Red" in page and "Note it in the request log" in page and "At most" in page and ">warn<" not in page
    Policy.objects.get(kind="max_tokens").delete()
    admin.post(reverse("policies:switch", args=[row.pk]))
    assert Policy.objects.get().enabled is False
    admin.post(reverse("policies:delete", args=[row.pk]))
    assert not Policy.objects.exists()


def test_the_cache_page(admin: Client) -> None:
    UsageRecord.objects.create(
        request_id="r", started_at=timezone.now(), operation="chat", client_format="openai_chat", status=200,
        result="ok", latency_ms=1, cache="hit", saved_tokens=1234, saved_usd="0.5",
    )  # fmt: skip
    assert "1,234" in admin.get(reverse("cache:page")).content.decode()
    said = {name: str(getattr(CacheSettings(), name)) for name in Caching.__dataclass_fields__}
    said = {name: value for name, value in said.items() if value != "False"} | {"exact": "on", "ttl_seconds": "9"}
    assert admin.post(reverse("cache:page"), said).status_code == 302
    assert publish.build().caching == Caching(exact=True, ttl_seconds=9)
    admin.post(reverse("cache:flush"), {"model": "acme/large"})
    assert [row.subject for row in CacheFlush.objects.all()] == ["model:acme/large"]


WRONG_MODELS = [
    ("nobody/vectors", "There is no model “nobody/vectors”."),
    ("mute/own", "“mute/own” makes no embeddings."),
    ("openai/gpt-5", "“openai/gpt-5” makes no embeddings."),
]


@pytest.fixture
def embedding(make_provider: Any, settings: Any) -> None:
    """Providers that embed and that do not, and one of the catalogue."""
    from providers import catalogue
    from providers.connections import set_secret
    from providers.models import Connection

    catalogue.sync()
    make_provider("acme", "http://127.0.0.1:9/v1", models=("vectors",))
    make_provider("mute", "http://127.0.0.1:9", format="anthropic", models=("own",))
    connection = Connection(provider_id="openai", name="main")
    set_secret(connection, "sk-x")
    connection.save()


@pytest.mark.parametrize(("model", "words"), WRONG_MODELS)
def test_a_model_that_cannot_embed_is_told_everywhere(
    admin: Client, api: APIClient, embedding: None, model: str, words: str
) -> None:
    said = {"exact": "on", "semantic": "on", "semantic_model": model}
    assert words in admin.post(reverse("cache:page"), said).content.decode()
    reply = api.patch("/api/v1/cache-settings/", {**said, "exact": True, "semantic": True}, format="json")
    assert reply.status_code == 400 and reply.json()["error"]["fields"] == {"semantic_model": [words]}
    with pytest.raises(BadDocument, match=words):
        apply(f"cache: {{exact: true, semantic: true, semantic_model: {model}}}", variable={}.get)
    assert not CacheSettings.objects.exists()


def test_a_model_that_embeds_is_taken_and_exported(admin: Client, api: APIClient, embedding: None) -> None:
    usual = {name: str(getattr(CacheSettings(), name)) for name in Caching.__dataclass_fields__}
    said = {name: value for name, value in usual.items() if value != "False"} | {"exact": "on", "semantic": "on"}
    for model in ("acme/vectors", "openai/text-embedding-3-small"):
        reply = admin.post(reverse("cache:page"), said | {"semantic_model": f" {model} "})
        assert reply.status_code == 302, reply.context["form"].errors
        assert publish.build().caching == Caching(exact=True, semantic=True, semantic_model=model)
    assert 'value="openai/text-embedding-3-small"' in admin.get(reverse("cache:page")).content.decode()
    assert api.get("/api/v1/cache-settings/").json()["semantic_model"] == model
    section = yaml.safe_load(export())["cache"]
    assert section == asdict(Caching(exact=True, semantic=True, semantic_model=model))
    text = yaml.safe_dump({"cache": {**section, "semantic_model": "acme/vectors"}})
    assert [str(change) for change in apply(text, variable={}.get).changes] == [
        "~ settings cache (semantic_model openai/text-embedding-3-small → acme/vectors)"
    ]
    apply("cache: {semantic_model: null}", variable={}.get)
    assert CacheSettings.load().semantic_model == ""


def test_a_model_needs_no_package(admin: Client, embedding: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routing.shaping.find_spec", lambda name: None)
    row = CacheSettings(exact=True, semantic=True)
    with pytest.raises(ValidationError, match="pip install"):
        row.full_clean(exclude=["id"])
    row.semantic_model = "acme/vectors"
    row.full_clean(exclude=["id"])


@pytest.mark.parametrize("name", ["policies:list", "cache:page"])
def test_others_may_not_look(member: User, client: Client, name: str) -> None:
    client.force_login(member)
    assert client.get(reverse(name)).status_code == 403


def test_policies_in_the_api(api: APIClient, member: User) -> None:
    key, _ = keys.create(name="ci")
    body = {"kind": "max_tokens", "settings": {"tokens": 5}, "key": key.pk}
    made = api.post("/api/v1/policies/", body, format="json")
    assert made.status_code == 201, made.content
    assert made.json() == {"id": made.json()["id"], "team": None, "enabled": True, **body}
    assert api.post("/api/v1/policies/", body, format="json").status_code == 400
    wrong = api.patch(f"/api/v1/policies/{made.json()['id']}/", {"settings": {"tokens": 0}}, format="json")
    assert wrong.status_code == 400 and "settings" in wrong.json()["error"]["fields"]
    api.force_login(member)
    assert api.get("/api/v1/policies/").status_code == 403


def test_caches_in_the_api(api: APIClient) -> None:
    assert api.patch("/api/v1/cache-settings/", {"semantic": True}, format="json").status_code == 400
    assert api.patch("/api/v1/cache-settings/", {"exact": True}, format="json").json()["exact"] is True
    found = api.get("/api/v1/cache/").json()
    assert (found["hits"], found["where"], found["usd_saved"]) == (0, "memory", "0.0000000000")
    key, _ = keys.create(name="ci")
    assert api.post("/api/v1/cache/flush/", {"key": key.pk}, format="json").status_code == 204
    assert api.post("/api/v1/cache/flush/", {"key": key.pk, "model": "m"}, format="json").status_code == 400
    assert api.post("/api/v1/cache/flush/", {}, format="json").status_code == 204
    assert [row.subject for row in CacheFlush.objects.all()] == [""]


def test_every_setting_of_the_caches_is_read_by_the_gateway() -> None:
    columns = {field.name for field in CacheSettings._meta.get_fields()} - {"id"}
    assert columns == set(Caching.__dataclass_fields__)
