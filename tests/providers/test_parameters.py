"""Parameters of connections, and secrets of several values, by every door: service, page, API, declarative file."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import yaml
from django.test import Client
from django.urls import reverse

from omniroute.declarative.apply import apply
from omniroute.declarative.document import BadDocument
from omniroute.declarative.export import export
from providers import catalogue, connections, registry
from providers.connections import BadConnection, secret_of, usable_reason
from providers.models import Connection, Provider
from providers.special import ENVELOPES, UNSPOKEN
from providers.vocabulary import ENVELOPES as WORDS
from tests.omniroute.test_api_resources import Api
from tests.providers.auth.test_exchange import account, pem, private

__all__ = ["pem", "private"]  # fixtures
pytestmark = pytest.mark.django_db
PAIR = "AKIDEXAMPLEEXAMPLE:the-secret-half"
STORED = '{"access_key_id":"AKIDEXAMPLEEXAMPLE","secret_access_key":"the-secret-half"}'


@pytest.fixture(autouse=True)
def rows() -> None:
    catalogue.sync()


def provider(id: str) -> Provider:
    return Provider.objects.get(id=id)


def test_every_envelope_of_the_vocabulary_is_there() -> None:
    assert set(WORDS) == {"", *ENVELOPES, *UNSPOKEN}


# -- the service ------------------------------------------------------------------------------------------------------
def test_a_secret_is_bound_to_the_address_with_its_parameters() -> None:
    row = connections.add(provider("azure"), "main", "azure-key", parameters={"resource": " mine "})
    assert row.parameters == {"resource": "mine"} and row.origin == "https://mine.openai.azure.com:443"
    entry = registry.effective_of(row.provider)
    assert usable_reason(row, entry) is None
    connections.set_parameters(row, {"resource": "another"})
    row.save()
    assert "address changed" in (usable_reason(row, entry) or "")
    row.parameters = {}
    assert usable_reason(row, entry) == "resource is missing."


@pytest.mark.parametrize(
    ("id", "given", "words"),
    [
        ("azure", {}, "resource is missing"),
        ("azure", {"resource": "evil.example/"}, "does not fit"),
        ("azure", {"resource": "x@evil.example#"}, "does not fit"),
        ("azure", {"resource": "mine", "region": "x"}, "it has: resource"),
        ("openai", {"region": "x"}, "it has: none"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(id: str, given: dict[str, str], words: str) -> None:
    with pytest.raises(BadConnection, match=words) as told:
        connections.add(provider(id), "main", "a-key", parameters=given)
    assert told.value.field == "parameters" and not Connection.objects.exists()


def test_the_guard_sees_the_filled_address(monkeypatch: pytest.MonkeyPatch) -> None:
    known = catalogue.entries()
    open_ = dataclasses.replace(known["azure"].parameters[0], pattern=".*", example="fine.example")
    entries = {
        **known,
        "azure": dataclasses.replace(known["azure"], base_url="https://{resource}", parameters=(open_,)),
    }
    monkeypatch.setattr(catalogue, "entries", lambda: entries)
    for host in ("127.0.0.1", "169.254.169.254", "localhost", "user@evil.example", "a b"):
        with pytest.raises(BadConnection):
            connections.add(provider("azure"), "main", "a-key", parameters={"resource": host})


def test_a_stored_secret_of_another_scheme_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = {"project": "my-project"}
    known = catalogue.entries()
    entries = {**known, "vertex": dataclasses.replace(known["vertex"], auth="bearer")}
    with monkeypatch.context() as patch:
        patch.setattr(catalogue, "entries", lambda: entries)
        row = connections.add(provider("vertex"), "main", "a-plain-key", parameters=parameters)
    assert "signed in to differently" in (usable_reason(row, registry.effective_of(row.provider)) or "")


def test_what_is_not_spoken_says_why() -> None:
    row = connections.add(provider("cursor"), "main")
    assert "no public description" in (usable_reason(row, registry.effective_of(row.provider)) or "")


# -- the page ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def page(admin_user: Any) -> Client:
    client = Client()
    client.force_login(admin_user)
    return client


def test_a_form_asks_for_parameters_and_each_part_of_the_secret(page: Client) -> None:
    url = reverse("providers:connection_create", args=["bedrock"])
    shown = page.get(url).content.decode()
    assert 'name="parameter_region"' in shown and 'placeholder="us-east-1"' in shown
    assert 'name="secret_access_key_id"' in shown and 'name="secret_session_token"' in shown
    typed = {"name": "main", "priority": 1, "parameter_region": "eu-west-1"}
    refused = page.post(url, {**typed, "secret_access_key_id": "short", "secret_secret_access_key": "the-secret-half"})
    assert "16 or more" in refused.content.decode() and "the-secret-half" not in refused.content.decode()
    assert "A key is needed." in page.post(url, typed).content.decode()
    key = {"secret_access_key_id": "AKIDEXAMPLEEXAMPLE", "secret_secret_access_key": "the-secret-half"}
    assert page.post(url, {**typed, **key}).status_code == 302
    row = Connection.objects.get()
    assert (row.parameters, secret_of(row)) == ({"region": "eu-west-1"}, STORED)
    assert row.origin == "https://bedrock-runtime.eu-west-1.amazonaws.com:443"


def test_a_form_keeps_the_stored_secret_and_never_shows_it(page: Client, pem: str) -> None:
    url = reverse("providers:connection_create", args=["vertex"])
    file = account(pem, "https://oauth2.googleapis.com/token")
    typed = {"name": "main", "priority": 1, "parameter_project": "my-project", "parameter_location": ""}
    assert "JSON object is expected" in page.post(url, {**typed, "secret_service_account": "AIza"}).content.decode()
    assert page.post(url, {**typed, "secret_service_account": file}).status_code == 302
    row = Connection.objects.get()
    stored = secret_of(row)
    edit = reverse("providers:connection_edit", args=[row.pk])
    shown = page.get(edit).content.decode()
    assert "PRIVATE KEY" not in shown and 'value="my-project"' in shown
    assert page.post(edit, {**typed, "priority": 3}).status_code == 302
    row.refresh_from_db()
    assert (row.priority, secret_of(row)) == (3, stored)


def test_a_parameter_that_does_not_fit_is_an_error_of_its_field(page: Client) -> None:
    url = reverse("providers:connection_create", args=["azure"])
    typed = {"name": "main", "priority": 1, "secret": "azure-key"}
    for value, words in (("", "This field is required"), ("a/b", "does not fit")):
        assert words in page.post(url, {**typed, "parameter_resource": value}).content.decode()
    assert not Connection.objects.exists()


# -- the API ----------------------------------------------------------------------------------------------------------
def test_the_api_takes_and_shows_parameters(admin_user: Any) -> None:
    api = Api(admin_user)
    made = {"provider": "bedrock", "name": "main", "secret": PAIR, "parameters": {"region": "eu-west-1"}}
    shown = api("post", "connections/", made, 201)
    assert shown["parameters"] == {"region": "eu-west-1"} and shown["problem"] is None
    assert "the-secret-half" not in json.dumps(shown)
    row = Connection.objects.get()
    assert secret_of(row) == STORED
    api("patch", f"connections/{row.pk}/", {"parameters": {"region": "../x"}}, 400)
    api("patch", f"connections/{row.pk}/", {"parameters": {"region": 7, "more": []}}, 400)
    moved = api("patch", f"connections/{row.pk}/", {"parameters": {"region": "eu-north-1"}})
    assert "address changed" in moved["problem"]
    again = api("patch", f"connections/{row.pk}/", {"parameters": {"region": "eu-north-1"}, "secret": PAIR})
    assert again["problem"] is None


# -- the declarative file ---------------------------------------------------------------------------------------------
FILE = """\
connections:
  - {provider: bedrock, name: main, api_key: "${AWS}", parameters: {region: eu-west-1}}
  - {provider: vertex, name: main, api_key: "${GOOGLE}", parameters: {project: my-project}}
