"""Any order of claims, ends, corrections, settlements and time, against a model that says what must hold."""

from __future__ import annotations

import asyncio
import os
import secrets
from typing import Any, ClassVar

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from routing.state import Claim, End, Memory, Purse, Shared, Slot, Why, Window

REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/6")
KEYS = st.sampled_from(["a", "b"])
PER_MINUTE, AT_ONCE, BUDGET = 20, 3, 100


class Callers(RuleBasedStateMachine):
    """The model keeps every grant with its time, and every line of the ledger."""

    shared: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.now, self.next = 1_800_000_000.0, 0
        self.loop = asyncio.new_event_loop()
        self.prefix = f"machine:{secrets.token_hex(6)}:"
        self.state: Any = Memory(lambda: self.now)
        if self.shared:
            self.state = Shared(REDIS, timeout=5, prefix=self.prefix, clock=lambda: self.now)
        self.do(self.state.start())
        self.granted: list[list[Any]] = []  # [key, time, second, amount]
        self.running: dict[str, tuple[str, int, list[Any]]] = {}  # id → (key, reserved, its grant)
        self.settled: dict[str, tuple[str, int]] = {}  # cost known, not in the ledger
        self.ledger: dict[str, list[int]] = {"a": [], "b": []}
        for key in self.ledger:
            self.reload(key)

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def reload(self, key: str) -> None:
        version, ids = self.do(self.state.look(f"p:{key}"))
        known = [id for id in ids if id not in self.settled and id not in self.running]
        assert self.do(self.state.load(f"p:{key}", version, sum(self.ledger[key]), known))

    @rule(key=KEYS, amount=st.integers(1, 12), worst=st.integers(0, 60))
    def take(self, key: str, amount: int, worst: int) -> None:
        self.next += 1
        id = str(self.next)
        claim = Claim(
            id,
            windows=(Window(f"w:{key}", PER_MINUTE, amount),),
            slots=(Slot(f"s:{key}", AT_ONCE),),
            purses=(Purse(f"p:{key}", BUDGET, worst),),
        )
        taken = self.do(self.state.take(claim))
        gone = self.gone(key)
        if taken.why is None:
            grant = [key, self.now, taken.second, amount]
            self.granted.append(grant)
            self.running[id] = (key, worst, grant)
        elif taken.why is Why.SLOT:
            assert sum(k == key for k, _, _ in self.running.values()) == AT_ONCE
        elif taken.why is Why.PURSE:
            assert gone >= BUDGET or gone + worst > BUDGET
            assert taken.spent + taken.reserved == gone
        else:
            assert self.within(key, self.now, 61.001) + amount > PER_MINUTE
            assert 0 < taken.retry_after <= 61

    def gone(self, key: str) -> int:
        reserved = sum(worst for k, worst, _ in self.running.values() if k == key)
        return sum(self.ledger[key]) + reserved + sum(cost for k, cost in self.settled.values() if k == key)

    def within(self, key: str, now: float, seconds: float) -> int:
        return sum(row[3] for row in self.granted if row[0] == key and now - seconds < row[1] <= now)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data: Any) -> None:
        id = data.draw(st.sampled_from(sorted(self.running)))
        key, worst, grant = self.running.pop(id)
        cost = data.draw(st.integers(0, worst))
        used = data.draw(st.integers(0, 12))
        corrections = ((f"w:{key}", grant[2], used - grant[3]),) if self.now - grant[1] < 55 else ()
        if corrections:
            grant[3] = used
        self.do(self.ended(End(id, (f"s:{key}",), corrections, ((f"p:{key}", cost),))))
        if cost:
            self.settled[id] = (key, cost)

    async def ended(self, end: End) -> None:
        self.state.end(end)
        while getattr(self.state, "_flushing", False):
            await asyncio.sleep(0)

    @precondition(lambda self: self.settled)
    @rule(data=st.data(), twice=st.booleans())
    def store(self, data: Any, twice: bool) -> None:
        id = data.draw(st.sampled_from(sorted(self.settled)))
        key, cost = self.settled.pop(id)
        self.ledger[key].append(cost)
        for _ in range(1 + twice):
            self.do(self.state.confirm([(f"p:{key}", id, cost)]))

    @rule(key=KEYS)
    def reconcile(self, key: str) -> None:
        self.reload(key)

    @rule(seconds=st.floats(0.1, 30))
    def wait(self, seconds: float) -> None:
        if not self.running:  # leases of the running are renewed by the clock of the machine, not by ours
            self.now += seconds

    @invariant()
    def never_above_a_hard_limit(self) -> None:
        assert all(self.gone(key) <= BUDGET for key in self.ledger)

    @invariant()
    def spend_is_the_sum_of_the_ledger(self) -> None:
        for key, lines in self.ledger.items():
            level = self.do(self.state.take(Claim("probe", purses=(Purse(f"p:{key}", 0, 0),))))
            waiting = sum(cost for k, cost in self.settled.values() if k == key)
            assert (level.why, level.spent) == (Why.PURSE, sum(lines) + waiting)
            assert level.spent + level.reserved == self.gone(key)

    def teardown(self) -> None:
        self.do(self.state.aclose())
        self.loop.close()
        if self.shared:
            server = redis.Redis.from_url(REDIS)
            for name in server.scan_iter(f"{self.prefix}*"):
                server.delete(name)
            server.close()


class SharedCallers(Callers):
    shared = True


class TestMemory(Callers.TestCase):  # type: ignore[name-defined]
    settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.services
class TestRedis(SharedCallers.TestCase):  # type: ignore[name-defined]
    settings = settings(
        max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
