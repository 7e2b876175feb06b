"""The orders of a combo's steps, and the attempts that come of them."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.board import Board
from routing.models import Strategy
from routing.plan import MOST_ATTEMPTS, plan
from routing.resolve import find
from routing.strategies import STRATEGIES
from routing.strategies.orders import Ranked
from routing.strategies.state import Now
from tests.routing.samples import provider, snapshot


def now(
    seed: int = 1, turn: int = 0, uses: dict[str, int] | None = None, failures: dict[str, int] | None = None
) -> Now:
    return Now(Random(seed), turn, lambda key: (uses or {}).get(key, 0), lambda key: (failures or {}).get(key, 0))


def steps(*rows: tuple[str, int, str | None]) -> list[Ranked]:
    return [Ranked(key, i, weight, Decimal(price) if price else None) for i, (key, weight, price) in enumerate(rows)]


ABC = steps(("a", 1, "3"), ("b", 1, None), ("c", 1, "0"))


def order(strategy: str, of: list[Ranked], state: Now) -> str:
    return "".join(step.key for step in STRATEGIES[strategy](of, state))


def test_every_strategy_that_can_be_chosen_is_there() -> None:
    assert set(STRATEGIES) == set(Strategy.values)


@given(
    st.sampled_from(sorted(STRATEGIES)),
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 100), st.sampled_from([None, "0", "1.5"])),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 10**6),
)
def test_every_strategy_gives_all_steps_once(strategy: str, rows: list[tuple[str, int, str | None]], seed: int) -> None:
    given_steps = steps(*rows)
    before = list(given_steps)
    ordered = STRATEGIES[strategy](given_steps, now(seed, turn=seed))
    assert sorted(step.position for step in ordered) == list(range(len(rows))) and given_steps == before


@pytest.mark.parametrize("strategy", ["priority", "fill-first"])
def test_as_written(strategy: str) -> None:
    assert all(order(strategy, ABC, now(seed, turn=seed)) == "abc" for seed in range(5))


def test_round_robin() -> None:
    assert [order("round-robin", ABC, now(turn=turn)) for turn in range(4)] == ["abc", "bca", "cab", "abc"]


def test_random_gives_every_order_equally_often() -> None:
    state = now()
    seen = Counter(order("random", ABC, state) for _ in range(6000))
    assert len(seen) == 6 and all(850 < count < 1150 for count in seen.values())


def test_weighted_follows_the_weights() -> None:
    rows, state = steps(("a", 1, None), ("b", 3, None), ("c", 0, None), ("d", 6, None)), now()
    first = Counter(order("weighted", rows, state)[0] for _ in range(10_000))
    assert first["c"] == 0
    assert [round(first[key] / 1000) for key in "abd"] == [1, 3, 6]


def test_weighted_falls_back_to_the_heaviest() -> None:
    rows = steps(("a", 1, None), ("b", 3, None), ("c", 0, None))
    assert {order("weighted", rows, now(seed)) for seed in range(50)} == {"abc", "bac"}


def test_weighted_without_weights_is_even() -> None:
    rows, state = steps(("a", 0, None), ("b", 0, None)), now()
    first = Counter(order("weighted", rows, state)[0] for _ in range(2000))
    assert 900 < first["a"] < 1100


def test_p2c_takes_the_better_of_two() -> None:
    state = now(failures={"a": 2}, uses={"b": 5, "c": 1})
    first = Counter(order("p2c", ABC, state)[0] for _ in range(3000))
    assert first["a"] == 0, "the one that fails loses against any other"
    assert 850 < first["b"] < 1150 and 1850 < first["c"] < 2150


def test_p2c_of_one() -> None:
    assert order("p2c", ABC[:1], now()) == "a"


def test_least_used() -> None:
    assert order("least-used", ABC, now(uses={"a": 2, "b": 1, "c": 1})) == "bca"
    assert order("least-used", ABC, now()) == "abc"


def test_cheapest_first_and_unknown_last() -> None:
    assert order("cost-optimized", ABC, now()) == "cab"
    equal = steps(("a", 1, "1.0"), ("b", 1, "1"), ("c", 1, None), ("d", 1, "0.99"))
    assert order("cost-optimized", equal, now()) == "dabc"


# -- plans --------------------------------------------------------------------------------------------------------
ACME = provider("acme", connections=(1, 2), prices={"large": "5", "small": "1"})
BETA = provider("beta", connections=(3,), prices={"large": "2"})


def planned(name: str, combos: dict[str, object], board: Board | None = None) -> list[str]:
    config = snapshot(ACME, BETA, combos=combos)
    return [f"{a.link.connection_id}:{a.model}" for a in plan(find(config, name), board or Board())]


class TestPlan:
    def test_a_model_over_its_connections(self) -> None:
        assert planned("acme/large", {}) == ["1:large", "2:large"]

    def test_steps_one_after_the_other(self) -> None:
        assert planned("c", {"c": ["beta/large", "acme/small"]}) == ["3:large", "1:small", "2:small"]

    def test_nothing_twice(self) -> None:
        combos = {"c": ["acme/large", "inner", "acme/large"], "inner": ["acme/large", "beta/large"]}
        assert planned("c", combos) == ["1:large", "2:large", "3:large"]

    def test_no_more_than_can_be_asked_for(self) -> None:
        wide = provider("wide", models=tuple(f"m{i}" for i in range(30)))
        config = snapshot(wide, combos={"c": [f"wide/m{i}" for i in range(30)]})
        assert len(plan(find(config, "c"), Board())) == MOST_ATTEMPTS

    def test_turns_count_per_combo(self) -> None:
        board = Board()
        combos = {
            "r": ("round-robin", ["acme/small", "beta/large"]),
            "s": ("round-robin", ["acme/small", "beta/large"]),
        }
        firsts = [planned(name, combos, board)[0] for name in "rrsr"]
        assert firsts == ["1:small", "3:large", "1:small", "1:small"]

    def test_a_combo_costs_what_its_cheapest_step_costs(self) -> None:
        combos = {"c": ("cost-optimized", ["beta/large", "inner", "acme/large"]), "inner": ["acme/large", "acme/small"]}
        assert planned("c", combos) == ["1:large", "2:large", "1:small", "2:small", "3:large"]

    def test_a_combo_is_used_as_often_as_its_steps(self) -> None:
        board = Board()
        combos = {"c": ("least-used", ["inner", "beta/large"]), "inner": ["acme/small"]}
        firsts = []
        for _ in range(4):
            attempt = plan(find(snapshot(ACME, BETA, combos=combos), "c"), board)[0]
            board.began(attempt)
            firsts.append(attempt.entry.id)
        assert firsts == ["acme", "beta", "acme", "beta"]
