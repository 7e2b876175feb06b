"""The dashboard's pages: who may open and do what, what they show and what never leaves them."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Membership, Team, User
from analytics import tasks
from analytics.models import Result, UsageRecord
from omniroute import navigation
from providers import catalogue, connections
from providers.fields import reveal
from providers.models import Connection, Provider, ProviderModel, Proxy
from routing import keys
from routing.models import ApiKey, Combo, GatewaySettings

pytestmark = pytest.mark.django_db

SECRET = "not-a-real-key-0123456789"
EVERYBODYS = ("omniroute:overview", "omniroute:endpoint", "routing:keys", "routing:key_create", "analytics:requests")


@pytest.fixture
def admin(admin_user: User, client: Client) -> Client:
    catalogue.sync()
    client.force_login(admin_user)
    return client


@pytest.fixture
def as_member(member: User, client: Client) -> Client:
    catalogue.sync()
    client.force_login(member)
    return client


def record(**values: Any) -> UsageRecord:
    number = UsageRecord.objects.count()
    usual = {
        "request_id": f"req-{number}",
        "started_at": timezone.now(),
        "operation": "chat",
        "client_format": "openai_chat",
        "provider": "openai",
        "model": "gpt-4o",
        "requested_model": "openai/gpt-4o",
        "status": 200,
        "result": Result.OK,
        "latency_ms": 1200,
        "input_tokens": 1500,
        "output_tokens": 20,
        "cost_usd": Decimal("0.0042"),
        "key_name": "ci",
    }
    return UsageRecord.objects.create(**{**usual, **values})


def text(client: Client, name: str, *args: Any, **query: Any) -> str:
    reply = client.get(reverse(name, args=args), query)
    assert reply.status_code == 200, (name, reply.status_code)
    return reply.content.decode()


# -- the shell --------------------------------------------------------------------------------------------------------
def test_every_page_asks_strangers_to_sign_in(client: Client, db: None) -> None:
    menu = [row.url for group in navigation.GROUPS for row in group.rows if not row.url.startswith("admin:")]
    for name in (*EVERYBODYS, *menu, "providers:create", "routing:combo_create", "routing:limit_create"):
        reply = client.get(reverse(name))
        assert reply.status_code == 302 and reply["Location"].startswith("/accounts/login/"), name
    for path in ("policies/new/guard/", "policies/1/", "policies/1/delete/", "budgets/new/", "combos/1/", "quotas/"):
        reply = client.get(f"/dashboard/{path}")
        assert reply.status_code == 302 and reply["Location"] == f"/accounts/login/?next=/dashboard/{path}", path


def test_every_row_of_the_menu_leads_somewhere(admin: Client) -> None:
    for group in navigation.GROUPS:
        for row in group.rows:
            reply = admin.get(reverse(row.url), follow=True)
            assert reply.status_code == 200, row.url
            assert 'id="nav-sidebar"' in reply.content.decode(), row.url


def test_a_member_sees_only_what_they_may_do(as_member: Client) -> None:
    page = text(as_member, "omniroute:overview")
    assert reverse("routing:keys") in page and reverse("account_change_password") in page
    assert reverse("providers:list") not in page and "/admin/" not in page


def test_members_are_refused_where_the_menu_has_no_entry(as_member: Client, make_provider: Any) -> None:
    make_provider("acme", "http://127.0.0.1:9/v1")
    connection = Connection.objects.get(provider_id="acme")
    for name, args in (
        ("providers:list", ()),
        ("providers:create", ()),
        ("providers:detail", ("acme",)),
        ("providers:edit", ("acme",)),
        ("providers:delete", ("acme",)),
        ("providers:connection_create", ("acme",)),
        ("providers:connection_edit", (connection.pk,)),
        ("providers:connection_delete", (connection.pk,)),
    ):
        assert as_member.get(reverse(name, args=args)).status_code == 403, name
    for name, pk in (
        ("providers:switch", "acme"),
        ("providers:connection_switch", connection.pk),
        ("providers:connection_test", connection.pk),
        ("providers:connection_delete", connection.pk),
    ):
        assert as_member.post(reverse(name, args=[pk])).status_code == 403, name
    assert Provider.objects.get(pk="acme").enabled and Connection.objects.get(pk=connection.pk).enabled


def test_changes_need_a_post(admin: Client, make_provider: Any) -> None:
    make_provider("acme", "http://127.0.0.1:9/v1")
    assert admin.get(reverse("providers:switch", args=["acme"])).status_code == 405
    assert Provider.objects.get(pk="acme").enabled


def test_posts_without_a_token_are_refused(admin_user: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    assert strict.post(reverse("routing:key_create"), {"name": "x"}).status_code == 403
    assert not ApiKey.objects.exists()


def test_security_headers_are_on_every_answer(client: Client, db: None) -> None:
    for path in ("/accounts/login/", "/nothing-here/", "/dashboard/"):
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert (
            "frame-ancestors 'none'" in policy
            and "object-src 'none'" in policy
            and "'unsafe-inline'" not in policy.split("style-src")[0]
        )
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin" and "camera=()" in headers["Permissions-Policy"]


def test_forms_may_lead_to_an_identity_provider_only_from_the_sign_in_pages(client: Client, db: None) -> None:
    assert "form-action 'self' https:" in client.get("/accounts/login/").headers["Content-Security-Policy"]
    assert "form-action 'self';" in client.get("/dashboard/").headers["Content-Security-Policy"]


def test_no_page_has_an_inline_script(admin: Client) -> None:
    for name in (*EVERYBODYS, "providers:list", "admin:index"):
        page = text(admin, name)
        assert not re.search(r"<script(?![^>]*\ssrc=)|\son(click|load|error)=", page), name
        assert not re.search(r"""(src|href)=["']https?://(?!testserver)""", page), name


