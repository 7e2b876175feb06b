"""Many patterns in one pass: the same finds as one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.gateway.policies import patterns
from routing.gateway.policies.guard import FAMILIES, OWN
from routing.gateway.policies.patterns import Sieve, compiled

SOURCES = [source for family in FAMILIES for source in family.patterns]
SIEVE = Sieve(SOURCES)
WORDS = (
    "ignore", "all", "previous", "instructions", "your", "new", "rules", "are", ":", "you", "now", "a", "reveal",
    "system", "prompt", "<|im_start|>", "[INST]", "DAN", "mode", "decode", "this", "base64", "and", "then", "follow",
    "\n", "### system:", "без", "\0", "", "é", "without", "any", "safety", "filters", "from", "on", "act", "as", "if",
)  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join))
def test_holds_what_each_pattern_finds_by_itself(text: str) -> None:
    found = [number for number, source in enumerate(SOURCES) if OWN[source].search(text) is not None]
    assert sorted(SIEVE.held(text)) == found


def test_anchors_mean_the_text_itself() -> None:
    sieve = Sieve(["^secret", "secret$", r"\Asecret\z"])
    assert sorted(sieve.held("secret")) == [0, 1, 2]
    assert sorted(sieve.held("secret plan")) == [0]
    assert not sieve.held("a secret plan")


def test_patterns_without_room_for_one_automaton_are_each_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "ROOM", 4096)
    monkeypatch.setattr(patterns, "MOST_MEMORY", 0)
    assert list(Sieve(SOURCES).held("nothing to see")) == list(range(len(SOURCES)))


def test_fifty_of_an_operators_longest_patterns_still_find(monkeypatch: pytest.MonkeyPatch) -> None:
    own = [f"(?:{'[a-z0-9]{1,40}_' * 8}){{1,3}}needle{number}" for number in range(50)]
    text = "".join("abc_" * 8) + "needle7"
    assert compiled(own[7]).search(text) is not None
    assert 7 in Sieve(own).held(text)
