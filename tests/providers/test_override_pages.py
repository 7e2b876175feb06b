"""Overrides on the provider's page, in the admin and over the API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from providers import catalogue, registry
from providers.models import Provider, ProviderModel

pytestmark = pytest.mark.django_db
PAGE = "/dashboard/providers/openai/"


@pytest.fixture
def client(admin_user: Any) -> Client:
    catalogue.sync()
    client = Client()
    client.force_login(admin_user)
    return client


@pytest.fixture
def openai(client: Client) -> Provider:
    row = Provider.objects.get(id="openai")
    row.name, row.overrides = "Our OpenAI", {"headers": {"OpenAI-Organization": "org-1"}}
    registry.save_provider(row)
    return row


def test_the_page_shows_both_values_and_resets_one(client: Client, openai: Provider) -> None:
    page = client.get(PAGE).content.decode()
    assert "Our OpenAI" in page and "org-1" in page and "Reset all" in page
    assert client.post(f"{PAGE}reset/", {"name": "name"}).status_code == 302
    openai.refresh_from_db()
    assert (openai.name, openai.overrides) == ("", {"headers": {"OpenAI-Organization": "org-1"}})
    client.post(f"{PAGE}reset/")
    openai.refresh_from_db()
    assert openai.overrides == {} and "Reset all" not in client.get(PAGE).content.decode()
    assert client.post(f"{PAGE}reset/", {"name": "models"}).status_code == 404


def test_the_form_takes_the_words_of_a_catalogue_file_and_says_what_it_does_not_know(client: Client) -> None:
    usual = {"transport": "fast", "tier": "", "allow_private_network": "", "any_model": ""}
    page = client.post(f"{PAGE}change/", {**usual, "overrides": '{"headers": {"Authorization": "x"}}'})
    assert page.status_code == 200 and "Authorization" in page.content.decode()
    assert client.post(f"{PAGE}change/", {**usual, "overrides": '{"stream_usage": false}'}).status_code == 302
    assert not registry.effective_of(Provider.objects.get(id="openai")).stream_usage
    assert client.post(f"{PAGE}change/", {**usual, "overrides": ""}).status_code == 302
    assert Provider.objects.get(id="openai").overrides == {}


def test_the_vendors_other_addresses_are_offered(client: Client) -> None:
    usual, other = "https://api.moonshot.ai/v1", "https://api.moonshot.cn/v1"
    page = client.get("/dashboard/providers/kimi/change/").content.decode()
    assert 'list="addresses"' in page
    assert f'<option value="{usual}"></option><option value="{other}"></option>' in page
    said = {"transport": "fast", "tier": "", "allow_private_network": "", "any_model": "", "base_url": other}
    assert client.post("/dashboard/providers/kimi/change/", said).status_code == 302
    told = client.get("/api/v1/providers/kimi/").json()
    assert (told["base_url"], told["base_urls"]) == (other, [usual, other])
    alone = client.get("/dashboard/providers/groq/change/").content.decode()
    assert 'list="addresses"' not in alone
    assert client.get("/api/v1/providers/groq/").json()["base_urls"] == ["https://api.groq.com/openai/v1"]


def test_a_models_price_goes_back_to_the_catalogues(client: Client) -> None:
    row = ProviderModel.objects.create(provider_id="openai", model_id="gpt-5.2", input_price=Decimal(1), context=5)
    assert "input_price, context" in client.get(PAGE).content.decode()
    client.post(f"/dashboard/providers/models/{row.pk}/reset/", {"name": "context"})
    row.refresh_from_db()
    assert (row.context, row.input_price) == (None, Decimal(1))
    client.post(f"/dashboard/providers/models/{row.pk}/reset/")
    assert not ProviderModel.objects.filter(pk=row.pk).exists()


def test_a_price_by_the_unit_is_set_in_the_admin_shown_and_taken_back(client: Client) -> None:
    added = client.get("/admin/providers/providermodel/add/?provider=openai&model_id=dall-e-3").content.decode()
    assert 'name="image_price"' in added and "USD per picture." in added
    said = {
        "provider": "openai",
        "model_id": "dall-e-3",
        "enabled": "on",
        "image_price": "0.055",
        "capabilities": "null",
    }
    assert client.post("/admin/providers/providermodel/add/", said).status_code == 302
    page = client.get(f"{PAGE}?models=dall-e-3").content.decode()
    assert "0.055 / image" in page and "override" in page and "image_price" in page
    shown = client.get("/api/v1/providers/openai/models/").json()
    [model] = [one for one in shown["results"] if one["id"] == "dall-e-3"] if "results" in shown else []
    assert (float(model["unit_prices"]["image"]), model["price_source"]) == (0.055, "override")
    client.post(f"/dashboard/providers/models/{ProviderModel.objects.get().pk}/reset/", {"name": "image_price"})
    assert not ProviderModel.objects.exists()
    assert "0.04 / image" in client.get(f"{PAGE}?models=dall-e-3").content.decode()


def test_a_price_by_the_unit_over_the_api(client: Client) -> None:
    said = {"provider": "openai", "model_id": "whisper-1", "audio_minute_price": "0.004"}
    made = client.post("/api/v1/provider-models/", said, content_type="application/json")
    assert made.status_code == 201 and made.json()["audio_minute_price"] == "0.004000"
    price = registry.effective_of(Provider.objects.get(id="openai")).models["whisper-1"].price
    assert price and price.per == {"audio_minute": Decimal("0.004")}
    url = f"/api/v1/provider-models/{made.json()['id']}/"
    bad = client.patch(url, {"audio_minute_price": "-1"}, content_type="application/json")
    assert bad.status_code == 400 and "audio_minute_price" in str(bad.json())
    back = client.patch(url, {"audio_minute_price": None}, content_type="application/json")
    assert back.status_code == 200
    price = registry.effective_of(Provider.objects.get(id="openai")).models["whisper-1"].price
    assert price and (price.per["audio_minute"], price.source) == (Decimal("0.006"), "catalog")


def test_a_model_of_ones_own_has_nothing_to_go_back_to(client: Client) -> None:
    row = ProviderModel.objects.create(provider_id="openai", model_id="mine", input_price=Decimal(1))
    client.post(f"/dashboard/providers/models/{row.pk}/reset/")
    assert ProviderModel.objects.filter(pk=row.pk).exists()


def test_the_list_says_what_is_restricted_and_what_has_ended(client: Client) -> None:
    page = client.get("/dashboard/providers/").content.decode()
    assert "restricted" in page and "ended" in page
    assert client.get("/dashboard/providers/qwen/connections/new/").status_code == 302
    assert "cannot be connected" in client.get("/dashboard/providers/qwen/").content.decode()


def test_the_api_overrides_shows_and_resets(client: Client) -> None:
    url = "/api/v1/providers/openai/"
    said = client.patch(url, {"overrides": {"auth": "token"}, "name": "Ours"}, content_type="application/json")
    assert said.status_code == 200 and said.json()["overridden"] == ["name", "auth"]
    bad = client.patch(url, {"overrides": {"nmae": 1}}, content_type="application/json")
    assert bad.status_code == 400 and "nmae" in str(bad.json())
    back = client.post(f"{url}reset/", {"names": ["auth"]}, content_type="application/json").json()
    assert (back["overridden"], back["overrides"]) == (["name"], {})
    assert client.post(f"{url}reset/", {}, content_type="application/json").json()["overridden"] == []
    assert client.post(f"{url}reset/", {"names": ["x"]}, content_type="application/json").status_code == 400


def test_the_admin_takes_overrides_and_leaves_them_out(client: Client) -> None:
    url = "/admin/providers/provider/openai/change/"
    usual = {"enabled": "on", "transport": "fast", "operations": "{}"}
    assert client.post(url, {**usual, "overrides": '{"auth": "token"}'}).status_code == 302
    assert registry.effective_of(Provider.objects.get(id="openai")).auth == "token"
    assert client.post(url, {**usual, "overrides": ""}).status_code == 302
    assert Provider.objects.get(id="openai").overrides == {}
