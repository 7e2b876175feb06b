"""The catalogue's files, their closed vocabulary, and the rows made from them."""

from __future__ import annotations

import csv
import dataclasses
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from providers import catalogue
from providers.catalogue import CatalogueError, parse
from providers.entry import CAPABILITIES, Entry
from providers.models import Provider
from providers.vocabulary import LOGINS
from providers.wire.errors import Kind

FIRST = {"openai", "openrouter", "groq", "deepseek", "mistral", "xai", "nvidia", "ollama-local", "lm-studio", "vllm"}
SMALL = 'name = "Acme"\nformat = "openai_chat"\nbase_url = "https://acme.example/v1"\n'


def test_the_first_ten_are_there_and_complete() -> None:
    entries = catalogue.entries()
    assert set(entries) >= FIRST
    for entry in entries.values():
        assert entry.name and entry.base_url and (entry.models or entry.any_model or entry.ended)
        assert all(model.capabilities <= CAPABILITIES for model in entry.models.values())


def test_no_prefix_means_two_providers() -> None:
    prefixes = [prefix for entry in catalogue.entries().values() for prefix in entry.prefixes]
    assert len(prefixes) == len(set(prefixes)) and {"ds", "deepseek", "lmstudio", "lm-studio"} <= set(prefixes)


def test_facts_that_the_gateway_relies_on() -> None:
    entries = catalogue.entries()
    assert entries["groq"].request.drop == {"logprobs", "top_logprobs", "logit_bias"}
    assert entries["groq"].request.clamp["n"] == (1, 1) and entries["groq"].failures["498"] is Kind.OVERLOADED
    assert entries["mistral"].request.rename["seed"] == "random_seed" and not entries["mistral"].stream_usage
    assert {"user", "stream_options"} <= entries["mistral"].request.drop
    assert "meta/llama-3.3-70b-instruct" in entries["nvidia"].models
    assert "nvidia/llama-3.3-70b-instruct" not in entries["nvidia"].models
    assert entries["openrouter"].any_model and entries["openrouter"].path("check") == "/key"
    price = entries["openai"].models["gpt-5.2"].price
    assert price and (price.input, price.output, price.cache_read) == (Decimal("1.75"), Decimal(14), Decimal("0.175"))
    assert price.source == "catalog"


@pytest.mark.parametrize("id", ["ollama-local", "lm-studio", "vllm"])
def test_local_servers_need_no_key_and_may_be_local(id: str) -> None:
    entry = catalogue.entries()[id]
    assert entry.allow_private_network and entry.any_model and entry.auth != "bearer" and entry.tier == "free"


@pytest.mark.parametrize("gone", ["gpt-5.1-codex", "o1-mini", "gpt-4-turbo", "o1"])
def test_models_that_are_gone_are_not_offered(gone: str) -> None:
    assert gone not in catalogue.entries()["openai"].models


def test_it_is_read_once() -> None:
    assert catalogue.entries() is catalogue.entries()