"""


def plan(text: str, environment: dict[str, str]) -> list[str]:
    return [str(change) for change in apply(text, variable=environment.get).changes]


def test_a_file_round_trips_with_secrets_of_every_form(pem: str) -> None:
    environment = {"AWS": PAIR, "GOOGLE": json.dumps(json.loads(account(pem, "")), indent=2)}
    assert plan(FILE, environment) == ["+ connection bedrock/main", "+ connection vertex/main"]
    assert plan(FILE, environment) == []
    told = plan(FILE.replace("eu-west-1", "eu-north-1"), environment)
    assert "region" in told[0] and "secret changed" in told[0] and "the-secret-half" not in str(told)
    document = export(with_secrets=True)
    assert plan(document, {}) == []
    assert yaml.safe_load(document)["connections"][0]["parameters"] == {"region": "eu-north-1"}
    assert "the-secret-half" not in export() and "PRIVATE" not in export()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{provider: azure, name: main, api_key: k}", "resource is missing"),
        ("{provider: azure, name: main, api_key: k, parameters: {resource: a/b}}", "does not fit"),
        ("{provider: bedrock, name: main, api_key: '{}'}", "access_key_id"),
        ('{provider: openai, name: main, api_key: \'{"a": "b c"}\'}', "one line"),
        ("{provider: azure, name: main, parameters: [x]}", "mapping"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(BadDocument, match=words) as told:
        plan(f"connections:\n  - {text}\n", {})
    assert "line 2" in str(told.value) and not Connection.objects.exists()