# -- languages --------------------------------------------------------------------------------------------------------
def test_the_browsers_language_is_used_until_somebody_chooses(client: Client, db: None) -> None:
    page = client.get("/accounts/login/", headers={"Accept-Language": "ar"}).content.decode()
    assert 'lang="ar" dir="rtl"' in page
    client.post(reverse("set_language"), {"language": "en", "next": "/accounts/login/"})
    page = client.get("/accounts/login/", headers={"Accept-Language": "ar"}).content.decode()
    assert 'lang="en" dir="ltr"' in page


def test_the_switcher_offers_every_language_by_its_own_name(admin: Client) -> None:
    page = text(admin, "omniroute:overview")
    for code, own_name in settings.LANGUAGES:
        assert f'value="{code}"' in page and own_name in page


def test_every_language_can_be_chosen(client: Client, db: None) -> None:
    for code, _own_name in settings.LANGUAGES:
        client.post(reverse("set_language"), {"language": code, "next": "/"})
        page = client.get("/accounts/login/").content.decode()
        assert f'lang="{code}" dir="{"rtl" if code in settings.LANGUAGES_BIDI else "ltr"}"' in page


async def test_the_language_middleware_works_without_threads(async_client: Any) -> None:
    reply = await async_client.get("/accounts/login/", headers={"Accept-Language": "ar"})
    assert reply.headers["Content-Language"] == "ar" and "Accept-Language" in reply.headers["Vary"]


def test_arabic_lacks_no_string_of_ours() -> None:
    from babel.messages.pofile import read_po

    with (Path(settings.SOURCE) / "locale/ar/LC_MESSAGES/django.po").open("rb") as file:
        strings = [message for message in read_po(file) if message.id]
    assert len(strings) > 400
    assert [message.id for message in strings if not message.string or message.fuzzy] == []


# -- overview and endpoint --------------------------------------------------------------------------------------------
def test_an_empty_installation_shows_the_first_steps(admin: Client) -> None:
    page = text(admin, "omniroute:overview")
    assert "First steps" in page and "Add a connection to a provider" in page


def test_the_overview_counts_what_the_person_may_see(admin: Client, member: User, client: Client) -> None:
    record(user_id=member.pk)
    record(user_id=None, result=Result.FAILED, status=502, error_message="it broke")
    page = text(admin, "omniroute:overview", hours=168)
    assert "First steps" not in page and "50.0 %" in page and "$0.0084" in page
    client.force_login(member)
    page = text(client, "omniroute:overview")
    assert "100.0 %" in page and "$0.0042" in page and "it broke" not in page


def test_the_overview_tells_flat_rate_use_apart_from_the_cost(admin: Client) -> None:
    record(cost_usd="2")
    assert "Flat-rate" not in text(admin, "omniroute:overview")
    record(cost_usd="3", flat_rate=True)
    for _again in ("in the log", "in the hourly sums"):
        page = text(admin, "omniroute:overview")
        assert "$2.00" in page and "would have cost <bdi>$3.00</bdi>" in page and "$5.00" not in page
        tasks.roll_up()


