"""What operators say differently: where it shows, how it is taken back, and that a new catalogue leaves it alone."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from providers import catalogue, connections, overrides, registry
from providers.models import Provider, ProviderModel
from providers.registry import BadProvider
from providers.vocabulary import UNITS

pytestmark = pytest.mark.django_db
ACME = """
name = "Acme"
alias = "ac"
format = "openai_chat"
base_url = "https://acme.example/v1"
headers = { "X-Plan" = "old" }
request.drop = ["seed"]
models = [{ id = "large", context = 1000, price = { input = 1, output = 2, cache_write = 3, cache_write_1h = 4 } }]
"""
NEWER = (
    ACME.replace('"Acme"', '"Acme Cloud"')
    .replace("acme.example/v1", "acme.example/v2")
    .replace('"old"', '"new"')
    .replace("context = 1000", "context = 9000")
    .replace("input = 1,", "input = 7,")
    .replace('["seed"]', '["seed", "user"]')
)


@pytest.fixture
def ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """ship(text): the program's catalogue holds this one provider from now on, as after an upgrade."""

    def ship(text: str) -> None:
        (tmp_path / "acme.toml").write_text(text, encoding="utf-8")
        found = catalogue.load(tmp_path)
        monkeypatch.setattr(catalogue, "entries", lambda: found)
        catalogue.sync()

    return ship


@pytest.fixture
def acme(ship: Callable[[str], None]) -> Provider:
    ship(ACME)
    return Provider.objects.get(id="acme")


def said(row: Provider, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(row, name, value)
    registry.save_provider(row)


def test_overrides_survive_a_new_catalogue_and_everything_else_follows_it(acme: Provider, ship: Any) -> None:
    said(acme, name="Ours", overrides={"headers": {"X-Plan": "mine"}})
    ProviderModel.objects.create(provider=acme, model_id="large", output_price=Decimal("1.5"))
    ship(NEWER)
    entry = registry.effective_of(Provider.objects.get(id="acme"))
    assert (entry.name, entry.headers) == ("Ours", {"X-Plan": "mine"})
    assert entry.base_url == "https://acme.example/v2" and entry.request.drop == {"seed", "user"}
    price = entry.models["large"].price
    assert price and (price.input, price.output, price.source) == (Decimal(7), Decimal("1.5"), "override")
    assert entry.models["large"].context == 9000


def test_what_is_overridden_is_told_and_taken_back_one_by_one_or_whole(acme: Provider) -> None:
    said(acme, name="Ours", any_model=True, overrides={"headers": {}, "stream_usage": False})
    assert overrides.said(acme) == ("name", "any_model", "headers", "stream_usage")
    registry.reset(acme, ["headers", "name"])
    assert overrides.said(Provider.objects.get(id="acme")) == ("any_model", "stream_usage")
    registry.reset(acme)
    assert registry.effective_of(Provider.objects.get(id="acme")) == catalogue.entries()["acme"]
    with pytest.raises(KeyError):
        registry.reset(acme, ["models"])


def test_every_word_of_a_catalogue_file_but_its_models_can_be_overridden(acme: Provider) -> None:
    said(
        acme,
        overrides={
            "auth": "api_key",
            "request": {"drop": ["user"], "clamp": {"temperature": [0, 0.5]}, "default": {"top_p": 0.25}},
            "failures": {"432": "quota_exhausted"},
            "traits": {"reasoning_in": True},
            "plans": {"pro": 9.99},
            "variants": [{"match": ["new*"], "format": "anthropic"}],
        },
    )
    entry = registry.effective_of(acme)
    assert entry.credential("s") == ("api-key", "s") and entry.request.drop == {"user"}
    assert entry.request.clamp == {"temperature": (0, 0.5)} and entry.request.default == {"top_p": 0.25}
    assert entry.plans == {"pro": Decimal("9.99")} and entry.of("newest").format == "anthropic"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ({"haeders": {}}, "haeders"),
        ({"models": []}, "models"),
        ({"ended": "2026-01-01"}, "ended"),
        ({"headers": {"Authorization": "x"}}, "Authorization"),
        ({"request": {"drop": ["telepathy"]}}, "telepathy"),
        ({"request": {"replace": {"telepathy": {"a": "b"}}}}, "telepathy"),
        ({"request": {"replace": {"tool_choice": "any"}}}, "tool_choice"),
        ({"services_take": [{"operation": "chat"}]}, "operation"),
        ({"services_take": [{"operation": "images", "request": {"drop": ["tools"]}}]}, "tools"),
        ({"traits": {"turns": "backwards"}}, "turns"),
        ({"auth": "basic"}, "auth"),
        ({"elsewhere": ["ftp://x"]}, "elsewhere"),
        ([1], "table"),
    ],
)
def test_words_that_the_catalogue_does_not_know_are_refused_by_name(acme: Provider, words: Any, named: str) -> None:
    with pytest.raises(BadProvider, match=named) as wrong:
        said(acme, overrides=words)
    assert wrong.value.field == "overrides" and not Provider.objects.get(id="acme").overrides