def test_entries_are_frozen() -> None:
    entry = catalogue.entries()["openai"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.name = "other"  # type: ignore[misc]
    for mapping in (
        entry.models,
        entry.headers,
        entry.operations,
        entry.request.rename,
        entry.request.default,
        entry.failures,
    ):
        with pytest.raises(TypeError):
            mapping["x"] = "y"  # type: ignore[index]


def test_a_small_file_is_enough() -> None:
    entry = parse("acme", SMALL)
    assert (entry.alias, entry.auth, entry.tier, entry.any_model) == ("acme", "bearer", "api_key", False)
    assert entry.prefixes == ("acme",) and entry.origin == "https://acme.example:443"


def test_prices_are_exact() -> None:
    entry = parse("acme", SMALL + 'models = [{ id = "m", price = { input = 0.1, output = 3 } }]')
    price = entry.models["m"].price
    assert price and price.input == Decimal("0.1") and price.output == Decimal(3)


def test_rules_carry_json_values() -> None:
    entry = parse(
        "acme", SMALL + "request.default = { temperature = 0.5, max_tokens = 9 }\nrequest.clamp = { top_p = [0.1, 1] }"
    )
    assert entry.request.default == {"temperature": 0.5, "max_tokens": 9}
    assert isinstance(entry.request.default["temperature"], float) and entry.request.clamp["top_p"] == (0.1, 1)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (SMALL + "nmae = 1", "nmae"),
        (SMALL + 'auth = "basic"', "auth"),
        (SMALL + 'tier = "gold"', "tier"),
        (SMALL + 'name = "twice"', "acme.toml"),
        (SMALL.replace("openai_chat", "soap"), "format"),
        (SMALL.replace("https://acme.example/v1", "ftp://acme.example"), "base_url"),
        (SMALL.replace("https://acme.example/v1", "https://acme.example/v1/"), "base_url"),
        (SMALL.replace("https://acme.example/v1", "https://u:p@acme.example/v1"), "base_url"),
        (SMALL.replace("https://acme.example/v1", "https://acme.example/v1?x=1"), "base_url"),
        (SMALL.replace('name = "Acme"\n', ""), "name"),
        ('format = "openai_chat"\nbase_url = "https://a.example"\nname = 7', "name"),
        (SMALL + 'request.drop = ["logprob"]', "logprob"),
        (SMALL + 'request.rename = { sed = "random_seed" }', "sed"),
        (SMALL + "request.rename = { seed = 1 }", "seed"),
        (SMALL + "request.clamp = { n = [2, 1] }", "clamp.n"),
        (SMALL + "request.clamp = { n = 1 }", "clamp.n"),
        (SMALL + "request.default = { tmp = 1 }", "tmp"),
        (SMALL + "request.omit = []", "omit"),
        (SMALL + "request = 1", "request"),
        (SMALL + 'failures = { 498 = "tired" }', "498"),
        (SMALL + "failures = { 498 = 3 }", "498"),
        (SMALL + 'operations = { chatt = "/c" }', "chatt"),
        (SMALL + 'operations = { chat = "c" }', "operations.chat"),
        (SMALL + 'operations = { chat = "//evil.example/c" }', "operations.chat"),
        (SMALL + 'operations = { chat = "/../c" }', "operations.chat"),
        (SMALL + 'headers = { Authorization = "x" }', "Authorization"),
        (SMALL + 'headers = { "X-A" = "a\\nb" }', "X-A"),
        (SMALL + 'alias = "Big One"', "alias"),
        (SMALL + 'also = ["a/b"]', "also"),
        (SMALL + "any_model = 1", "any_model"),
        (SMALL + 'models = [{ name = "x" }]', "models[1]: id"),
        (SMALL + 'models = [{ id = "x" }, { id = "x" }]', "x"),
        (SMALL + 'models = [{ id = "x", ctx = 1 }]', "ctx"),
        (SMALL + 'models = [{ id = "x", context = 0 }]', "context"),
        (SMALL + 'models = [{ id = "x", context = true }]', "context"),
        (SMALL + 'models = [{ id = "x", capabilities = ["telepathy"] }]', "telepathy"),
        (SMALL + 'models = [{ id = "x", price = { input = -1 } }]', "input"),
        (SMALL + 'models = [{ id = "x", price = { input = inf } }]', "input"),
        (SMALL + 'models = [{ id = "x", price = { in = 1 } }]', "price: in"),
        (SMALL + 'models = [{ id = "x", shutdown = "soon" }]', "shutdown"),
        (SMALL + "models = [1]", "models[1]"),
        (SMALL + 'models = [{ id = "x", operation = "sing" }]', "sing"),
        (SMALL + 'models = [{ id = "x", price = { per = { song = 1 } } }]', "song"),
        (SMALL + 'models = [{ id = "x", price = { per = { image = -1 } } }]', "image"),
        (SMALL.replace("acme.example", "{region}.acme.example"), "region"),
        (SMALL + 'headers = { "X-Org" = "{org}" }', "org"),
        (SMALL + 'operations = { chat = "/{deployment}/chat" }', "deployment"),
        (SMALL + '[[parameters]]\nname = "org"\nlabel = "Org"', "parameters[1]: example"),
        (SMALL + '[[parameters]]\nname = "model"\nlabel = "x"\nexample = "x"', "name"),
        (SMALL + '[[parameters]]\nname = "org"\nlabel = "x"\nexample = "a b"', "example"),
        (SMALL + '[[parameters]]\nname = "org"\nlabel = "x"\nexample = "x"\npattern = "("', "example"),
        (SMALL + '[[variants]]\nformat = "anthropic"', "match"),
        (SMALL + '[[variants]]\nmatch = ["x*"]\noperations = { chat = "/x" }', "format"),
        (SMALL + '[[variants]]\nmatch = ["x*"]\nformat = "soap"', "soap"),
        (SMALL + 'envelope = "paper"', "paper"),
        (SMALL + 'login = "acme"', "login"),
        (SMALL + 'uncertain = ["weather"]', "weather"),
        (SMALL + 'only = ["sing"]', "sing"),
        (SMALL + 'elsewhere = ["acme.example"]', "elsewhere"),
        (SMALL + "plans = { pro = -1 }", "plans.pro"),
        (SMALL + '[[quota]]\nkind = "rolling"', "window"),
        (SMALL + 'ended = "yesterday"', "ended"),
        ("not toml", "acme.toml"),
    ],
)
def test_the_vocabulary_is_closed(text: str, key: str) -> None:
    with pytest.raises(CatalogueError) as wrong:
        parse("acme", text)
    assert "acme.toml" in str(wrong.value) and key in str(wrong.value)


