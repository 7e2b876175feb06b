"""Vendors' words → windows: every shape of the facts, and whatever else may come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.quota import headers, keys, logins
from providers.quota.ear import Ear
from providers.quota.table import HEADERS, USAGE
from providers.quota.windows import Left, Window, span
from providers.wire.figures import moment
from tests.providers.quota.samples import EXPECTED, NOW

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=12,
)


def reader(name: str) -> Any:
    return getattr(logins, name.strip(), None) or getattr(keys, name.strip())


@pytest.mark.parametrize("name", EXPECTED)
def test_every_vendors_reply(name: str) -> None:
    document, plan, expected = EXPECTED[name]
    found = reader(name)(document, NOW)
    assert found.plan == plan
    assert {(w.id, w.family): w.used_percent for w in found.windows} == expected
    assert len(found.windows) == len(expected)


def test_when_windows_are_reset() -> None:
    ends = {(w.id, w.family): w.resets_at for w in logins.codex(EXPECTED["codex"][0], NOW).windows}
    assert ends[("5h", "")] == NOW + 60 and ends[("7d", "")] == 1_800_100_000
    assert logins.github(EXPECTED["github"][0], NOW).windows[0].resets_at == moment("2027-02-01T00:00:00Z")
    assert keys.glm(EXPECTED["glm"][0], NOW).windows[0].resets_at == NOW + 600
    assert keys.minimax(EXPECTED["minimax"][0], NOW).windows[0].resets_at == NOW + 600


def test_a_balance_in_each_currency() -> None:
    both = keys.deepseek(EXPECTED["deepseek "][0], NOW).windows
    assert [(w.remaining, w.unit) for w in both] == [(0, "CNY"), (12.34, "USD")]


@pytest.mark.parametrize("name", EXPECTED)
@given(noise=JSON)
def test_whatever_a_vendor_says_no_reader_fails(name: str, noise: Any) -> None:
    document = EXPECTED[name][0]
    for damaged in (noise, *({**document, key: noise} for key in document)):
        for window in reader(name)(damaged, NOW).windows:
            assert window.used_percent is None or 0 <= window.used_percent <= 100


def test_every_row_of_the_table_is_read_by_what_is_tested() -> None:
    assert {call.read.__name__ for calls in USAGE.values() for call in calls} == {name.strip() for name in EXPECTED}


@pytest.mark.parametrize(
    ("provider", "said", "expected"),
    [
        (
            "claude",
            {
                "anthropic-ratelimit-unified-status": "allowed",
                "anthropic-ratelimit-unified-5h-utilization": "0.25",
                "anthropic-ratelimit-unified-5h-reset": "1800000600",
                "anthropic-ratelimit-unified-7d-utilization": "61",
            },
            {("5h", ""): (25, NOW + 600), ("7d", ""): (61, None)},
        ),
        (
            "codex",
            {
                "x-codex-primary-used-percent": "40",
                "x-codex-primary-window-minutes": "300",
                "x-codex-primary-reset-after-seconds": "60",
                "x-codex-secondary-used-percent": "5",
                "x-codex-secondary-window-minutes": "10080",
                "x-codex-plan-type": "plus",
            },
            {("5h", ""): (40, NOW + 60), ("7d", ""): (5, None)},
        ),
        (
            "groq",
            {
                "x-ratelimit-limit-requests": "1000",
                "x-ratelimit-remaining-requests": "250",
                "x-ratelimit-reset-requests": "1m30s",
            },
            {("day", "m"): (75, NOW + 90)},
        ),
        (
            "openai",
            {
                "x-ratelimit-limit-requests": "100",
                "x-ratelimit-remaining-requests": "99",
                "x-ratelimit-reset-requests": "600ms",
            },
            {("minute", "m"): (1, NOW + 0.6)},
        ),
        (
            "anthropic",
            {
                "anthropic-ratelimit-requests-limit": "50",
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2027-01-15T08:00:00Z",
            },
            {("minute", "m"): (100, NOW)},
        ),
    ],
)
def test_headers(
    provider: str, said: dict[str, str], expected: dict[tuple[str, str], tuple[float, float | None]]
) -> None:
    found = HEADERS[provider].read(said, "m", NOW)
    assert {(w.id, w.family): (w.used_percent, w.resets_at) for w in found.windows} == expected
    assert found.plan == ("plus" if provider == "codex" else "")


@pytest.mark.parametrize("provider", HEADERS)
@given(value=st.text(max_size=12))
def test_damaged_headers_are_no_failure(provider: str, value: str) -> None:
    names = [
        "anthropic-ratelimit-unified-5h-utilization", "anthropic-ratelimit-requests-limit",
        "x-codex-primary-used-percent", "x-codex-primary-window-minutes", "x-ratelimit-limit-requests",
        "x-ratelimit-reset-requests",
    ]  # fmt: skip
    HEADERS[provider].read(dict.fromkeys(names, value), "m", NOW)


def test_lengths_of_windows() -> None:
    seconds = (60, 300, 18000, 86400, 604800, 2592000, None)
    assert [span(each) for each in seconds] == ["minute", "5min", "5h", "day", "7d", "month", "window"]


def test_what_is_left_for_routing() -> None:
    left = Left("7d", "opus", 0.0, NOW, NOW + 60)
    assert left.covers("claude-opus-4-6") and not left.covers("claude-sonnet-5") and Left("5h", "", 1, NOW).covers("x")
    assert left.share_at(NOW) == 0.0 and left.share_at(NOW + 61) == 1.0
    assert Window(id="x", limit=0, used=5).used_percent is None and Window(id="x", unlimited=True).used_percent == 0


def test_the_ear_listens_once_in_a_while_and_at_once_to_a_refusal() -> None:
    ear, said = Ear(), {b"x-codex-primary-used-percent": b"1", b"authorization": b"secret"}
    for refused in (False, False, True):
        ear.listen((1, ""), "codex", "m", (b"x-codex-",), said, refused=refused)
    heard = ear.taken()
    assert len(heard) == 1 and heard[0].headers == {"x-codex-primary-used-percent": "1"} and ear.taken() == ()
    ear.listen((1, ""), "codex", "m", (b"x-codex-",), said)
    assert ear.taken() == ()  # a moment later
    ear.listen((2, ""), "codex", "m", (b"x-codex-",), said)
    assert len(ear.taken()) == 1
    assert headers.duration("1h2m3s4ms") == pytest.approx(3723.004) and headers.duration("nonsense") is None