def test_flat_rate_use_is_marked_wherever_its_cost_is_told(admin: Client) -> None:
    record(cost_usd="2", request_id="charged")
    assert "flat rate" not in text(admin, "analytics:requests")
    record(cost_usd="3", flat_rate=True, request_id="flat")
    assert text(admin, "analytics:requests").count("flat rate") == 1
    page = text(admin, "analytics:request", "flat")
    assert "flat rate" in page and "$0.00" in page and "would have cost <bdi>$3.00</bdi>" in page
    assert "flat rate" not in text(admin, "analytics:request", "charged")
    told = {row["request_id"]: row for row in admin.get("/api/v1/requests/").json()["results"]}
    assert [told[name]["charged_usd"] for name in ("charged", "flat")] == ["2.0000000000", "0.0000000000"]
    assert [told[name]["cost_usd"] for name in ("charged", "flat")] == ["2.0000000000", "3.0000000000"]


def test_the_notice_is_shown_as_text(as_member: Client) -> None:
    GatewaySettings.objects.create(notice="<b>Sunday</b>")
    page = text(as_member, "omniroute:overview")
    assert "&lt;b&gt;Sunday" in page and "<b>Sunday" not in page


def test_the_endpoint_lists_the_models_of_the_persons_keys(as_member: Client, member: User, make_provider: Any) -> None:
    make_provider("acme", "http://127.0.0.1:9/v1", models=["large", "small"])
    assert "acme/large" not in text(as_member, "omniroute:endpoint")
    keys.create(name="k", owner=member, patterns=["acme/large"])
    page = text(as_member, "omniroute:endpoint")
    assert "acme/large" in page and "acme/small" not in page and "http://testserver/v1" in page
    assert "OPENAI_BASE_URL=http://testserver/v1" in page
    for path in ("/v1/messages", "/v1/responses", "/v1/embeddings", "/v2/rerank", "/v1beta/models/{model}:countTokens"):
        assert f"POST http://testserver{path}<" in page
    assert "GET http://testserver/v1/models<" in page


def test_what_is_asked_for_is_said_in_words(admin: Client) -> None:
    row = record(request_id="counted", operation="count")
    for page in (text(admin, "analytics:request", row.request_id), text(admin, "routing:preview")):
        assert "counting tokens</" in page and ">count<" not in page
    assert "reranking</" in text(admin, "providers:detail", "cohere")


# -- providers --------------------------------------------------------------------------------------------------------
def test_a_connection_is_added_and_its_secret_never_shown(admin: Client) -> None:
    page = reverse("providers:connection_create", args=["openai"])
    reply = admin.post(page, {"name": "main", "secret": SECRET, "priority": 1, "enabled": "on"})
    assert reply.status_code == 302
    connection = Connection.objects.get()
    assert connections.secret_of(connection) == SECRET and connection.origin == "https://api.openai.com:443"
    for name, pk in (("providers:detail", "openai"), ("providers:connection_edit", connection.pk)):
        assert SECRET not in text(admin, name, pk)


def test_an_empty_secret_keeps_the_stored_one(admin: Client) -> None:
    row = connections.add(Provider.objects.get(pk="openai"), "main", SECRET, proxy="http://user:pw@127.0.0.1:9")
    page = reverse("providers:connection_edit", args=[row.pk])
    admin.post(page, {"name": "renamed", "secret": "", "proxy": "openai/main", "priority": 3, "enabled": "on"})
    row = Connection.objects.get()
    assert (row.name, row.priority) == ("renamed", 3)
    assert connections.secret_of(row) == SECRET and connections.proxy_of(row) == "http://user:pw@127.0.0.1:9"
    admin.post(page, {"name": "renamed", "priority": 3, "proxy": ""})
    assert connections.proxy_of(Connection.objects.get()) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": ""},
        {"secret": "two\nlines"},
        {"name": ""},
        {"priority": "-1"},
        {"proxy": "ftp://x"},
        {"priority": "many"},
    ],
)
def test_a_malformed_connection_is_explained_and_not_saved(admin: Client, wrong: dict[str, str]) -> None:
    page = reverse("providers:connection_create", args=["openai"])
    reply = admin.post(page, {"name": "main", "secret": SECRET, "priority": "1", **wrong})
    assert reply.status_code == 200 and "o-errors" in reply.content.decode()
    assert not Connection.objects.exists()


