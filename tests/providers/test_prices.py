"""Money: exact, never negative, and nothing where a price is not known."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.entry import Entry, Model, Price
from providers.prices import cost, dearest, price_of
from providers.wire.types import Units, Usage

D = Decimal
FULL = Price(input=D(3), output=D(15), cache_read=D("0.3"), cache_write=D("3.75"))
LONG = Price(input=D(2), output=D(6), cache_read=D("0.3"), input_over_200k=D(4), output_over_200k=D(12))


@pytest.mark.parametrize(
    ("usage", "price", "usd"),
    [
        (Usage(), FULL, "0"),
        (Usage(input=1_000_000), FULL, "3"),
        (Usage(input=1000, output=500), FULL, "0.0105"),
        (Usage(input=1000, cached=400, cache_write=100, output=10), FULL, "0.002145"),
        (Usage(input=1000, cached=1000), FULL, "0.0003"),
        (Usage(input=1, output=1), Price(input=D("0.05"), output=D("0.4")), "0.00000045"),
        (Usage(output=100, reasoning=60), FULL, "0.0015"),  # reasoning is a part of output, not on top of it
        (
            Usage(input=1000, cached=400, cache_write=100),
            Price(input=D(3), output=D(1)),
            "0.003",
        ),  # no own prices: as input
        (Usage(input=1000, cached=400), Price(input=D(3), output=D(1), cache_read=D(0)), "0.0018"),  # zero is a price
        (Usage(input=200_000, output=10), LONG, "0.40006"),
        (Usage(input=200_001, output=10), LONG, "0.800124"),
        (Usage(input=300_000, output=10), FULL, "0.90015"),
        (Usage(input=10, output=7), Price(input=D(0), output=D(0)), "0"),
        (Usage(input=10, cached=50), FULL, "0.000015"),  # a vendor that counts oddly never makes a negative part
        (Usage(input=-5, output=-7, cached=-1), FULL, "0"),
    ],
)
def test_cost(usage: Usage, price: Price, usd: str) -> None:
    assert cost(usage, price) == D(usd)


@pytest.mark.parametrize(
    ("usage", "price"),
    [
        (Usage(input=1), None),
        (Usage(input=1), Price()),
        (Usage(input=1, output=1), Price(input=D(1))),
        (Usage(input=1, output=1), Price(output=D(1))),
        (Usage(input=5, cached=5), Price(output=D(1))),
    ],
)
def test_no_price_no_cost(usage: Usage, price: Price | None) -> None:
    assert cost(usage, price) is None


PICTURES = Price(input=D(5), output=D(10), per={"image": D("0.04"), "image_output": D(30)})
SPOKEN = Price(input=D(1), per={"audio_output": D(2)})
HEARD = Price(input=D("2.5"), output=D(10), per={"audio_minute": D("0.006"), "audio_input": D(6)})


@pytest.mark.parametrize(
    ("usage", "price", "usd"),
    [
        (Usage(units=Units(images=3)), Price(per={"image": D("0.04")}), "0.12"),
        (Usage(units=Units(characters=1500)), Price(per={"characters": D(15)}), "0.0225"),
        (Usage(units=Units(seconds=D("90"))), Price(per={"audio_minute": D("0.006")}), "0.009"),
        (Usage(units=Units(queries=2)), Price(per={"query": D("0.002")}), "0.004"),
        (Usage(units=Units(queries=1)), Price(input=D(0), output=D(0)), "0"),  # free, whatever it is measured by
        # tokens the provider reported, and not the unit on top of them
        (Usage(input=100, output=1000, units=Units(images=1, image_output=1000)), PICTURES, "0.0305"),
        (Usage(input=100, output=1000, units=Units(images=1, image_output=900)), PICTURES, "0.0285"),
        (Usage(input=100, output=1000, units=Units(images=1)), Price(per={"image": D("0.04")}), "0.04"),
        (Usage(input=100, units=Units(images=1)), PICTURES, "0.04"),
        (Usage(input=100, output=10, units=Units(seconds=D(60), audio_input=80)), HEARD, "0.00063"),
        (Usage(units=Units(seconds=D(60), audio_input=80)), HEARD, "0.006"),
        (Usage(input=9, output=9, units=Units(audio_output=9)), SPOKEN, "0.000027"),
        (Usage(input=500, units=Units(queries=1)), Price(input=D(1)), "0.0005"),
        (Usage(input=500, estimated=True, units=Units(queries=1)), Price(input=D(1), per={"query": D(2)}), "2"),
        (Usage(input=5, output=-7, units=Units(image_output=9, audio_input=9)), HEARD, "0.00003"),  # never negative
    ],
)  # fmt: skip
def test_cost_by_the_unit(usage: Usage, price: Price, usd: str) -> None:
    assert cost(usage, price) == D(usd)


@pytest.mark.parametrize(
    ("usage", "price"),
    [
        (Usage(units=Units(images=1)), None),
        (Usage(units=Units(images=1)), Price(input=D(1), output=D(2))),
        (Usage(units=Units(images=1)), Price(per={"query": D(1)})),
        (Usage(units=Units()), Price(per={"audio_minute": D(1)})),  # nobody told how long it was
        (Usage(input=1, output=1, units=Units(image_output=1)), Price(per={"image_output": D(1)})),
    ],
)
def test_no_price_for_the_unit_no_cost(usage: Usage, price: Price | None) -> None:
    assert cost(usage, price) is None


def test_a_class_that_was_not_used_needs_no_price() -> None:
    assert cost(Usage(input=5), Price(input=D(1))) == D("0.000005")
    assert cost(Usage(input=5, cached=5), Price(cache_read=D(1))) == D("0.000005")


tokens = st.integers(0, 10_000_000)
rates = st.none() | st.decimals(0, 1000, places=6)


@given(tokens, tokens, tokens, tokens, rates, rates, rates, rates)
def test_never_negative_and_exact(
    i: int, c: int, w: int, o: int, pi: D | None, po: D | None, pr: D | None, pw: D | None
) -> None:
    price = Price(input=pi, output=po, cache_read=pr, cache_write=pw)
    whole = cost(Usage(input=i + c + w, cached=c, cache_write=w, output=o), price)
    if whole is not None:
        assert whole >= 0
        parts = (
            i * (pi or 0)
            + c * (pr if pr is not None else pi or 0)
            + w * (pw if pw is not None else pi or 0)
            + o * (po or 0)
        )
        assert whole * 1_000_000 == parts


def entry(url: str = "https://api.openai.com/v1", tier: str = "api_key", **models: Price | None) -> Entry:
    listed = {name: Model(id=name, price=price) for name, price in models.items()}
    return Entry(id="x", name="X", alias="x", format="openai_chat", base_url=url, tier=tier, models=listed)


class TestPriceOf:
    def test_what_the_entry_says_comes_first(self) -> None:
        own = Price(input=D(1), output=D(2), source="override")
        assert price_of(entry(o3=own), "o3") is own

    def test_the_list_knows_models_nobody_prices(self) -> None:
        price = price_of(entry(), "gpt-4o-2024-08-06")
        assert price and (price.input, price.output, price.source) == (D("2.5"), D(10), "genai-prices")
        assert price_of(entry(o3=None), "o3") is not None

    def test_the_list_is_chosen_by_the_host(self) -> None:
        assert price_of(entry("https://acme.example/v1"), "gpt-4o") is None
        assert price_of(entry("https://openrouter.ai/api/v1"), "anthropic/claude-opus-4.5") is not None

    @pytest.mark.parametrize("odd", ["", "no-such-model", "x" * 5000, "a\nb", "../..", "gpt-4o; drop", "ⅷ"])
    def test_odd_names_have_no_price(self, odd: str) -> None:
        assert price_of(entry(), odd) is None

    def test_tiers_become_the_long_rates(self) -> None:
        price = price_of(entry("https://api.x.ai/v1"), "grok-4.3")
        assert price and price.input and price.input_over_200k and price.input_over_200k > price.input

    def test_an_empty_price_says_that_there_is_none_to_look_for(self) -> None:
        assert price_of(entry(o3=Price()), "o3") is None

    def test_the_free_tier_costs_nothing(self) -> None:
        price = price_of(entry("http://localhost:11434/v1", tier="free"), "anything")
        assert cost(Usage(input=9, output=9), price) == 0


def test_the_list_is_not_loaded_before_it_is_asked() -> None:
    code = (
        "import sys; sys.path.insert(0, '.');"
        "from decimal import Decimal as D; from providers.entry import Entry, Model, Price;"
        "from providers.prices import price_of;"
        "e = Entry(id='x', name='X', alias='x', format='openai_chat', base_url='https://api.openai.com/v1',"
        " models={'m': Model(id='m', price=Price(input=D(1)))});"
        "assert price_of(e, 'm'); assert 'genai_prices' not in sys.modules and 'django' not in sys.modules;"
        "price_of(e, 'gpt-4o'); assert 'genai_prices' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


RATES = st.none() | st.decimals(0, 100, places=2)
OF_TOKENS = ("audio_input", "audio_output", "image_output")
PRICES = st.builds(
    Price,
    **dict.fromkeys(FULL.__slots__[:7], RATES),
    per=st.dictionaries(
        st.sampled_from(("audio_input", "audio_output", "image_output")), st.decimals(0, 100, places=2)
    ),
)


@st.composite
def usages(draw: st.DrawFn) -> tuple[int, int, Usage]:
    """Tokens of a prompt and an answer at most, and a usage within them."""
    prompt, output = draw(st.integers(0, 400_000)), draw(st.integers(0, 9_000))
    taken, made = draw(st.integers(0, prompt)), draw(st.integers(0, output))
    cached = draw(st.integers(0, taken))
    written = draw(st.integers(0, taken - cached))
    heard, drawn, spoken = (draw(st.integers(0, most)) for most in (taken, made, made))
    return (
        prompt,
        output,
        Usage(
            input=taken,
            cached=cached,
            cache_write=written,
            cache_write_1h=draw(st.integers(0, written)),
            output=made,
            units=Units(audio_input=heard, image_output=drawn, audio_output=spoken)
            if heard or drawn or spoken
            else None,
        ),
    )


@given(PRICES, usages())
def test_the_dearest_way_bounds_every_way_of_counting(price: Price, told: tuple[int, int, Usage]) -> None:
    prompt, output, usage = told
    bound = dearest(prompt, output, price)
    assert bound is None or (cost(usage, price) or 0) <= bound


@given(PRICES, usages())
def test_what_may_be_needed_and_has_no_price_is_never_bounded(price: Price, told: tuple[int, int, Usage]) -> None:
    prompt, output, usage = told
    assert cost(usage, price) is not None or dearest(prompt, output, price) is None


def test_a_prompt_that_was_heard_is_nothing_made() -> None:
    heard = Units(audio_input=300)
    assert Usage(input=1000, units=heard).nothing_made
    assert not Usage(input=1000, output=1, units=heard).nothing_made
    assert not Usage(units=Units()).nothing_made  # a service was given, nobody told how much