def test_a_prefix_cannot_be_claimed_by_two_files(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(SMALL + 'alias = "x"')
    (tmp_path / "two.toml").write_text(SMALL + 'also = ["x"]')
    with pytest.raises(CatalogueError, match=r"two\.toml.*'x'.*one"):
        catalogue.load(tmp_path)


def test_a_bad_file_name_is_refused() -> None:
    with pytest.raises(CatalogueError, match="Acme"):
        parse("Acme", SMALL)


@pytest.mark.django_db
class TestSync:
    def test_rows_are_made_once(self) -> None:
        Provider.objects.all().delete()
        assert catalogue.sync() == len(catalogue.entries())
        assert catalogue.sync() == 0
        assert not Provider.objects.filter(custom=True).exists()

    def test_overrides_and_switches_are_left_alone(self) -> None:
        catalogue.sync()
        Provider.objects.filter(id="groq").update(enabled=False, name="Ours", base_url="https://proxy.example/v1")
        catalogue.sync()
        row = Provider.objects.get(id="groq")
        assert (row.enabled, row.name, row.base_url) == (False, "Ours", "https://proxy.example/v1")

    def test_a_custom_provider_keeps_its_id(self) -> None:
        Provider.objects.filter(id="xai").delete()
        Provider.objects.create(id="xai", custom=True, format="openai_chat", base_url="https://mine.example/v1")
        catalogue.sync()
        assert Provider.objects.get(id="xai").custom


def test_the_entry_type_is_the_only_thing_that_leaves() -> None:
    assert all(isinstance(entry, Entry) for entry in catalogue.entries().values())


def test_traits_are_data_and_checked() -> None:
    assert catalogue.entries()["openai"].traits["developer_role"] is True
    assert ("o[1-9]*", {"sampling": False}) in catalogue.entries()["openai"].model_traits
    text = 'name = "A"\nformat = "openai_chat"\nbase_url = "https://a.example/v1"\n'
    for wrong in (
        'traits = { sampling = "no" }\n',
        "traits = { taste = true }\n",
        "[[model_traits]]\nsampling = true\n",
    ):
        with pytest.raises(catalogue.CatalogueError):
            catalogue.parse("a", text + wrong)


PRICED = list(csv.DictReader(Path(__file__).with_name("catalogue_prices.csv").read_text("utf-8").splitlines()))


@pytest.mark.parametrize("row", PRICED, ids=lambda row: f"{row['provider']}/{row['model']}")
def test_prices_are_those_of_the_vendors_lists(row: dict[str, str]) -> None:
    """The table was written from the price lists, three models a provider; empty: the list names no such class."""
    price = catalogue.entries()[row["provider"]].models[row["model"]].price
    assert price is not None
    for name in (
        "input",
        "output",
        "cache_read",
        "cache_write",
        "cache_write_1h",
        "input_over_200k",
        "output_over_200k",
    ):
        assert getattr(price, name) == (Decimal(row[name]) if row[name] else None), name


def test_nothing_is_listed_that_was_over_when_the_catalogue_was_written() -> None:
    written = date(2026, 11, 26)
    over = [
        f"{entry.id}/{model.id}"
        for entry in catalogue.entries().values()
        for model in entry.models.values()
        if model.shutdown and model.shutdown <= written
    ]
    assert not over


def test_a_model_whose_last_day_is_over_is_not_offered() -> None:
    entry = catalogue.entries()["anthropic"]
    ending = [model for model in entry.models.values() if model.shutdown]
    assert ending, "the vendor has announced some"
    for model in ending:
        assert model.shutdown is not None
        assert entry.on(model.shutdown).models[model.id].enabled
        assert not entry.on(model.shutdown + timedelta(days=1)).models[model.id].enabled


def test_services_in_a_shape_that_is_not_spoken_are_not_offered() -> None:
    entry = catalogue.entries()["cartesia"].on(date(2026, 11, 26))
    assert entry.models and not any(model.enabled for model in entry.models.values()) and not entry.services


def test_logins_say_what_the_vendors_terms_risk() -> None:
    entries = catalogue.entries()
    assert {id for id, entry in entries.items() if entry.terms_risk} == {
        "claude",
        "gemini-cli",
        "antigravity",
        "cursor",
    }
    assert {entry.login for entry in entries.values()} - {""} == LOGINS
