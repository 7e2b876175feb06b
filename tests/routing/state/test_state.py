"""The same decisions in memory and in Redis: windows, slots, purses, leases."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio

from routing import levels
from routing.state import Claim, End, Memory, Purse, Shared, Slot, Why, Window
from routing.state.base import LEASE

REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/6")


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.25

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.services)])
async def state(request: Any, clock: Clock) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield Memory(clock)
        return
    prefix = f"test:{secrets.token_hex(6)}:"
    shared = Shared(REDIS, timeout=5, prefix=prefix, clock=clock)
    await shared.start()
    if shared.away:
        if os.environ.get("CI"):
            pytest.fail("no Redis")
        pytest.skip("no Redis")
    yield shared
    await shared.aclose()
    server = redis.asyncio.Redis.from_url(REDIS)
    async for key in server.scan_iter(f"{prefix}*"):
        assert await server.ttl(key) != -1, f"{key} never expires"
        await server.delete(key)
    await server.aclose()


async def ended(state: Any, end: End) -> None:
    state.end(end)
    while getattr(state, "_flushing", False):
        await asyncio.sleep(0)


async def loaded(state: Any, key: str, spent: int = 0) -> None:
    version, ids = await state.look(key)
    assert await state.load(key, version, spent, ids)


async def test_what_running_requests_hold_is_told(state: Any) -> None:
    await loaded(state, "b", spent=3)
    assert await state.reserved(["b", "none"]) == [0, 0]
    for id in ("one", "two"):
        assert (await state.take(Claim(id, purses=(Purse("b", 100, 20),)))).why is None
    assert await state.reserved(["none", "b"]) == [0, 40]
    await ended(state, End("one", purses=(("b", 5),)))
    assert await state.reserved(["b"]) == [20]


async def test_a_window_takes_its_limit_and_says_when_there_is_room(state: Any, clock: Clock) -> None:
    wanted = (Window("w:a", 3, 1),)
    taken = [await state.take(Claim(str(n), windows=wanted)) for n in range(4)]
    assert [t.why for t in taken] == [None, None, None, Why.WINDOW]
    assert [t.levels[0][0] for t in taken] == [1, 2, 3, 3]
    clock.now += taken[3].retry_after - 0.01
    assert (await state.take(Claim("x", windows=wanted))).why is Why.WINDOW
    clock.now += 0.02
    assert (await state.take(Claim("x", windows=wanted))).why is None


async def test_no_minute_ever_holds_more_than_the_limit(state: Any, clock: Clock) -> None:
    granted: list[float] = []
    for step in range(300):
        clock.now += 0.7
        if (await state.take(Claim(str(step), windows=(Window("w:b", 10, 1),)))).why is None:
            granted.append(clock.now)
    assert len(granted) >= 30  # three and a half minutes
    for begin in granted:
        assert sum(begin <= at < begin + 60 for at in granted) <= 10


async def test_a_refused_claim_takes_nothing_from_the_others(state: Any) -> None:
    await loaded(state, "b:1", 90)
    full = Claim(
        "1",
        windows=(Window("w:key", 5, 1), Window("w:team", 5, 1)),
        slots=(Slot("s:key", 1),),
        purses=(Purse("b:1", 100, 20),),
    )
    assert (await state.take(full)).why is Why.PURSE
    after = await state.take(
        Claim("2", windows=(Window("w:key", 1, 1), Window("w:team", 1, 1)), slots=(Slot("s:key", 1),))
    )
    assert after.why is None
    assert [used for used, _ in after.levels] == [1, 1]
    assert (await state.take(Claim("3", purses=(Purse("b:1", 100, 10),)))).why is None


async def test_tokens_are_corrected_after(state: Any, clock: Clock) -> None:
    taken = await state.take(Claim("1", windows=(Window("t", 100, 80),)))
    assert (await state.take(Claim("2", windows=(Window("t", 100, 30),)))).why is Why.WINDOW
    await ended(state, End("1", corrections=(("t", taken.second, -60),)))
    assert (await state.take(Claim("3", windows=(Window("t", 100, 30),)))).levels[0][0] == 50
    await ended(state, End("1", corrections=(("t", taken.second, 60),)))
    assert (await state.take(Claim("4", windows=(Window("t", 100, 0),)))).why is Why.WINDOW
    clock.now += 61
    assert (await state.take(Claim("5", windows=(Window("t", 100, 100),)))).levels[0][0] == 100


async def test_who_runs_is_counted_without_being_one(state: Any, clock: Clock) -> None:
    for number in range(2):
        assert (await state.take(Claim(str(number), slots=(Slot("s", 3),)))).why is None
    assert await state.running(["none", "s"]) == [0, 2] == await state.running(["none", "s"])
    await ended(state, End("0", slots=("s",)))
    assert await state.running(["s"]) == [1]
    if isinstance(state, Shared):
        clock.now += LEASE  # whose process was killed
        assert await state.running(["s"]) == [0]


async def test_looking_at_limits_counts_nowhere(state: Any) -> None:
    full = (Window("w", 3, 1), Window("x", 100, 40))
    for number in range(3):
        assert (await state.take(Claim(str(number), windows=full, slots=(Slot("s", 9),)))).why is (
            None if number < 2 else Why.WINDOW
        )
    for _ in range(3):
        looked = await levels.look(state, [*full, Window("never", 5, 1)], [Slot("s", 9)])
        assert [used for used, _ in looked.windows] == [2, 80, 0] and looked.slots == (2,)
        assert (looked.full, 0 < looked.wait <= 61) == (1, True), "the first without room"
        assert 0 < looked.windows[0][1] <= 61 and looked.windows[2][1] == 0
    roomy = await levels.look(state, [Window("w", 3, 1)], [])
    assert (roomy.full, roomy.slots) == (None, ())


async def test_slots_are_freed(state: Any) -> None:
    claims = [Claim(str(n), slots=(Slot("s", 2),)) for n in range(3)]
    assert [(await state.take(claim)).why for claim in claims] == [None, None, Why.SLOT]
    await ended(state, End("0", slots=("s",)))
    assert (await state.take(claims[2])).why is None


async def test_an_unknown_purse_is_not_guessed(state: Any) -> None:
    claim = Claim("1", purses=(Purse("b:2", 100, 1),))
    assert (await state.take(claim)).why is Why.UNKNOWN
    await loaded(state, "b:2", 99)
    assert (await state.take(claim)).why is None
    refused = await state.take(Claim("2", purses=(Purse("b:2", 100, 1),)))
    assert (refused.why, refused.spent, refused.reserved) == (Why.PURSE, 99, 1)


async def test_an_exhausted_purse_refuses_what_costs_nothing(state: Any) -> None:
    await loaded(state, "b", 100)
    assert (await state.take(Claim("1", purses=(Purse("b", 100, 0),)))).why is Why.PURSE


async def test_another_attempt_replaces_the_reservation_and_drops_the_other(state: Any) -> None:
    for key in ("caller", "one", "two"):
        await loaded(state, key)
    first = Claim("1", purses=(Purse("caller", 100, 90), Purse("one", 100, 90)))
    assert (await state.take(first)).why is None
    second = Claim("1", purses=(Purse("caller", 100, 95), Purse("two", 100, 95)), drop=("one",))
    assert (await state.take(second)).why is None
    assert (await state.take(Claim("2", purses=(Purse("one", 100, 100),)))).why is None
    short = await state.take(Claim("3", purses=(Purse("caller", 100, 10),)))
    assert (short.why, short.reserved) == (Why.PURSE, 95)


async def test_what_was_spent_stays_until_the_ledger_has_it_and_is_counted_once(state: Any) -> None:
    await loaded(state, "b")
    await state.take(Claim("1", purses=(Purse("b", 100, 80),)))
    await ended(state, End("1", purses=(("b", 30),)))
    level = await state.take(Claim("x", purses=(Purse("b", 100, 71),)))
    assert (level.spent, level.reserved) == (30, 0)
    await state.confirm([("b", "1", 30)])
    await state.confirm([("b", "1", 30)])
    level = await state.take(Claim("x", purses=(Purse("b", 100, 71),)))
    assert (level.spent, level.reserved) == (30, 0)


async def test_a_line_that_nobody_waited_for_is_told(state: Any) -> None:
    """The server was emptied between the end of a request and its line: what was loaded before knows neither."""
    await state.confirm([("b", "early", 7)])
    await loaded(state, "b")
    await state.take(Claim("1", purses=(Purse("b", 100, 10),)))
    await ended(state, End("1", purses=(("b", 10),)))
    assert set(await state.confirm([("b", "1", 10), ("b", "lost", 5), ("b", "free", 0), ("c", "x", 3)])) == {"b"}
    assert not await state.confirm([("c", "1", 10), ("b", "free", 0)])


async def test_a_load_gives_way_to_a_line_that_came_meanwhile(state: Any) -> None:
    version, _ = await state.look("b")
    await state.confirm([("b", "1", 30)])  # the sum was read before this line
    assert not await state.load("b", version, 0, [])
    version, _ = await state.look("b")
    assert await state.load("b", version, 30, [])
    assert (await state.take(Claim("2", purses=(Purse("b", 30, 1),)))).why is Why.PURSE


async def test_a_load_forgets_what_is_in_its_sum(state: Any) -> None:
    await loaded(state, "b")
    await state.take(Claim("1", purses=(Purse("b", 100, 40),)))
    await ended(state, End("1", purses=(("b", 40),)))
    version, ids = await state.look("b")
    assert ids == ("1",)
    assert await state.load("b", version, 40, ids)
    assert (await state.take(Claim("2", purses=(Purse("b", 100, 60),)))).why is None


@pytest.mark.services
@pytest.mark.parametrize("state", ["redis"], indirect=True)
@pytest.mark.parametrize("back", [86_400, 3600, 61, 59, 30, 1])
async def test_a_window_outlives_a_clock_that_goes_back(state: Any, clock: Clock, back: float) -> None:
    """Nobody waits longer than a window and the jump, at most two; nothing counts for ever."""
    claim = Claim("1", windows=(Window("w", 2, 1),))
    assert [(await state.take(claim)).why for _ in range(3)] == [None, None, Why.WINDOW]
    clock.now -= back
    taken = await state.take(claim)
    if back > 60:
        assert taken.why is None, "a window of another time"
    else:
        assert taken.why is Why.WINDOW and taken.retry_after <= back + 61
    clock.now += back + 61 if back <= 60 else 61
    assert [(await state.take(claim)).why for _ in range(3)] == [None, None, Why.WINDOW]


@pytest.mark.services
@pytest.mark.parametrize("state", ["redis"], indirect=True)
async def test_what_is_taken_while_the_clock_is_behind_is_corrected_and_forgotten(state: Any, clock: Clock) -> None:
    claim = Claim("1", windows=(Window("w", 10, 4),))
    await state.take(claim)
    clock.now -= 30
    taken = await state.take(claim)
    await ended(state, End("1", corrections=(("w", taken.second, -4),)))
    assert (await state.take(Claim("2", windows=(Window("w", 10, 6),)))).levels[0][0] == 10
    clock.now += 30 + 61
    assert (await state.take(Claim("3", windows=(Window("w", 10, 10),)))).why is None


@pytest.mark.services
@pytest.mark.parametrize("state", ["redis"], indirect=True)
@pytest.mark.parametrize("jump", [3600, 86_400])
async def test_a_window_begins_anew_when_the_clock_goes_forward(state: Any, clock: Clock, jump: float) -> None:
    claim = Claim("1", windows=(Window("w", 1, 1),))
    assert (await state.take(claim)).why is None
    clock.now += jump
    assert (await state.take(claim)).why is None


@pytest.mark.services
@pytest.mark.parametrize("state", ["redis"], indirect=True)
async def test_what_a_killed_worker_held_lapses(state: Any, clock: Clock) -> None:
    await loaded(state, "b")
    claim = Claim("1", slots=(Slot("s", 1),), purses=(Purse("b", 100, 100),))
    assert (await state.take(claim)).why is None
    other = Claim("2", slots=(Slot("s", 1),), purses=(Purse("b", 100, 100),))
    clock.now += LEASE - 1
    assert (await state.take(other)).why is Why.SLOT
    clock.now += 2
    assert (await state.take(other)).why is None


@pytest.mark.services
@pytest.mark.parametrize("state", ["redis"], indirect=True)
async def test_what_a_living_worker_holds_is_renewed(state: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    await loaded(state, "b")
    claim = Claim("1", slots=(Slot("s", 1),), purses=(Purse("b", 100, 100),))
    assert (await state.take(claim)).why is None
    monkeypatch.setattr("routing.state.shared.RENEW", 0.001)
    for task in list(state._tasks):
        task.cancel()
    clock.now += LEASE - 1
    before = state._pipe.call
    renewed = asyncio.Event()

    def call(*words: Any) -> Any:
        future = before(*words)
        if "q" in words:
            future.add_done_callback(lambda _: renewed.set())
        return future

    monkeypatch.setattr(state._pipe, "call", call)
    state.spawn(state._renew())
    await asyncio.wait_for(renewed.wait(), 5)
    clock.now += LEASE - 1
    assert (await state.take(Claim("2", slots=(Slot("s", 1),)))).why is Why.SLOT
    assert (await state.take(Claim("3", purses=(Purse("b", 100, 1),)))).why is Why.PURSE
