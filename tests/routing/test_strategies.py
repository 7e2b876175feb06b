"""The orders of a combo's steps, and the attempts that come of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.errors import Refusal
from routing.board import Board
from routing.models import Strategy
from routing.names import find
from routing.plan import MOST_PLANNED, plan
from routing.snapshot import Snapshot, Switches
from routing.strategies import STRATEGIES
from routing.strategies.orders import Ranked
from routing.strategies.state import Now
from tests.routing.samples import Clock, provider, snapshot


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


def test_fastest_first_the_unmeasured_before_and_the_failing_last() -> None:
    rows = steps(("a", 1, None), ("b", 1, None), ("c", 1, None), ("d", 1, None))
    state = now(failures={"d": 1})
    measured = {"a": 0.9, "b": 0.2, "d": 0.01}
    assert order("lowest-latency", rows, replace(state, latency=measured.get)) == "cbad"


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
        wide = provider("wide", models=tuple(f"m{i}" for i in range(150)))
        config = snapshot(wide, combos={"c": [f"wide/m{i}" for i in range(150)]})
        assert len(plan(find(config, "c"), Board())) == MOST_PLANNED

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

    def test_round_robin_may_stay_for_some_requests(self) -> None:
        config = snapshot(ACME, BETA, combos={"r": ("round-robin", ["acme/small", "beta/large"])})
        sticky = replace(config, combos={"r": replace(config.combos["r"], sticky=3)})
        board = Board()
        assert [plan(find(sticky, "r"), board)[0].entry.id for _ in range(7)] == ["acme"] * 3 + ["beta"] * 3 + ["acme"]


SUB = provider("sub", connections=(11,), models=("s1", "s2"), tier="subscription")
KEY = provider("key", connections=(12,), models=("k1",), tier="api_key")
CHEAP = provider("cheap", connections=(13,), models=("c1",), tier="cheap")
FREE = provider("free", connections=(14,), models=("f1", "f2"), tier="free")
OFF = provider("off", connections=(), models=("o1",), tier="subscription")


class TestTiers:
    def test_over_everything_connected_with_no_list(self) -> None:
        """A provider's first model before any provider's second one, within a tier."""
        other = provider("other", connections=(15,), models=("x1",), tier="free")
        config = snapshot(FREE, CHEAP, other, KEY, OFF, SUB, combos={"auto": ("tiers", [])})
        models = [attempt.model for attempt in plan(find(config, "auto"), Board())]
        assert models == ["s1", "s2", "k1", "c1", "f1", "x1", "f2"]

    def test_over_what_a_pattern_says(self) -> None:
        config = snapshot(FREE, CHEAP, KEY, SUB, combos={"auto": ("tiers", ["*/?2", "cheap/*"])})
        assert [attempt.model for attempt in plan(find(config, "auto"), Board())] == ["s2", "c1", "f2"]

    def test_nothing_connected(self) -> None:
        with pytest.raises(Refusal) as told:
            find(snapshot(OFF, combos={"auto": ("tiers", [])}), "auto")
        assert told.value.code == "no_usable_step"


class TestConnections:
    """The strategies among a provider's connections."""

    def firsts(self, strategy: str, count: int, **said: Any) -> list[int]:
        board, switches = Board(die=Random(3)), Switches(connection_strategy=strategy, **said)
        many = provider("many", connections=(1, 2, 3))
        asked = []
        for _ in range(count):
            attempt = plan(find(snapshot(many), "many/large"), board, switches)[0]
            board.began(attempt)
            asked.append(attempt.link.connection_id)
        return asked

    @pytest.mark.parametrize("strategy", sorted(STRATEGIES))
    def test_all_are_there_once(self, strategy: str) -> None:
        many = provider("many", connections=(1, 2, 3))
        switches = Switches(connection_strategy=strategy)
        order = plan(find(snapshot(many), "many/large"), Board(), switches)
        assert sorted(attempt.link.connection_id for attempt in order) == [1, 2, 3]

    def test_by_priority_unless_said_otherwise(self) -> None:
        assert self.firsts("fill-first", 3) == [1, 1, 1]

    def test_in_turn(self) -> None:
        assert self.firsts("round-robin", 4) == [1, 2, 3, 1]
        assert self.firsts("round-robin", 5, sticky_requests=2) == [1, 1, 2, 2, 3]

    def test_the_least_used(self) -> None:
        assert sorted(self.firsts("least-used", 6)) == [1, 1, 2, 2, 3, 3]

    def test_two_of_them_drawn(self) -> None:
        assert set(self.firsts("p2c", 30)) == {1, 2, 3}

    def test_a_provider_may_have_its_own(self) -> None:
        own = replace(provider("many", connections=(1, 2)), strategy="round-robin")
        board = Board()
        asked = [plan(find(snapshot(own), "many/large"), board)[0].link.connection_id for _ in range(3)]
        assert asked == [1, 2, 1]


class TestConversations:
    SESSION = b"conversation"

    def planned(self, config: Snapshot, name: str, board: Board) -> list[int]:
        return [one.link.connection_id for one in plan(find(config, name), board, session=self.SESSION)]

    def test_stays_with_its_connection(self) -> None:
        many, board = provider("many", connections=(1, 2, 3)), Board()
        assert self.planned(snapshot(many), "many/large", board) == [1, 2, 3]
        board.sessions.answered(self.SESSION, (2, "large"))
        assert self.planned(snapshot(many), "many/large", board) == [2, 1, 3]

    def test_an_order_that_means_something_stays(self) -> None:
        """It was answered by the fallback; the next turn goes where the operator wants it first."""
        board = Board()
        board.sessions.answered(self.SESSION, (3, "large"))
        steps = ["acme/large", "beta/large"]
        config = snapshot(ACME, BETA, combos={"p": ("priority", steps), "r": ("random", steps)})
        assert self.planned(config, "p", board) == [1, 2, 3]
        assert self.planned(config, "r", board)[0] == 3

    def test_it_is_forgotten_after_an_hour(self) -> None:
        clock = Clock()
        many, board = provider("many", connections=(1, 2)), Board(clock)
        board.sessions.answered(self.SESSION, (2, "large"))
        clock.now += 3600
        assert self.planned(snapshot(many), "many/large", board) == [1, 2]
