"""What two processes agree on: a pace is one pace for both, and who waits gets a turn."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import redis.asyncio

from routing.pace import Pace, Paces, Start
from routing.state import Errand, Shared, Stands, Turn
from routing.state.base import LEASE
from routing.state.between import PLACE

pytestmark = pytest.mark.services
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/6")


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.25

    def __call__(self) -> float:
        return self.now


@dataclass
class Pair:
    """Two processes over one Redis, which counts by ``clock``; ``close`` looks that everything has an end."""

    clock: Clock
    states: list[Any]
    paces: list[Paces]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    prefix, clock = f"test:{secrets.token_hex(6)}:", Clock()
    states = [Shared(REDIS, timeout=5, prefix=prefix, clock=clock) for _ in range(2)]
    for state in states:
        await state.start()
        if state.away:
            if os.environ.get("CI"):
                pytest.fail("no Redis")
            pytest.skip("no Redis")
    paces = [Paces(clock) for _ in states]
    for each, state in zip(paces, states, strict=True):
        each.others = state.others
    yield Pair(clock, states, paces)
    for state in states:
        await state.aclose()
    server = redis.asyncio.Redis.from_url(REDIS)
    async for key in server.scan_iter(f"{prefix}*"):
        assert await server.ttl(key) != -1, f"{key} never expires"
        await server.delete(key)
    await server.aclose()


async def told(pair: Pair) -> None:
    """Everything that was given back has arrived."""
    for state in pair.states:
        while state._ends or state._flushing:
            await asyncio.sleep(0)


async def held(pair: Pair, connection: int) -> Callable[[], None]:
    """The one place that there is, taken by a third process; call the result to give it back."""
    others, taken = pair.states[0].others, Turn(str(connection), "held", at_once=1)
    assert (await others.enter(taken, waits=False)).wait == 0
    return lambda: others.leave(taken)


async def in_line(pair: Pair, number: int) -> None:
    """Until so many processes wait."""
    while await pair.states[0]._call("HLEN", pair.states[0].key("l:7")) != number:
        await asyncio.sleep(0)


def turn(name: str, **bounds: Any) -> Turn:
    return Turn("7", name, **bounds)


async def test_ten_a_minute_are_ten(pair: Pair) -> None:
    ten = Pace(per_minute=10)
    started = [await paces.start(7, ten) for _ in range(10) for paces in pair.paces]
    assert sum(start is not None for start in started) == 10
    assert all(0 < paces.wait(7, ten) <= 61 for paces in pair.paces)
    pair.clock.now += 61
    assert await pair.paces[0].start(7, ten) is not None


async def test_two_at_once_are_two_and_a_place_that_is_free_is_the_others(pair: Pair) -> None:
    two = Pace(at_once=2)
    one, other = pair.paces
    held = [await one.start(7, two), await other.start(7, two)]
    assert None not in held
    assert await one.start(7, two) is None and await other.start(7, two) is None
    waiting = asyncio.create_task(other.queue(7, two, "b", 10))
    held[0].leave()  # type: ignore[union-attr]
    assert await waiting is not None
    assert await one.start(7, two) is None


async def test_the_gap_is_between_two_of_any_process(pair: Pair) -> None:
    slow = Pace(gap=5)
    one, other = pair.paces
    assert await one.start(7, slow) is not None
    pair.clock.now += 3
    assert await other.start(7, slow) is None
    assert other.wait(7, slow) == pytest.approx(1, abs=0.01), "asked again after a second at the latest"
    pair.clock.now += 2.01
    assert await other.start(7, slow) is not None


async def test_what_was_not_made_does_not_count(pair: Pair) -> None:
    one = Pace(per_minute=1, at_once=1)
    start = await pair.paces[0].start(7, one)
    assert start is not None
    start.withdraw()
    await told(pair)
    assert await pair.paces[1].start(7, one) is not None


async def test_processes_take_turns(pair: Pair) -> None:
    """One process's four requests came first; the other's single one is not behind all of them."""
    alone = Pace(at_once=1)
    one, other = pair.paces
    third = await held(pair, 7)
    order: list[str] = []

    async def ask(name: str, paces: Paces) -> None:
        start = await paces.queue(7, alone, name, 20)
        assert start is not None
        order.append(name)
        start.leave()

    tasks = [asyncio.create_task(ask("a", one)) for _ in range(4)]
    await in_line(pair, 1)
    tasks.append(asyncio.create_task(ask("b", other)))
    await in_line(pair, 2)
    third()
    await asyncio.gather(*tasks)
    assert order.index("b") == 1 and order.count("a") == 4
    await in_line(pair, 0)


async def test_nobody_overtakes_who_waits_unless_its_process_is_gone(pair: Pair) -> None:
    mine, theirs = (state.others for state in pair.states)
    assert (await mine.enter(turn("1", at_once=1), waits=False)).wait == 0
    assert (await mine.enter(turn("2", at_once=1), waits=True)).wait > 0
    mine.leave(turn("1", at_once=1))
    await told(pair)
    assert (await theirs.enter(turn("3", at_once=1), waits=False)).wait > 0
    pair.clock.now += PLACE + 0.1
    assert (await theirs.enter(turn("3", at_once=1), waits=False)).wait == 0


async def test_who_steps_back_holds_nobody_up(pair: Pair) -> None:
    alone = Pace(at_once=1)
    one, other = pair.paces
    third = await held(pair, 7)
    waiting = asyncio.create_task(one.queue(7, alone, "a", 20))
    await in_line(pair, 1)
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    await in_line(pair, 0)
    assert await one.queue(7, alone, "a", 0.2) is None
    await in_line(pair, 0)
    third()
    await told(pair)
    assert await other.start(7, alone) is not None


async def test_who_leaves_while_the_others_are_asked_takes_nothing(pair: Pair) -> None:
    alone = Pace(at_once=1)
    one, other = pair.paces
    leaving = asyncio.create_task(one.start(7, alone))
    await asyncio.sleep(0)
    leaving.cancel()
    with suppress(asyncio.CancelledError):
        await leaving
    await told(pair)
    assert one.gates[7].running == 0
    assert await other.start(7, alone) is not None


async def test_what_a_killed_process_held_lapses(pair: Pair) -> None:
    alone = Pace(at_once=1)
    one, other = pair.paces
    assert await one.start(7, alone) is not None  # and is never heard of again
    pair.clock.now += LEASE - 1
    assert await other.start(7, alone) is None
    pair.clock.now += 2
    assert await other.start(7, alone) is not None


async def test_many_at_once_on_both(pair: Pair) -> None:
    """A crowd in each process: three run together, never more, and everybody has a turn."""
    three, running, most, together = Pace(at_once=3), 0, 0, asyncio.Event()

    async def ask(number: int, paces: Paces) -> None:
        nonlocal running, most
        start: Start | None = await paces.start(7, three) or await paces.queue(7, three, str(number % 3), 30)
        assert start is not None
        running += 1
        most = max(most, running)
        if running == 3:
            together.set()
        await together.wait()
        await asyncio.sleep(0)
        running -= 1
        start.leave()

    await asyncio.gather(*(ask(number, paces) for number in range(40) for paces in pair.paces))
    assert most == 3
    assert [paces.gates[7].running for paces in pair.paces] == [0, 0]


async def test_what_a_provider_told_one_the_other_hears(pair: Pair) -> None:
    one, other = pair.paces
    one.told(7, "large model", 30)
    hearing = asyncio.create_task(other.hear())
    while not other.learned:
        await asyncio.sleep(0)
    hearing.cancel()
    assert other.wait(7, Pace(), "large model") == pytest.approx(30, abs=0.01)
    assert other.wait(7, Pace(), "small") == 0
    pair.clock.now += 31
    assert await pair.states[1].others.heard("learned") == []


async def test_what_is_done_once_is_its_holder_s_until_it_says_how_it_ended(pair: Pair) -> None:
    mine, theirs = (state.others for state in pair.states)
    errand = await mine.claim("n", "d")
    assert errand.stands is Stands.MINE
    running = await theirs.claim("n", "d")
    assert (running.stands, running.holder) == (Stands.RUNNING, errand.holder)
    assert (await theirs.claim("n", "another")).stands is Stands.OTHER
    await mine.settle("n", "d", Errand(Stands.DONE, errand.holder, "w", 30))
    done = await theirs.claim("n", "d")
    assert (done.stands, done.holder, done.words) == (Stands.DONE, errand.holder, "w") and 20 < done.left <= 30
    await theirs.settle("n", "d", Errand(Stands.MINE, done.holder))
    assert (await theirs.claim("n", "d")).stands is Stands.DONE, "only its holder says how it stands"


async def test_a_failure_is_told_to_who_waited_and_to_nobody_else(pair: Pair) -> None:
    mine, theirs = (state.others for state in pair.states)
    errand = await mine.claim("n", "d")
    await mine.settle("n", "d", Errand(Stands.FAILED, errand.holder, "why", 30))
    told = await theirs.claim("n", "d", waited=errand.holder)
    assert (told.stands, told.words) == (Stands.FAILED, "why")
    assert (await theirs.claim("n", "d")).stands is Stands.MINE


async def test_what_is_given_up_or_asked_for_in_vain_is_free(pair: Pair) -> None:
    mine, theirs = (state.others for state in pair.states)
    errand = await mine.claim("n", "d")
    await mine.settle("n", "d", errand)
    leaving = asyncio.create_task(theirs.claim("n", "d"))
    await asyncio.sleep(0)
    leaving.cancel()
    with suppress(asyncio.CancelledError):
        await leaving
    while (again := await mine.claim("n", "e")).stands is not Stands.MINE:
        await asyncio.sleep(0)
    await mine.settle("n", "e", again)


async def test_a_living_process_keeps_what_it_does(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routing.state.between.ERRAND", 6)
    mine, theirs = (state.others for state in pair.states)
    errand = await mine.claim("n", "d")
    key, state = pair.states[0].key("i:n"), pair.states[0]
    await state._call("PEXPIRE", key, 600_000)
    while await state._call("PTTL", key) > 10_000:  # until it is renewed, for as long as a lease is
        await asyncio.sleep(0.01)
    assert (await theirs.claim("n", "d")).stands is Stands.RUNNING
    await mine.settle("n", "d", errand)
