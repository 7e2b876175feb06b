"""Redis stopped, paused, slow, emptied: nothing raises, nobody waits twice, and it comes back by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from routing.state import Claim, End, Entered, Errand, Purse, Shared, Slot, Stands, Turn, Why, Window
from routing.state.policy import POLICY, Away, Use
from tests.routing.state.servers import OwnRedis, Slow

pytestmark = pytest.mark.services
LIMITED = Claim("1", windows=(Window("w", 1, 1),), slots=(Slot("s", 1),))
PAYING = Claim("2", purses=(Purse("b", 100, 10),))
TIMEOUT = 2.5  # seconds: a server that answers, on a machine that may let it stand still for a while, is not away


@pytest.fixture
def server() -> Iterator[OwnRedis]:
    own = OwnRedis()
    own.start()
    yield own
    own.stop()


@pytest.fixture
async def shared(server: OwnRedis) -> AsyncIterator[Any]:
    state = Shared(server.url, timeout=TIMEOUT)
    back = asyncio.Event()

    async def returned() -> None:
        back.set()

    state.returned = returned
    state.back = back  # type: ignore[attr-defined]
    await state.start()
    assert not state.away
    version, _ = await state.look("b")  # type: ignore[misc]
    await state.load("b", version, 0, [])
    yield state
    await state.aclose()


async def is_back(state: Any) -> None:
    await asyncio.wait_for(state.back.wait(), 30)
    state.back.clear()


async def goes_by_policy(state: Any) -> None:
    """Each use does what the table says."""
    assert POLICY == {
        Use.RATE: Away.LOCAL,
        Use.SLOTS: Away.LOCAL,
        Use.BUDGET: Away.CLOSED,
        Use.PACE: Away.LOCAL,
        Use.LEARNED: Away.LOCAL,
        Use.ONCE: Away.LOCAL,
    }
    assert (await state.take(PAYING)).why is Why.AWAY
    assert (await state.take(LIMITED)).why is None
    assert (await state.take(Claim("x", windows=LIMITED.windows))).why is Why.WINDOW
    assert (await state.take(Claim("x", slots=LIMITED.slots))).why is Why.SLOT
    state.end(End("1", slots=("s",)))
    assert (await state.take(Claim("x", slots=LIMITED.slots))).why is None
    state.end(End("x", slots=("s",)))
    turn = Turn("c", "1", per_minute=1, gap=9, at_once=1)
    for _ in range(2):  # the gates of the process itself are what holds
        assert await state.others.enter(turn, waits=True) == Entered()
    state.others.leave(turn, 1)
    state.others.step_back(turn)
    state.others.tell("x", "y", 9)
    assert await state.others.heard("x") == ()
    for _ in range(2):
        assert await state.others.claim("n", "d") == Errand(Stands.MINE)
    await state.others.settle("n", "d", Errand(Stands.DONE, left=9))
    assert await state.look("b") is None
    assert not await state.load("b", 0, 0, [])
    await state.confirm([("b", "1", 1)])


async def test_stopped_and_started_again(server: OwnRedis, shared: Any) -> None:
    server.stop()
    await goes_by_policy(shared)
    assert shared.away
    server.start()
    await is_back(shared)
    assert (await shared.take(PAYING)).why is Why.UNKNOWN  # another run of the server: the ledger is asked
    assert (await shared.take(LIMITED)).why is None


async def test_paused(server: OwnRedis, shared: Any) -> None:
    server.pause()
    assert await asyncio.wait_for(shared.reserved(["b"]), 10) is None  # one timeout, for who is first
    await goes_by_policy(shared)
    server.go_on()
    await is_back(shared)
    assert (await shared.take(PAYING)).why is None  # the same run: nothing was lost


async def test_emptied(server: OwnRedis, shared: Any) -> None:
    server.client().flushall()
    assert (await shared.take(PAYING)).why is Why.UNKNOWN
    server.client().script_flush()
    assert (await shared.take(LIMITED)).why is None


async def test_away_at_the_start(server: OwnRedis) -> None:
    server.stop()
    state = Shared(server.url, timeout=TIMEOUT)
    await state.start()
    await goes_by_policy(state)
    server.start()
    while state.away:
        await asyncio.sleep(0.01)
    assert (await state.take(LIMITED)).why is None
    await state.aclose()


async def test_what_was_spent_while_it_was_away_is_told_when_it_is_back(server: OwnRedis, shared: Any) -> None:
    assert (await shared.take(PAYING)).why is None
    server.pause()
    shared.end(End("2", purses=(("b", 7),)))
    while not shared.away:
        await asyncio.sleep(0.01)
    server.go_on()
    await is_back(shared)
    level = await shared.take(Claim("3", purses=(Purse("b", 100, 94),)))
    assert (level.why, level.spent) == (Why.PURSE, 7)


async def test_who_was_refused_for_want_of_an_answer_holds_nothing(server: OwnRedis, shared: Any) -> None:
    """The paused server grants the claim when it goes on, and nobody hears it."""
    server.pause()
    assert (await shared.take(Claim("2", slots=(Slot("s", 1),), purses=(Purse("b", 100, 100),)))).why is Why.AWAY
    server.go_on()
    await is_back(shared)
    assert (await shared.take(Claim("3", slots=(Slot("s", 1),), purses=(Purse("b", 100, 100),)))).why is None


async def test_slow_is_away(server: OwnRedis) -> None:
    relay = Slow(server.port)
    state = Shared(relay.url, timeout=TIMEOUT)
    await state.start()
    assert not state.away
    relay.delay = 5 * TIMEOUT
    assert await asyncio.wait_for(state.reserved(["b"]), 10) is None
    await goes_by_policy(state)
    relay.delay = 0.0
    while state.away:
        await asyncio.sleep(0.01)
    assert (await state.take(LIMITED)).why is None
    await state.aclose()
    relay.close()
