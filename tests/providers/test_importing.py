"""A provider's live list beside the catalogue, many keys at once, many tests at once: services, API and pages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from providers import bulk, catalogue, connections, importing, tasks
from providers.listing import Listed
from providers.models import Connection, Provider, ProviderModel
from providers.probe import NoList
from providers.registry import effective_of
from tests.simulator import json_reply, status

pytestmark = pytest.mark.django_db
KEY = "sk-a-key-of-the-vendor-1"
LIST = json_reply(
    {
        "data": [
            {"id": "large"},
            {"id": "fresh", "context_length": 8192, "pricing": {"prompt": "0.000002"}},
            {"id": "odd"},
        ]
    }
)


@pytest.fixture
def acme(make_provider: Any, upstream: Any) -> Provider:
    return make_provider("acme", upstream.url, models=("large", "old"), keys=(KEY,))


@pytest.fixture
def page(client: Client, admin_user: Any) -> Client:
    client.force_login(admin_user)
    return client


# -- models -----------------------------------------------------------------------------------------------------------
def test_lists_are_compared(acme: Provider) -> None:
    found = importing.compare(effective_of(acme), [Listed(id="large"), Listed(id="new-b"), Listed(id="new-a")])
    assert [(each.id, each.state, each.enabled) for each in found] == [
        ("new-a", "new", False), ("new-b", "new", False), ("old", "gone", True), ("large", "known", True),
    ]  # fmt: skip


def test_the_chosen_are_added_with_what_the_provider_says(acme: Provider, upstream: Any) -> None:
    upstream.plays(LIST)
    listed = importing.live(acme.connections.get())
    assert importing.take_over(acme, effective_of(acme), listed, ["fresh", "large", "unheard-of"]) == 1
    model = effective_of(acme).models["fresh"]
    assert (model.context, model.price and model.price.input, model.enabled) == (8192, Decimal("2"), True)
    assert set(effective_of(acme).models) == {"large", "old", "fresh"}


def test_a_list_is_not_fetched_with_a_key_of_another_address(acme: Provider, upstream: Any) -> None:
    Provider.objects.update(base_url=upstream.url.replace("127.0.0.1", "localhost"))
    with pytest.raises(NoList, match="address changed"):
        importing.live(Connection.objects.select_related("provider").get())
    assert upstream.count == 0


def test_models_are_switched_and_a_row_that_says_nothing_goes() -> None:
    catalogue.sync()
    row = Provider.objects.get(id="openai")
    name = next(iter(effective_of(row).models))
    importing.switch(row, effective_of(row), name, False)
    assert effective_of(row).models[name].enabled is False
    importing.switch(row, effective_of(row), name, True)
    assert effective_of(row).models[name].enabled and not row.models.exists()
    ProviderModel.objects.create(provider=row, model_id=name, input_price=Decimal(1))
    importing.switch(row, effective_of(row), name, False)
    importing.switch(row, effective_of(row), name, True)
    assert row.models.get().input_price == 1
    with pytest.raises(importing.BadModel):
        importing.switch(row, effective_of(row), "unheard-of", True)


@pytest.mark.parametrize("id", ["", " ", "two words", "x" * 201, "a\x00b", "large"])
def test_a_bad_model_id_is_refused(acme: Provider, id: str) -> None:
    with pytest.raises(importing.BadModel):
        importing.add(acme, effective_of(acme), id)
    assert acme.models.count() == 2


def test_a_custom_id_is_added_to_any_provider() -> None:
    catalogue.sync()
    row = Provider.objects.get(id="groq")
    importing.add(row, effective_of(row), " org/my-model ")
    assert effective_of(row).models["org/my-model"].enabled


def test_the_import_page(acme: Provider, upstream: Any, page: Client) -> None:
    address = "/dashboard/providers/acme/models/import/"
    assert b"Get the list" in page.get(address).content and upstream.count == 0
    pk = acme.connections.get().pk
    upstream.plays(LIST, LIST, status(401))
    shown = page.post(address, {"connection": pk}).content.decode()
    assert 'name="add" value="fresh"' in shown and 'name="off" value="old"' in shown and 'value="large"' not in shown
    page.post(address, {"connection": pk, "step": "take", "add": ["fresh"], "off": ["old", "unheard-of"]})
    models = effective_of(acme).models
    assert set(models) == {"large", "old", "fresh"} and not models["old"].enabled
    assert "gives no list: HTTP 401" in page.post(address, {"connection": pk}).content.decode()
    assert page.post(address, {"connection": pk + 1}).status_code == 404


def test_models_of_the_page_are_searched_paged_and_switched(acme: Provider, page: Client) -> None:
    ProviderModel.objects.bulk_create(ProviderModel(provider=acme, model_id=f"m{n:03}") for n in range(200))
    shown = page.get("/dashboard/providers/acme/").content.decode()
    assert "Page 1 of 5" in shown and shown.count("models/switch/") == 50
    assert "m199" not in shown and "m199" in page.get("/dashboard/providers/acme/?models=M19&page=1").content.decode()
    assert "No model matches" in page.get("/dashboard/providers/acme/?models=zzz").content.decode()
    reply = page.post("/dashboard/providers/acme/models/switch/?page=2", {"model": "m007", "enabled": "0"})
    assert reply["Location"].endswith("/acme/?page=2#models") and not acme.models.get(model_id="m007").enabled
    page.post("/dashboard/providers/acme/models/add/", {"model": "by-hand"})
    assert acme.models.filter(model_id="by-hand").exists()


# -- many keys --------------------------------------------------------------------------------------------------------
def test_keys_are_read_from_lines() -> None:
    assert bulk.keys_in("\n sk-1 \nmy laptop  sk-2\n\n") == [bulk.Key("sk-1"), bulk.Key("sk-2", "my laptop")]
    assert "sk-1" not in repr(bulk.keys_in("sk-1"))


def test_each_key_is_added_by_itself(acme: Provider) -> None:
    keys = [bulk.Key("sk-one", "one"), bulk.Key(KEY), bulk.Key("sk-two"), bulk.Key("sk-one"), bulk.Key("sk-3", "one")]
    keys.append(bulk.Key("kéy"))
    found = bulk.add_many(acme, keys, priority=4, tags=["Batch"])
    assert [each.connection and each.connection.name for each in found] == ["one", None, "key 1", None, None, None]
    assert "c1 has this key already" in found[1].why and "one has this key already" in found[3].why
    assert not any(text in each.why for each in found for text in ("sk-", "kéy"))
    row = Connection.objects.get(name="key 1")
    assert (row.priority, row.tags, connections.secret_of(row)) == (4, ["batch"], "sk-two")
    assert Connection.objects.count() == 3


def test_what_is_wrong_for_all_adds_nothing(acme: Provider) -> None:
    for said in ({"tags": ["two words"]}, {"proxy": "no such"}, {"proxy": "http://h:1"}):
        with pytest.raises(connections.BadConnection):
            bulk.add_many(acme, [bulk.Key("sk-one")], **said)
    assert Connection.objects.count() == 1


def test_the_page_for_several_keys(acme: Provider, page: Client) -> None:
    address = "/dashboard/providers/acme/connections/several/"
    typed = {"keys": f"laptop sk-typed-1\n{KEY}\n", "priority": "x", "enabled": "on"}
    wrong = page.post(address, typed).content.decode()
    assert "sk-typed-1" not in wrong and KEY not in wrong and Connection.objects.count() == 1
    shown = page.post(address, typed | {"priority": "2"}).content.decode()
    assert "laptop" in shown and "c1 has this key already" in shown and "sk-typed-1" not in shown and KEY not in shown
    assert Connection.objects.get(name="laptop").enabled


@pytest.mark.parametrize("pk", ["9" * 24, "x", "-1"])
def test_a_provider_or_a_connection_that_is_not_there_is_not_tested(acme: Provider, page: Client, pk: str) -> None:
    for provider in ("[]", "../x", "ghost", "gho\0st"):
        assert page.post("/dashboard/providers/connections/test/", {"provider": provider}).status_code == 404
    assert page.post("/dashboard/providers/connections/test/", {"provider": "acme", "pk": pk}).status_code == 302


# -- many tests -------------------------------------------------------------------------------------------------------
def test_a_few_are_tested_at_once_and_many_in_the_background(
    acme: Provider,
    upstream: Any,
    page: Client,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    queued: list[Any] = []
    monkeypatch.setattr(tasks.test_connections, "delay", lambda *arguments: queued.append(arguments))
    bulk.add_many(acme, [bulk.Key(f"sk-{n}") for n in range(9)])
    first, second = Connection.objects.order_by("pk")[:2]
    page.post("/dashboard/providers/connections/test/", {"provider": "acme", "pk": [first.pk, second.pk]})
    assert Connection.objects.filter(test_ok=True).count() == 2 and not queued
    with django_capture_on_commit_callbacks(execute=True):
        page.post("/dashboard/providers/connections/test/")
    assert sorted(queued[0][0]) == sorted(Connection.objects.values_list("pk", flat=True))
    assert "10 connections wait for their test" in page.get("/dashboard/providers/acme/").content.decode()
    tasks.test_connections(*queued[0])
    assert Connection.objects.filter(test_ok=True, testing_since=None).count() == 10
    assert "wait for their test" not in page.get("/dashboard/providers/acme/").content.decode()


# -- the API ----------------------------------------------------------------------------------------------------------
def test_the_api_does_all_of_it(
    acme: Provider, upstream: Any, admin_user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued: list[Any] = []
    monkeypatch.setattr(connections, "_queue", queued.append)
    api = APIClient()
    api.force_login(admin_user)

    def post(path: str, body: object, status: int) -> Any:
        reply = api.post(f"/api/v1/{path}", body, format="json")
        assert reply.status_code == status, reply.content
        assert "sk-" not in reply.content.decode()
        return reply.json()

    body = {"provider": "acme", "tags": ["x"], "keys": [{"name": "n", "secret": "sk-new-1"}, {"secret": KEY}]}
    first, second = post("connections/bulk/", body, 201)
    assert first["connection"] == Connection.objects.get(name="n").pk and second["connection"] is None
    assert "has this key already" in second["why"]
    assert post("connections/bulk/", {"provider": "acme", "keys": []}, 400)["error"]["fields"]
    assert post("connections/test/", {"ids": [first["connection"]]}, 202) == {"testing": 1}
    upstream.plays(LIST, LIST, status(500))
    pk = acme.connections.get(name="c1").pk
    found = post("providers/acme/models/import/", {"connection": pk}, 200)
    assert [(each["id"], each["state"]) for each in found] == [
        ("fresh", "new"), ("odd", "new"), ("old", "gone"), ("large", "known"),
    ]  # fmt: skip
    found = post("providers/acme/models/import/", {"connection": pk, "add": ["fresh"]}, 200)
    assert next(each for each in found if each["id"] == "fresh")["state"] == "known"
    assert "HTTP 500" in post("providers/acme/models/import/", {"connection": pk}, 409)["error"]["message"]
    catalogue.sync()
    assert post("providers/groq/models/import/", {"connection": pk}, 400)["error"]["fields"]
