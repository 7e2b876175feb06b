"""Overrides on the catalogue, custom providers, and what cannot be saved."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from providers import catalogue, registry
from providers.models import Provider, ProviderModel
from providers.registry import BadProvider, effective, effective_all, save_provider


def custom(**said: Any) -> Provider:
    return Provider(**{"id": "acme", "format": "openai_chat", "base_url": "https://acme.example/v1", **said})


class TestEffective:
    def test_an_empty_row_is_the_catalogues_entry(self) -> None:
        assert effective(Provider(id="groq", custom=False), []) == catalogue.entries()["groq"]

    def test_what_the_row_says_wins(self) -> None:
        row = Provider(
            id="groq", custom=False, name="Ours", alias="gq", base_url="https://relay.example/v1/", tier="cheap",
            any_model=True, transport="aiohttp", operations={"chat": "/talk"},
        )  # fmt: skip
        entry = effective(row, [])
        assert (entry.name, entry.alias, entry.base_url, entry.tier) == (
            "Ours",
            "gq",
            "https://relay.example/v1",
            "cheap",
        )
        assert entry.any_model and entry.transport == "aiohttp" and entry.path("chat") == "/talk"
        assert entry.path("models") == "/models" and entry.origin == "https://relay.example:443"
        assert entry.request == catalogue.entries()["groq"].request and not entry.custom

    def test_operations_add_to_the_catalogues(self) -> None:
        entry = effective(Provider(id="openrouter", custom=False, operations={"rerank": "/rerank"}), [])
        assert entry.operations == {"check": "/key", "rerank": "/rerank"}

    def test_false_is_an_override_and_none_is_not(self) -> None:
        assert effective(Provider(id="openrouter", custom=False, any_model=None), []).any_model
        assert not effective(Provider(id="openrouter", custom=False, any_model=False), []).any_model

    def test_a_custom_provider_is_its_row(self) -> None:
        entry = effective(custom(name="Acme", alias="ac"), [])
        assert entry.custom and entry.prefixes == ("ac", "acme") and entry.auth == "optional_bearer"
        assert (entry.tier, entry.any_model, dict(entry.models)) == ("api_key", False, {})
        assert effective(custom(), []).name == "acme"

    def test_a_custom_row_hides_a_catalogue_entry_of_its_id(self) -> None:
        entry = effective(custom(id="openai"), [])
        assert entry.custom and entry.base_url == "https://acme.example/v1" and not entry.models

    def test_models_are_added_and_overridden(self) -> None:
        rows = [
            ProviderModel(model_id="gpt-5.2", input_price=Decimal("1.5"), context=1000),
            ProviderModel(model_id="gpt-4o", enabled=False),
            ProviderModel(model_id="ours", output_price=Decimal(2), capabilities=["tools"]),
        ]
        models = effective(Provider(id="openai", custom=False), rows).models
        price = models["gpt-5.2"].price
        assert price and (price.input, price.output, price.source) == (Decimal("1.5"), Decimal(14), "override")
        assert models["gpt-5.2"].context == 1000 and models["gpt-5.2"].max_output == 128000
        assert (
            not models["gpt-4o"].enabled
            and models["gpt-4o"].price == catalogue.entries()["openai"].models["gpt-4o"].price
        )
        assert models["ours"].capabilities == {"tools"} and models["ours"].price and models["ours"].price.input is None
        assert "ours" not in catalogue.entries()["openai"].models

    def test_an_own_price_holds_for_long_prompts_too(self) -> None:
        rows = [ProviderModel(model_id="grok-4.5", input_price=Decimal(1))]
        price = effective(Provider(id="xai", custom=False), rows).models["grok-4.5"].price
        assert price and price.input_over_200k is None and price.output_over_200k == Decimal(12)

    def test_a_price_of_zero_is_a_price(self) -> None:
        rows = [ProviderModel(model_id="gpt-5.2", input_price=Decimal(0), output_price=Decimal(0))]
        price = effective(Provider(id="openai", custom=False), rows).models["gpt-5.2"].price
        assert price and price.input == 0 and price.output == 0


BAD = [
    ({"format": "soap"}, "format"),
    ({"format": ""}, "format"),
    ({"base_url": ""}, "base_url"),
    ({"base_url": "ftp://acme.example/v1"}, "base_url"),
    ({"base_url": "https://u:p@acme.example/v1"}, "base_url"),
    ({"base_url": "https://acme.example/v1?key=1"}, "base_url"),
    ({"base_url": "https://acme.example/v1#x"}, "base_url"),
    ({"base_url": "http://127.0.0.1:9/v1"}, "base_url"),
    ({"base_url": "http://localhost:9/v1"}, "base_url"),
    ({"base_url": "http://169.254.169.254/v1", "allow_private_network": True}, "base_url"),
    ({"base_url": "http://2130706433/v1"}, "base_url"),
    ({"base_url": "https://acme.example/{region}/v1"}, "base_url"),
    ({"overrides": {"auth": "sigv4"}}, "overrides"),
    ({"tier": "gold"}, "tier"),
    ({"operations": {"chatt": "/c"}}, "operations"),
    ({"operations": {"chat": "c"}}, "operations"),
    ({"operations": {"chat": "//evil.example"}}, "operations"),
    ({"operations": {"chat": 7}}, "operations"),
    ({"operations": ["chat"]}, "operations"),
]


@pytest.mark.parametrize(("said", "field"), BAD)
def test_a_provider_that_cannot_be_is_refused_with_its_field(said: dict[str, Any], field: str) -> None:
    with pytest.raises(BadProvider) as wrong:
        effective(custom(**said), [])
    assert wrong.value.field == field and str(wrong.value).endswith(".")


def test_an_entry_that_left_the_catalogue_is_refused() -> None:
    with pytest.raises(BadProvider, match="no longer in the catalogue"):
        effective(Provider(id="gone", custom=False), [])


@pytest.mark.django_db
class TestSaving:
    @pytest.fixture(autouse=True)
    def _rows(self) -> None:
        catalogue.sync()

    @pytest.mark.parametrize(
        ("said", "field"), [*BAD, ({"id": "Big One"}, "id"), ({"alias": "a/b"}, "alias"), ({"id": ""}, "id")]
    )
    def test_nothing_bad_is_saved(self, said: dict[str, Any], field: str) -> None:
        with pytest.raises(BadProvider) as wrong:
            save_provider(custom(**said))
        assert wrong.value.field == field
        assert not Provider.objects.filter(custom=True).exists()

    @pytest.mark.parametrize("word", ["openai", "groq", "ds", "deepseek", "lmstudio", "lm-studio"])
    def test_a_prefix_of_the_catalogue_is_taken(self, word: str) -> None:
        with pytest.raises(BadProvider, match="belongs to") as wrong:
            save_provider(custom(alias=word))
        assert wrong.value.field == "alias"

    @pytest.mark.parametrize("word", ["other", "ot"])
    def test_a_prefix_of_another_row_is_taken(self, word: str) -> None:
        save_provider(custom(id="other", alias="ot"))
        with pytest.raises(BadProvider, match="belongs to other"):
            save_provider(custom(alias=word))
        with pytest.raises(BadProvider):
            save_provider(custom(id="ot"))

    def test_a_prefix_that_exists_only_in_the_catalogue_is_taken(self) -> None:
        Provider.objects.filter(id="groq").delete()
        with pytest.raises(BadProvider):
            save_provider(custom(alias="groq"))

    def test_a_new_row_does_not_overwrite_one(self) -> None:
        with pytest.raises(BadProvider, match="already"):
            save_provider(custom(id="openai"))
        assert not Provider.objects.get(id="openai").custom

    def test_good_rows_are_saved_and_saved_again(self) -> None:
        row = custom(alias="ac", base_url="https://acme.example/v1/", operations={"rerank": "/rerank"})
        save_provider(row)
        row = Provider.objects.get(id="acme")
        assert row.base_url == "https://acme.example/v1"
        row.name = "Acme"
        save_provider(row)
        save_provider(custom(id="local", base_url="http://127.0.0.1:9001/v1", allow_private_network=True))

    def test_an_override_is_saved(self) -> None:
        row = Provider.objects.get(id="groq")
        row.alias = "gq"
        save_provider(row)
        assert effective_all()["groq"].prefixes == ("gq", "groq")

    def test_the_local_servers_cannot_lose_their_permission_unnoticed(self) -> None:
        row = Provider.objects.get(id="vllm")
        row.allow_private_network = False
        with pytest.raises(BadProvider):
            save_provider(row)


@pytest.mark.django_db
class TestAll:
    def test_two_queries_whatever_is_there(self, django_assert_num_queries: Any) -> None:
        catalogue.sync()
        for number in range(5):
            row = Provider.objects.create(id=f"acme{number}", format="openai_chat", base_url="https://acme.example/v1")
            ProviderModel.objects.create(provider=row, model_id="m")
        with django_assert_num_queries(2):
            found = effective_all()
        assert set(found) == set(catalogue.entries()) | {f"acme{n}" for n in range(5)}
        assert list(found["acme3"].models) == ["m"]

    def test_a_bad_row_is_left_out_and_told(self, caplog: pytest.LogCaptureFixture) -> None:
        Provider.objects.create(id="bad", format="openai_chat", base_url="http://10.0.0.1/v1")
        Provider.objects.create(id="gone", custom=False)
        found = effective_all()
        assert "bad" not in found and "gone" not in found
        assert "bad" in caplog.text and "gone" in caplog.text

    def test_a_prefix_wanted_twice_has_one_owner(self) -> None:
        """As when a new release brings an entry whose names the operator gave away before."""
        catalogue.sync()
        Provider.objects.create(id="mine", alias="ds", format="openai_chat", base_url="https://mine.example/v1")
        found = effective_all()
        assert "ds" in found["mine"].prefixes and found["deepseek"].prefixes == ("deepseek",)
        words = [word for entry in found.values() for word in entry.prefixes]
        assert len(words) == len(set(words))

    def test_an_id_is_never_lost_to_an_alias(self) -> None:
        Provider.objects.create(id="thief", alias="acme", format="openai_chat", base_url="https://mine.example/v1")
        Provider.objects.create(id="acme", format="openai_chat", base_url="https://acme.example/v1")
        found = effective_all()
        assert found["acme"].prefixes == ("acme",) and found["thief"].prefixes == ("thief",)


@pytest.mark.django_db
def test_one_row_alone() -> None:
    row = Provider.objects.create(id="acme", format="openai_chat", base_url="https://acme.example/v1")
    ProviderModel.objects.create(provider=row, model_id="m")
    assert list(registry.effective_of(row).models) == ["m"]