def test_a_name_is_used_once_per_provider(admin: Client) -> None:
    connections.add(Provider.objects.get(pk="openai"), "main", SECRET)
    page = reverse("providers:connection_create", args=["openai"])
    assert admin.post(page, {"name": "main", "secret": SECRET, "priority": 1}).status_code == 200
    assert Connection.objects.count() == 1


def test_connections_are_switched_and_deleted_after_a_question(admin: Client) -> None:
    row = connections.add(Provider.objects.get(pk="openai"), "main", SECRET)
    admin.post(reverse("providers:connection_switch", args=[row.pk]))
    assert not Connection.objects.get().enabled
    assert "Delete the connection main?" in text(admin, "providers:connection_delete", row.pk)
    assert Connection.objects.exists()
    admin.post(reverse("providers:connection_delete", args=[row.pk]))
    assert not Connection.objects.exists()


def test_a_connection_test_shows_the_result(admin: Client, make_provider: Any) -> None:
    make_provider("acme", "http://127.0.0.1:9/v1")
    row = Connection.objects.get(provider_id="acme")
    reply = admin.post(reverse("providers:connection_test", args=[row.pk]), follow=True)
    row.refresh_from_db()
    assert row.test_ok is False and row.test_message and "did not pass" in reply.content.decode()


CUSTOM = {
    "id": "own",
    "name": "Own",
    "alias": "",
    "format": "openai_chat",
    "base_url": "http://127.0.0.1:9/v1/",
    "tier": "cheap",
    "transport": "fast",
    "allow_private_network": "on",
    "model_ids": "a\nb\na\n",
}


def test_a_custom_provider_is_added_changed_and_deleted(admin: Client) -> None:
    admin.post(reverse("providers:create"), CUSTOM)
    row = Provider.objects.get(pk="own")
    assert row.base_url == "http://127.0.0.1:9/v1" and sorted(row.models.values_list("model_id", flat=True)) == [
        "a",
        "b",
    ]
    ProviderModel.objects.filter(model_id="b").update(input_price=1)
    admin.post(reverse("providers:edit", args=["own"]), {**CUSTOM, "model_ids": "b\nc"})
    assert list(row.models.values_list("model_id", "input_price")) == [("b", Decimal(1)), ("c", None)]
    admin.post(reverse("providers:delete", args=["own"]))
    assert not Provider.objects.filter(pk="own").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_url", "http://127.0.0.1:9/v1"),
        ("base_url", "ftp://x"),
        ("id", "Big Letters"),
        ("id", "openai"),
        ("alias", "openai"),
        ("format", "smoke-signals"),
        ("name", ""),
        ("model_ids", "x" * 300),
    ],
)
def test_a_bad_custom_provider_is_explained_and_not_saved(admin: Client, field: str, value: str) -> None:
    sent = {**CUSTOM, field: value}
    if value.startswith("http://127"):
        del sent["allow_private_network"]
    reply = admin.post(reverse("providers:create"), sent)
    assert reply.status_code == 200 and ("o-errors" in reply.content.decode() or "o-note-bad" in reply.content.decode())
    assert not Provider.objects.filter(custom=True).exists() and not ProviderModel.objects.exists()


def test_a_catalogue_entry_is_overridden_and_never_deleted(admin: Client) -> None:
    admin.post(
        reverse("providers:edit", args=["openai"]),
        {"name": "", "alias": "oa", "base_url": "", "transport": "fast", "any_model": "True"},
    )
    row = Provider.objects.get(pk="openai")
    assert (row.alias, row.any_model, row.base_url, row.allow_private_network) == ("oa", True, "", None)
    assert admin.post(reverse("providers:delete", args=["openai"])).status_code == 404


def test_an_entry_that_cannot_be_is_named_not_hidden(admin: Client) -> None:
    Provider.objects.create(id="gone", custom=False)
    assert "gone" in text(admin, "providers:list")
    assert "no longer in the catalogue" in text(admin, "providers:detail", "gone")


