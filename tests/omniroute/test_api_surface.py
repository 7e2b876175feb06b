"""The management API as a whole: who gets in, by which verb, how errors look, its schema and its page."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import management_keys
from accounts.models import ManagementKey, Membership, Role, Team, User
from omniroute.api import TYPES
from omniroute.api_routes import router
from providers import catalogue
from providers.models import Connection, Provider, ProviderModel
from routing import combos, keys
from routing.models import Alias, Combo

pytestmark = pytest.mark.django_db

ADMINISTRATORS_ONLY = ("providers", "provider-models", "connections", "combos", "aliases")
EVERYBODYS = ("keys", "requests", "users", "teams", "memberships", "invitations", "management-keys")
READ, WRITE = ManagementKey.READ, ManagementKey.WRITE


@pytest.fixture
def people() -> dict[str, User]:
    catalogue.sync()
    team = Team.objects.create(name="Red")
    found = {"admin": User.objects.create_superuser("admin@example.com")}
    for role in Role:
        found[role] = User.objects.create_user(f"{role}@example.com")
        Membership.objects.create(team=team, user=found[role], role=role)
    found["stranger"] = User.objects.create_user("stranger@example.com")
    return found


@pytest.fixture
def ids(people: dict[str, User]) -> dict[str, Any]:
    """One row of each kind that only administrators may touch."""
    combo = Combo(name="always-on")
    combos.store(combo, [combos.Step("groq/x")])
    return {
        "providers": "openai",
        "provider-models": ProviderModel.objects.create(provider_id="openai", model_id="m").pk,
        "connections": Connection.objects.create(provider_id="openai", name="main").pk,
        "combos": combo.pk,
        "aliases": Alias.objects.create(pattern="fast", target="groq/x").pk,
    }


def as_user(user: User | None) -> APIClient:
    client = APIClient()
    if user is not None:
        client.force_login(user)
    return client


def with_key(user: User, *scopes: str, **columns: Any) -> APIClient:
    row, text = management_keys.create(user, "test", scopes or (READ, WRITE))
    ManagementKey.objects.filter(pk=row.pk).update(**columns) if columns else None
    client = APIClient(enforce_csrf_checks=True)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def assert_error(reply: Any, status: int) -> dict[str, Any]:
    """The envelope, and nothing beside it."""
    assert reply.status_code == status, reply.content
    assert list(reply.json()) == ["error"]
    error: dict[str, Any] = reply.json()["error"]
    assert sorted(error) == ["fields", "message", "type"]
    assert error["message"] and error["type"] == TYPES[status]
    return error


# -- who gets in ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("prefix", [*ADMINISTRATORS_ONLY, *EVERYBODYS, "settings"])
def test_nobody_gets_in_without_signing_in(prefix: str, people: dict[str, User]) -> None:
    for verb in ("get", "post", "patch", "put", "delete", "options"):
        assert_error(getattr(as_user(None), verb)(f"/api/v1/{prefix}/", {}, format="json"), 401)


@pytest.mark.parametrize("prefix", ADMINISTRATORS_ONLY)
@pytest.mark.parametrize("who", ["stranger", "viewer", "member", "owner"])
def test_only_site_administrators_configure(
    prefix: str, who: str, people: dict[str, User], ids: dict[str, Any]
) -> None:
    for client in (as_user(people[who]), with_key(people[who])):
        for verb, path in (("get", ""), ("post", ""), *((v, f"{ids[prefix]}/") for v in ("get", "patch", "delete"))):
            assert_error(getattr(client, verb)(f"/api/v1/{prefix}/{path}", {}, format="json"), 403)
    assert Connection.objects.exists() and Alias.objects.exists() and Combo.objects.exists()


@pytest.mark.parametrize("who", ["stranger", "viewer", "member", "owner"])
def test_the_switches_and_actions_are_the_administrators(
    who: str, people: dict[str, User], ids: dict[str, Any]
) -> None:
    client = as_user(people[who])
    assert_error(client.get("/api/v1/settings/"), 403)
    assert_error(client.patch("/api/v1/settings/", {"require_api_key": False}, format="json"), 403)
    assert_error(client.post(f"/api/v1/connections/{ids['connections']}/test/"), 403)
    assert_error(client.get("/api/v1/providers/openai/models/"), 403)


@pytest.mark.parametrize("prefix", [*ADMINISTRATORS_ONLY, *EVERYBODYS])
def test_a_site_administrator_lists_everything(prefix: str, people: dict[str, User], ids: dict[str, Any]) -> None:
    for client in (as_user(people["admin"]), with_key(people["admin"], READ)):
        reply = client.get(f"/api/v1/{prefix}/")
        assert reply.status_code == 200 and isinstance(reply.json()["results"], list)


@pytest.mark.parametrize("prefix", EVERYBODYS)
@pytest.mark.parametrize("who", ["stranger", "viewer", "member", "owner"])
def test_everybody_may_list_what_is_theirs(prefix: str, who: str, people: dict[str, User]) -> None:
    assert as_user(people[who]).get(f"/api/v1/{prefix}/").status_code == 200


@pytest.mark.parametrize("prefix", [*ADMINISTRATORS_ONLY, "keys", "teams", "users"])
def test_a_reading_key_does_not_write(prefix: str, people: dict[str, User], ids: dict[str, Any]) -> None:
    client = with_key(people["admin"], READ)
    row = ids.get(prefix, 1)
    assert client.get(f"/api/v1/{prefix}/").status_code == 200
    for verb, path in (("post", ""), ("patch", f"{row}/"), ("delete", f"{row}/")):
        assert_error(getattr(client, verb)(f"/api/v1/{prefix}/{path}", {}, format="json"), 403)
    assert_error(client.patch("/api/v1/settings/", {"require_api_key": False}, format="json"), 403)


def test_a_writing_key_does_not_read(people: dict[str, User], ids: dict[str, Any]) -> None:
    client = with_key(people["admin"], WRITE)
    assert_error(client.get("/api/v1/aliases/"), 403)
    assert client.post("/api/v1/aliases/", {"pattern": "a", "target": "b"}, format="json").status_code == 201


@pytest.mark.parametrize("columns", [{"enabled": False}, {"expires_at": timezone.now() - timedelta(seconds=1)}])
def test_a_stopped_or_expired_key_opens_nothing(columns: dict[str, Any], people: dict[str, User]) -> None:
    client = with_key(people["admin"], READ, **columns)
    assert_error(client.get("/api/v1/providers/"), 401)


def test_a_key_stops_with_its_person(people: dict[str, User]) -> None:
    client = with_key(people["admin"])
    User.objects.filter(pk=people["admin"].pk).update(is_active=False)
    assert_error(client.get("/api/v1/providers/"), 401)


@pytest.mark.parametrize("header", ["HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "HTTP_API_KEY", "HTTP_X_GOOG_API_KEY"])
def test_a_client_key_never_opens_the_management_api(header: str, people: dict[str, User]) -> None:
    _, text = keys.create(name="k", owner=people["admin"])
    value = f"Bearer {text}" if header == "HTTP_AUTHORIZATION" else text
    for path in ("/api/v1/providers/", "/api/v1/keys/", f"/api/v1/keys/?key={text}", "/api/schema/"):
        reply = APIClient().get(path, **{header: value})
        assert reply.status_code == 401 and text not in reply.content.decode()


def test_sessions_need_a_csrf_token(people: dict[str, User]) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(people["admin"])
    error = assert_error(client.post("/api/v1/aliases/", {"pattern": "a", "target": "b"}, format="json"), 403)
    assert "CSRF" in error["message"] and not Alias.objects.exists()


def test_every_view_says_who_may_use_it() -> None:
    for _prefix, viewset, _basename in router().registry:
        names = {permission.__name__ for permission in viewset.permission_classes}
        assert names and names <= {"SignedIn", "SiteAdministrator"}, viewset


# -- bad input -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "raw",
    ["{", "[" * 100_000, '{"pattern": NaN}', '{"pattern": "a\\u0000b"}', '{"pattern": "\\ud800"}', "\xff", '{"a":1}x'],
)
def test_broken_json_is_a_400(raw: str, people: dict[str, User]) -> None:
    reply = as_user(people["admin"]).post("/api/v1/aliases/", raw.encode("latin-1"), content_type="application/json")
    assert_error(reply, 400)


@pytest.mark.parametrize("body", [[], [{}], "text", 1, None, True])
def test_a_body_that_is_no_object_is_a_400(body: object, people: dict[str, User], ids: dict[str, Any]) -> None:
    client = as_user(people["admin"])
    for prefix in (*ADMINISTRATORS_ONLY, "keys", "teams", "users"):
        assert_error(client.post(f"/api/v1/{prefix}/", body, format="json"), 400)
    for prefix, row in ids.items():
        if body is not None:
            assert_error(client.patch(f"/api/v1/{prefix}/{row}/", body, format="json"), 400)


STRANGE = [{}, {"a": {"b": [1]}}, [], [[1]], 10**40, -1.5, 1e308, True, "x" * 9000, {"pk": 1}, ""]


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(value)[:20])
def test_wrong_types_are_never_a_500(value: object, people: dict[str, User], ids: dict[str, Any]) -> None:
    client = as_user(people["admin"])
    fields = {
        "providers": (
            "id", "enabled", "name", "alias", "format", "base_url", "allow_private_network", "tier", "operations",
            "any_model", "transport",
        ),
        "provider-models": ("provider", "model_id", "input_price", "context", "capabilities"),
        "connections": ("provider", "name", "secret", "proxy", "priority", "enabled"),
        "keys": ("name", "owner", "team", "models", "enabled", "expires_at"),
        "combos": ("name", "strategy", "steps"),
        "aliases": ("pattern", "target"),
        "teams": ("name",),
    }  # fmt: skip
    number = itertools.count()
    good: dict[str, Callable[[], dict[str, Any]]] = {
        "providers": lambda: {"id": f"acme{next(number)}", "base_url": "https://acme.example/v1"},
        "provider-models": lambda: {"provider": "groq", "model_id": f"m{next(number)}"},
        "connections": lambda: {"provider": "groq", "name": f"c{next(number)}"},
        "keys": lambda: {"name": "k"},
        "combos": lambda: {"name": f"c{next(number)}", "steps": ["groq/x"]},
        "aliases": lambda: {"pattern": f"a{next(number)}", "target": "b"},
        "teams": lambda: {"name": f"t{next(number)}"},
    }
    for prefix, names in fields.items():
        for name in names:
            for verb, path, body in (
                ("post", "", good[prefix]() | {name: value}),
                ("patch", f"{ids.get(prefix, 1)}/", {name: value}),
            ):
                reply = getattr(client, verb)(f"/api/v1/{prefix}/{path}", body, format="json")
                assert reply.status_code < 500, (verb, prefix, name, value)
                if reply.status_code == 400:
                    assert name in str(assert_error(reply, 400)["fields"]), (prefix, name, reply.content)


@pytest.mark.parametrize("prefix", [*ADMINISTRATORS_ONLY, *EVERYBODYS[:1], *EVERYBODYS[2:]])
def test_unknown_fields_are_refused_by_name(prefix: str, people: dict[str, User]) -> None:
    error = assert_error(as_user(people["admin"]).post(f"/api/v1/{prefix}/", {"surprise": 1}, format="json"), 400)
    assert error["fields"]["surprise"] == ["There is no such field."]


def test_fields_that_cannot_be_set_are_refused_by_name(people: dict[str, User], ids: dict[str, Any]) -> None:
    client = as_user(people["admin"])
    for prefix, name in (
        ("keys", "last4"),
        ("keys", "request_count"),
        ("connections", "has_secret"),
        ("providers", "custom"),
    ):
        error = assert_error(client.post(f"/api/v1/{prefix}/", {name: 1}, format="json"), 400)
        assert error["fields"][name] == ["This field cannot be set here."]
    error = assert_error(
        client.patch(f"/api/v1/connections/{ids['connections']}/", {"provider": "groq"}, format="json"), 400
    )
    assert "provider" in error["fields"]


def test_unknown_filters_are_refused_by_name(people: dict[str, User]) -> None:
    error = assert_error(as_user(people["admin"]).get("/api/v1/requests/?providr=x&page_size=5"), 400)
    assert error["fields"] == {"providr": ["There is no such filter here."]}


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("get", "aliases/999999/", 404),
        ("get", f"aliases/{10**30}/", 404),
        ("get", "aliases/x/", 404),
        ("get", "nothing/", 404),
        ("get", "aliases", 404),
        ("get", "aliases/?page=99", 404),
        ("get", "aliases/?page=x", 404),
        ("put", "aliases/1/", 405),
        ("delete", "aliases/", 405),
        ("post", "settings/", 405),
        ("delete", "settings/", 405),
        ("post", "requests/", 405),
        ("get", "providers/UPPER/", 404),
        ("get", "providers/a%00b/", 404),
        ("get", "requests/?provider=a%00b", 400),
    ],
)
def test_errors_have_one_shape(verb: str, path: str, status: int, people: dict[str, User]) -> None:
    assert_error(getattr(as_user(people["admin"]), verb)(f"/api/v1/{path}"), status)


def test_other_media_types_are_a_415(people: dict[str, User]) -> None:
    client = as_user(people["admin"])
    assert_error(client.post("/api/v1/aliases/", "a=1", content_type="application/x-www-form-urlencoded"), 415)
    assert_error(client.get("/api/v1/aliases/", HTTP_ACCEPT="text/csv"), 406)


def test_errors_are_english_whatever_the_browser_speaks(people: dict[str, User]) -> None:
    client = as_user(people["admin"])
    reply = client.post("/api/v1/aliases/", {}, format="json", HTTP_ACCEPT_LANGUAGE="de")
    assert assert_error(reply, 400)["fields"]["pattern"] == ["This field is required."]


def test_a_bug_is_a_500_in_the_same_shape(people: dict[str, User], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr("routing.models.GatewaySettings.load", broken)
    reply = as_user(people["admin"]).get("/api/v1/settings/")
    assert_error(reply, 500)
    assert "house" not in reply.content.decode()


def test_pages_are_bounded(people: dict[str, User]) -> None:
    Alias.objects.bulk_create(Alias(pattern=f"a{n}", target="b") for n in range(60))
    client = as_user(people["admin"])
    first = client.get("/api/v1/aliases/").json()
    assert len(first["results"]) == 50 and first["count"] == 60 and "page=2" in first["next"]
    assert len(client.get("/api/v1/aliases/?page_size=7").json()["results"]) == 7
    assert len(client.get("/api/v1/aliases/?page_size=100000").json()["results"]) == 60


# -- schema and page -----------------------------------------------------------------------------------------
def test_the_schema_is_made_without_a_warning(tmp_path: Any) -> None:
    call_command("spectacular", "--fail-on-warn", "--validate", "--file", str(tmp_path / "schema.yaml"))
    assert "/api/v1/connections/{id}/test/" in (tmp_path / "schema.yaml").read_text()


def test_secrets_are_in_no_answer_of_the_schema(people: dict[str, User]) -> None:
    schemas = as_user(people["member"]).get("/api/schema/").json()["components"]["schemas"]
    assert (
        "secret" not in schemas["Connection"]["properties"]
        or schemas["Connection"]["properties"]["secret"]["writeOnly"]
    )
    assert schemas["Proxy"]["properties"]["url"]["writeOnly"]


def test_the_schema_and_its_page_are_for_signed_in_people(people: dict[str, User]) -> None:
    assert_error(APIClient().get("/api/schema/"), 401)
    reply = APIClient().get("/api/docs/")
    assert reply.status_code == 302 and "next=/api/docs/" in reply["Location"]
    client = as_user(people["stranger"])
    assert client.get("/api/schema/").json()["openapi"].startswith("3.")
    page = client.get("/api/docs/").content.decode()
    assert "http" not in page.replace("http-equiv", "") and "drf_spectacular_sidecar/swagger-ui-dist" in page
    assert "<script>" not in page  # the content security policy runs none
    assert "/api/schema/" in client.get("/api/docs/?script=").content.decode()


def test_there_is_a_provider_to_start_with(people: dict[str, User]) -> None:
    assert Provider.objects.filter(custom=False).count() == len(catalogue.entries())
