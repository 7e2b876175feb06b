"""An account whose quota is down to its reserve is skipped before anything is sent, until its window is reset."""

from __future__ import annotations

from dataclasses import replace

import pytest

from providers.quota.windows import Left
from routing.board import Board
from routing.gateway.attempts import Tries
from routing.reserves import BELIEVED, UNKNOWN, reserved
from routing.snapshot import Snapshot, Switches
from tests.routing.samples import Clock, attempt, provider, snapshot

NOW = 1_800_000_000.0
ONE = attempt(number=1)


def having(*windows: Left, reserve: int = 0, own: int | None = None) -> Snapshot:
    known = provider(connections=(1, 2))
    if own is not None:
        known = replace(known, reserves={1: own})
    return replace(snapshot(known), quotas={1: windows}, switches=Switches(quota_reserve=reserve))


def left(share: float, *, resets: float | None = 600, family: str = "", age: float = 60) -> Left:
    return Left("5h", family, share, NOW - age, None if resets is None else NOW + resets)


@pytest.mark.parametrize(
    ("known", "seconds"),
    [
        (having(), None),
        (having(left(0.1), reserve=10), 600),
        (having(left(0.11), reserve=10), None),
        (having(left(0.0)), 600),
        (having(left(0.01)), None),
        (having(left(0.0, resets=-1), reserve=10), None),
        (having(left(0.0, resets=None)), None),
        (having(left(0.05, resets=None), reserve=10), UNKNOWN),
        (having(left(0.05, resets=None, age=BELIEVED + 1), reserve=10), None),
        (having(left(0.05, family="small"), reserve=10), None),
        (having(left(0.05, family="LARGE"), reserve=10), 600),
        (having(left(0.05), left(0.05, resets=9000), left(0.9, resets=99999), reserve=10), 9000),
        (having(left(0.05), reserve=10, own=0), None),
        (having(left(0.3), own=30), 600),
    ],
)
def test_which_account_is_left_alone(known: Snapshot, seconds: float | None) -> None:
    verdict = reserved(known, ONE, NOW)
    assert (verdict and verdict.seconds) == (seconds if seconds is None else pytest.approx(seconds))
    assert verdict is None or (verdict.hard and verdict.code == "quota_reserve")


async def test_it_is_skipped_before_it_is_asked() -> None:
    known, clock = having(left(0.05), reserve=10), Clock()
    plan = (ONE, attempt(number=2))
    tries = Tries(plan, Board(clock), Switches(), clock, reserve=lambda one: reserved(known, one, NOW))
    assert (await anext(tries)).link.connection_id == 2
    (skip,) = tries.skips
    assert (skip.connection, skip.why, skip.seconds) == ("c1", "quota_reserve", pytest.approx(600))


async def test_when_all_are_down_the_client_is_told_until_when() -> None:
    known, clock = having(left(0.05), reserve=10), Clock()
    tries = Tries((ONE,), Board(clock), Switches(), clock, reserve=lambda one: reserved(known, one, NOW))
    assert [one async for one in tries] == []
    refusal = tries.refusal()
    assert (refusal.status, refusal.retry_after) == (429, pytest.approx(600))