# -- client keys ------------------------------------------------------------------------------------------------------
def test_a_key_is_shown_once_and_stored_as_a_hash(as_member: Client, member: User) -> None:
    reply = as_member.post(reverse("routing:key_create"), {"name": "laptop", "patterns": "openai/*\nacme/large"})
    shown = re.search(r"sk-omni-[\w-]{43}", reply.content.decode())
    assert shown and "no-store" in reply["Cache-Control"]
    key = ApiKey.objects.get()
    assert key.owner == member and key.model_patterns == ["openai/*", "acme/large"]
    assert shown[0] not in text(as_member, "routing:keys")


def test_people_reach_their_own_keys_only(as_member: Client, admin_user: User) -> None:
    key, _text = keys.create(name="boss", owner=admin_user)
    assert "boss" not in text(as_member, "routing:keys")
    for name in ("routing:key_edit", "routing:key_switch", "routing:key_delete"):
        assert as_member.post(reverse(name, args=[key.pk]), {"name": "mine"}).status_code == 404
    key.refresh_from_db()
    assert key.enabled and key.name == "boss"


def test_a_member_cannot_make_keys_for_others_or_foreign_teams(as_member: Client, admin_user: User) -> None:
    foreign = Team.objects.create(name="Foreign")
    as_member.post(
        reverse("routing:key_create"), {"name": "x", "patterns": "*", "owner": admin_user.pk, "team": foreign.pk}
    )
    assert all(key.owner != admin_user and key.team is None for key in ApiKey.objects.all())


def test_team_owners_look_after_the_teams_keys(as_member: Client, member: User, admin_user: User) -> None:
    team = Team.objects.create(name="Research")
    Membership.objects.create(team=team, user=member, role="owner")
    key, _text = keys.create(name="shared", owner=admin_user, team=team)
    as_member.post(reverse("routing:key_switch", args=[key.pk]))
    key.refresh_from_db()
    assert not key.enabled


def test_keys_are_changed_and_deleted(as_member: Client, member: User) -> None:
    key, _text = keys.create(name="old", owner=member)
    end = (timezone.now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    as_member.post(reverse("routing:key_edit", args=[key.pk]), {"name": "new", "patterns": "", "expires_at": end})
    key.refresh_from_db()
    assert (key.name, key.model_patterns) == ("new", []) and key.expires_at
    as_member.post(reverse("routing:key_delete", args=[key.pk]))
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    "wrong", [{"name": " "}, {"patterns": "a b"}, {"expires_at": "2001-01-01T00:00"}, {"expires_at": "soon"}]
)
def test_a_malformed_key_is_explained_and_not_made(as_member: Client, wrong: dict[str, str]) -> None:
    reply = as_member.post(reverse("routing:key_create"), {"name": "x", "patterns": "*", **wrong})
    assert reply.status_code == 200 and "o-errors" in reply.content.decode() and not ApiKey.objects.exists()


# -- requests ---------------------------------------------------------------------------------------------------------
def test_the_log_is_filtered_and_paged(admin: Client) -> None:
    for number in range(60):
        record(key_name="ci" if number % 2 else "cron", request_id=f"r-{number:02}")
    page = text(admin, "analytics:requests")
    assert page.count("/dashboard/requests/r-") == 50 and "r-59/" in page
    older = re.search(r"before=(\d+)", page)
    assert older
    rest = text(admin, "analytics:requests", before=older[1])
    assert rest.count("/dashboard/requests/r-") == 10 and "r-09/" in rest
    assert text(admin, "analytics:requests", key="cron").count("/dashboard/requests/r-") == 30
    assert "No request matches" in text(admin, "analytics:requests", result="failed")
    assert text(admin, "analytics:requests", text="r-07").count("/dashboard/requests/r-") == 1


@pytest.mark.parametrize(
    "query", [{"before": "x"}, {"before": "9" * 40}, {"result": "nonsense"}, {"text": "\x00"}, {"model": "%' OR 1"}]
)
def test_nonsense_in_a_filter_is_harmless(admin: Client, query: dict[str, str]) -> None:
    record()
    assert "No request" in text(admin, "analytics:requests", **query) or "req-0" in text(
        admin, "analytics:requests", **query
    )


@pytest.mark.parametrize(
    "path", ["requests/%00/", "providers/%00/", "providers/Big/", "keys/99999999999999999999/", "requests/nobody/"]
)
def test_an_address_that_cannot_be_is_not_found(admin: Client, path: str) -> None:
    assert admin.get(f"/dashboard/{path}").status_code == 404