def test_another_format_leaves_the_rules_of_the_old_one_behind(acme: Provider) -> None:
    said(acme, format="anthropic")
    entry = registry.effective_of(acme)
    assert entry.format == "anthropic" and not entry.request.drop and entry.path("chat") == "/messages"


def test_every_class_of_a_price_can_be_overridden(acme: Provider) -> None:
    def price(**fields: str) -> Any:
        row = ProviderModel(model_id="large", **{f"{name}_price": Decimal(usd) for name, usd in fields.items()})
        return registry.effective(acme, [row]).models["large"].price

    assert price(cache_write_1h="9").cache_write_1h == 9 and price(cache_write_1h="9").cache_write == 3
    assert price(cache_write="5").cache_write_1h is None, "the new price holds for caches of any time"
    assert price(input_over_200k="8").input_over_200k == 8 and price(input_over_200k="8").input == 1
    assert price(input="2", input_over_200k="8").input_over_200k == 8
    assert price(output="2", output_over_200k="8").output_over_200k == 8


def test_prices_by_the_unit_are_overridden_each_alone_and_outlive_a_new_catalogue(ship: Any) -> None:
    def priced(per: str) -> str:
        return (
            ACME.partition("models =")[0]
            + f"""models = [
          {{ id = "large", operation = "images", price = {{ input = 1, per = {per} }} }},
        ]"""
        )

    ship(priced("{ image = 0.04, image_output = 30 }"))
    acme = Provider.objects.get(id="acme")
    row = ProviderModel.objects.create(provider=acme, model_id="large", image_price=Decimal("0.05"))
    price = registry.effective_of(acme).models["large"].price
    assert price and (price.per, price.input) == ({"image": Decimal("0.05"), "image_output": 30}, 1)
    assert (price.source, overrides.said_of(row)) == ("override", ("image_price",))
    ship(priced("{ image = 0.02, image_output = 20, audio_input = 6 }"))
    price = registry.effective_of(acme).models["large"].price
    assert price and price.per == {"image": Decimal("0.05"), "image_output": 20, "audio_input": 6}
    assert registry.reset_model(row) and not ProviderModel.objects.exists()
    price = registry.effective_of(acme).models["large"].price
    assert price and (price.per["image"], price.source) == (Decimal("0.02"), "catalog")


def test_every_unit_of_the_vocabulary_has_a_column() -> None:
    row = ProviderModel(model_id="own", **{name: Decimal(1) for name in overrides.UNIT_PRICES.values()})
    entry = registry.effective(Provider(id="own", format="openai_chat", base_url="https://own.example/v1"), [row])
    price = entry.models["own"].price
    assert price and set(price.per) == set(UNITS) and (price.input, price.source) == (None, "override")


@pytest.mark.parametrize("format", ["openai_chat", "openai_responses", "anthropic", "gemini"])
def test_a_custom_provider_of_each_format_sends_its_key_as_that_format_does(format: str) -> None:
    usual = {"anthropic": ("x-api-key", "k"), "gemini": ("x-goog-api-key", "k")}
    row = Provider(id="own", format=format, base_url="https://own.example/v1")
    entry = registry.effective(row, [])
    assert entry.credential("k") == usual.get(format, ("authorization", "Bearer k")) and not entry.needs_secret
    row.overrides = {"auth": "token"}
    assert registry.effective(row, []).credential("k") == ("authorization", "Token k")


class TestEnded:
    @pytest.fixture
    def over(self, ship: Callable[[str], None]) -> Provider:
        ship(ACME.replace("request.drop", "ended = 2026-04-15\nrequest.drop"))
        return Provider.objects.get(id="acme")

    def test_nothing_connects_to_it(self, over: Provider) -> None:
        with pytest.raises(connections.BadConnection, match="ended"):
            connections.add(over, "main", "sk-1")
        assert not over.connections.exists()

    def test_what_was_connected_before_is_not_used(self, acme: Provider, ship: Any) -> None:
        row = connections.add(acme, "main", "sk-1")
        ship(ACME.replace("request.drop", "ended = 2026-04-15\nrequest.drop"))
        reason = connections.usable_reason(row, registry.effective_of(acme))
        assert reason and "ended" in reason


def test_azure_by_a_dated_version_and_a_token_of_entra() -> None:
    catalogue.sync()
    row = Provider.objects.get(id="azure")
    dated = "/deployments/{model}/chat/completions?api-version=2024-10-21"
    said(row, base_url="https://res.openai.azure.com/openai", operations={"chat": dated}, overrides={"auth": "bearer"})
    entry = registry.effective_of(row)
    assert entry.target("chat", "my dep") == dated.replace("{model}", "my%20dep")
    assert entry.credential("ey.token") == ("authorization", "Bearer ey.token")
    assert entry.of("gpt-5.2").request.rename["max_tokens"] == "max_completion_tokens"
