"""How fast a connection may be asked, and who is next."""

from __future__ import annotations

import asyncio

import pytest

from routing.pace import Pace, Paces, Start
from tests.routing.samples import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def paces(clock: Clock) -> Paces:
    return Paces(clock)


def test_without_a_pace_nothing_waits(paces: Paces) -> None:
    assert not Pace() and paces.wait(1, Pace()) == 0


async def started(paces: Paces, pace: Pace) -> Start:
    start = await paces.start(1, pace)
    assert start is not None
    return start


async def test_requests_at_once(paces: Paces) -> None:
    two = Pace(at_once=2)
    await started(paces, two)
    assert paces.wait(1, two) == 0
    second = await started(paces, two)
    assert paces.wait(1, two) > 0 and paces.wait(2, two) == 0
    assert await paces.start(1, two) is None
    second.leave()
    assert paces.wait(1, two) == 0


async def test_what_was_not_made_after_all_does_not_count(paces: Paces) -> None:
    one = Pace(per_minute=1, gap=5, at_once=1)
    (await started(paces, one)).withdraw()
    (await started(paces, one)).leave()
    assert await paces.start(1, one) is None


async def test_the_gap_between_two(paces: Paces, clock: Clock) -> None:
    slow = Pace(gap=0.2)
    await started(paces, slow)
    assert paces.wait(1, slow) == pytest.approx(0.2)
    clock.now += 0.15
    assert paces.wait(1, slow) == pytest.approx(0.05)
    clock.now += 0.1
    assert paces.wait(1, slow) == 0


async def test_requests_per_minute_in_a_sliding_window(paces: Paces, clock: Clock) -> None:
    three = Pace(per_minute=3)
    for _ in range(3):
        assert paces.wait(1, three) == 0
        (await started(paces, three)).leave()
        clock.now += 10
    assert paces.wait(1, three) == pytest.approx(30), "when the first of them is a minute old"
    clock.now += 30.1
    assert paces.wait(1, three) == 0


def test_what_a_provider_says_of_its_own(paces: Paces, clock: Clock) -> None:
    paces.told(1, "m", 12)
    assert paces.wait(1, Pace(), "m") == 12 and paces.wait(2, Pace(), "m") == paces.wait(1, Pace(), "n") == 0
    clock.now += 12
    assert paces.wait(1, Pace()) == 0


async def test_callers_take_turns(paces: Paces) -> None:
    """One caller's four requests came first; another's single one is not behind all of them."""
    one = Pace(at_once=1)
    first = await started(paces, one)
    order: list[str] = []

    async def ask(caller: str) -> None:
        turn = await paces.queue(1, one, caller, 10)
        assert turn is not None
        order.append(caller)
        turn.leave()

    tasks = [asyncio.create_task(ask(caller)) for caller in ("a", "a", "a", "a", "b")]
    while sum(map(len, paces.gates[1].waiting.values())) < 5:
        await asyncio.sleep(0)
    first.leave()
    await asyncio.gather(*tasks)
    assert order.index("b") == 1 and order.count("a") == 4


async def test_a_turn_that_does_not_come(paces: Paces) -> None:
    one = Pace(at_once=1)
    first = await started(paces, one)
    assert await paces.queue(1, one, "a", 0.01) is None
    assert not paces.gates[1].waiting
    first.leave()
    assert paces.wait(1, one) == 0


async def test_whoever_leaves_the_line_keeps_no_turn(paces: Paces) -> None:
    one = Pace(at_once=1)
    first = await started(paces, one)
    waiting = asyncio.create_task(paces.queue(1, one, "a", 10))
    while not paces.gates[1].waiting:
        await asyncio.sleep(0)
    first.leave()  # its turn has come …
    waiting.cancel()  # … and it leaves before it knows
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert paces.wait(1, one) == 0 and paces.gates[1].running == 0