def test_one_request_in_full_only_for_whom_it_concerns(as_member: Client, member: User, admin_user: User) -> None:
    attempt = {
        "provider": "openai",
        "connection": "second",
        "model": "gpt-4o",
        "kind": "rate_limited",
        "status": 429,
        "ms": 80,
        "message": "<i>slow down</i>",
    }
    mine = record(
        user_id=member.pk, attempts=[attempt], estimated=True, reasoning_tokens=7, price_source="genai-prices"
    )
    page = text(as_member, "analytics:request", mine.request_id)
    for shown in ("rate_limited", "&lt;i&gt;slow down", "estimated", "genai-prices", "1,500", "$0.0042", "1.2 s"):
        assert shown in page
    other = record(user_id=admin_user.pk)
    assert as_member.get(reverse("analytics:request", args=[other.request_id])).status_code == 404


# -- the admin --------------------------------------------------------------------------------------------------------
def test_the_admins_own_sign_in_is_not_used(client: Client, db: None) -> None:
    assert client.get("/admin/login/")["Location"].startswith("/accounts/login/")


def test_connections_in_the_admin_keep_secrets_and_are_checked(admin: Client) -> None:
    page = reverse("admin:providers_connection_add")
    sent = {"provider": "openai", "name": "main", "priority": 1, "enabled": "on", "secret": SECRET, "proxy": ""}
    assert "o-errors" not in admin.post(page, {**sent, "secret": "two words"}).content.decode()
    assert not Connection.objects.exists()
    assert admin.post(page, sent).status_code == 302
    row = Connection.objects.get()
    assert connections.secret_of(row) == SECRET and row.origin == "https://api.openai.com:443"
    change = reverse("admin:providers_connection_change", args=[row.pk])
    assert SECRET not in admin.get(change).content.decode()
    assert admin.post(change, {**sent, "name": "renamed", "secret": ""}).status_code == 302
    assert connections.secret_of(Connection.objects.get(name="renamed")) == SECRET


def test_providers_in_the_admin_go_through_the_registry(admin: Client) -> None:
    page = reverse("admin:providers_provider_add")
    sent = {
        "id": "own",
        "format": "openai_chat",
        "base_url": "http://127.0.0.1:9/v1",
        "transport": "fast",
        "operations": "{}",
        "allow_private_network": "unknown",
        "any_model": "unknown",
    }
    assert admin.post(page, sent).status_code == 200 and not Provider.objects.filter(pk="own").exists()
    assert admin.post(page, {**sent, "allow_private_network": "true"}).status_code == 302
    assert Provider.objects.get(pk="own").custom


def test_a_combo_must_not_lead_back_to_itself(admin: Client) -> None:
    page = reverse("admin:routing_combo_add")
    steps = {"steps-TOTAL_FORMS": 1, "steps-INITIAL_FORMS": 0, "steps-0-position": 0, "steps-0-weight": 1}
    sent = {"name": "always", "strategy": "priority", "enabled": "on", "sticky": 1, **steps}
    assert admin.post(page, {**sent, "steps-0-model": "always"}).status_code == 200 and not Combo.objects.exists()
    assert admin.post(page, {**sent, "steps-0-model": "openai/gpt-4o"}).status_code == 302
    assert Combo.objects.get().steps.get().model == "openai/gpt-4o"


def test_the_settings_are_one_row_with_a_notice_per_language(admin: Client) -> None:
    assert "gatewaysettings/add" not in admin.get(reverse("admin:index")).content.decode()
    reply = admin.get(reverse("admin:routing_gatewaysettings_changelist"), follow=True)
    page = reply.content.decode()
    assert 'name="notice_en"' in page and 'name="notice_ar"' in page and GatewaySettings.objects.count() == 1


def test_usage_records_are_read_only(admin: Client) -> None:
    row = record()
    assert admin.get(reverse("admin:analytics_usagerecord_change", args=[row.pk])).status_code == 200
    assert admin.post(reverse("admin:analytics_usagerecord_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert UsageRecord.objects.exists()


def test_client_keys_are_made_on_the_key_pages(admin: Client) -> None:
    assert admin.get(reverse("admin:routing_apikey_add"))["Location"] == reverse("routing:key_create")


# -- errors -----------------------------------------------------------------------------------------------------------
def test_error_pages_are_ours_and_need_nothing(client: Client, as_member: Client) -> None:
    missing = client.get("/nothing-here/")
    assert missing.status_code == 404 and "There is nothing here" in missing.content.decode()
    refused = as_member.get(reverse("providers:list"))
    assert refused.status_code == 403 and "You may not open this" in refused.content.decode()


def test_an_error_of_ours_is_a_page_not_a_trace(as_member: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("analytics.reports.visible_to", broken)
    as_member.raise_request_exception = False
    reply = as_member.get(reverse("analytics:requests"))
    assert reply.status_code == 500 and "Something went wrong" in reply.content.decode()
    assert "secret detail" not in reply.content.decode()


# -- proxies ----------------------------------------------------------------------------------------------------------
def test_a_proxy_is_made_chosen_shown_and_kept_while_in_use(admin: Client) -> None:
    page = reverse("proxies:create")
    assert "o-errors" in admin.post(page, {"name": "eu", "url": "ftp://x"}).content.decode()
    sent = {"name": "eu", "url": f"http://u:{SECRET}@10.0.0.1:3128", "enabled": "on", "is_global": "on"}
    assert admin.post(page, sent).status_code == 302
    row = Proxy.objects.get()
    assert row.is_global and row.address == "10.0.0.1:3128"
    assert admin.post(reverse("proxies:edit", args=[row.pk]), {**sent, "url": "", "note": "n"}).status_code == 302
    connections.add(Provider.objects.get(pk="openai"), "main", SECRET)
    shown = text(admin, "providers:detail", "openai")
    assert shown.count("10.0.0.1:3128") == 2 and "o-pill-good" in shown and SECRET not in shown
    admin.post(reverse("providers:edit", args=["openai"]), {"transport": "fast", "proxy": "eu"})
    assert "Proxy of the provider" in text(admin, "providers:detail", "openai")
    listed = text(admin, "proxies:list")
    assert "10.0.0.1:3128" in listed and SECRET not in listed
    delete = reverse("proxies:delete", args=[row.pk])
    admin.post(delete)
    assert Proxy.objects.exists()
    admin.post(reverse("providers:edit", args=["openai"]), {"transport": "fast", "proxy": ""})
    admin.post(delete)
    assert not Proxy.objects.exists()


def test_proxies_are_for_those_who_may(client: Client, member: Any) -> None:
    client.force_login(member)
    assert client.get(reverse("proxies:list")).status_code == 403


def test_proxies_in_the_admin(admin: Client) -> None:
    page = reverse("admin:providers_proxy_add")
    assert "A proxy is written" in admin.post(page, {"name": "eu", "url": "nonsense"}).content.decode()
    sent = {"name": "eu", "url": f"http://u:{SECRET}@10.0.0.1:3128", "enabled": "on", "is_global": "on"}
    assert admin.post(page, sent).status_code == 302
    assert admin.post(page, {**sent, "name": "us"}).status_code == 302
    assert Proxy.objects.get(is_global=True).name == "us"
    change = reverse("admin:providers_proxy_change", args=[Proxy.objects.get(name="eu").pk])
    assert SECRET not in admin.get(change).content.decode()
    assert admin.post(change, {"name": "eu", "url": "", "enabled": "on"}).status_code == 302
    assert reveal(Proxy.objects.get(name="eu"), "url") == sent["url"]
    chosen = {"provider": "openai", "name": "main", "priority": 1, "enabled": "on", "secret": SECRET, "via": "eu"}
    assert admin.post(reverse("admin:providers_connection_add"), chosen).status_code == 302
    assert connections.proxy_of(Connection.objects.get()) == sent["url"]


def test_quotas_without_any_account_and_for_those_who_may(admin: Client, member: Any) -> None:
    assert "No connected account" in text(admin, "quotas:list")
    other = Client()
    other.force_login(member)
    assert other.get(reverse("quotas:list")).status_code == 403
    row = connections.add(Provider.objects.get(pk="deepseek"), "main", SECRET, proxy="http://u:hush@127.0.0.1:1")
    assert "Nothing is known yet" in text(admin, "quotas:list")
    assert other.post(reverse("quotas:refresh", args=[row.pk])).status_code == 403
    shown = admin.post(reverse("quotas:refresh", args=[row.pk]), follow=True).content.decode()
    assert "No connection" in shown and "hush" not in shown and SECRET not in shown
