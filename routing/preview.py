"""What would happen: a name, asked by somebody, as the gateway would answer it now, before anybody asks.

Nothing is counted and nothing reserved. Budgets are looked at as for a short request that sets no limit on its answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Team, User
from providers.prices import price_of
from providers.upstream import Attempt
from providers.wire.errors import Kind, Refusal
from routing import health, keys, publish
from routing.board import Board, Verdict
from routing.gateway import callers, denials
from routing.gateway.admission import counting
from routing.gateway.answers import nobody
from routing.gateway.services import OPERATIONS, able
from routing.gateway.worst import Demand
from routing.models import ApiKey
from routing.money import span, units
from routing.plan import plan
from routing.reserves import reserved
from routing.resolve import Branch, LeftOut, left_out, resolve
from routing.snapshot import ANYBODY, Budget, Caller, Snapshot

SHORT = b'{"model": "preview", "messages": [{"role": "user", "content": "Hello"}]}'
# A budget, begin and end of its current span → units spent, and what running requests hold of it.
Spent = Callable[[Budget, datetime, datetime | None], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An attempt that would be made, in its place; ``rests`` says why it would not be now, or not yet."""

    provider: str
    connection: str
    model: str
    tier: str
    price: Decimal | None  # USD per million input tokens
    rests: Verdict | None


@dataclass(frozen=True, slots=True)
class Preview:
    """``combo``: name of the combo that the name stands for, "" for a single model. ``left_out``: its steps that stand
    for nothing now. ``refusal``: what the caller would be told now, without candidates when nobody is looked for, and
    with them when none of them can be asked."""

    name: str
    combo: str = ""
    candidates: tuple[Candidate, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    refusal: Refusal | None = None


def board_now() -> Board:
    """A board that knows what all web processes found out and wrote down."""
    board = Board()
    board.learn(health.since(-1))
    return board


def go_by(spent: Spent) -> None:
    """Where to look up what budgets have spent; without it, attempts that a hard budget counts are refused."""
    global _spent
    _spent = spent


_spent: Spent | None = None


class NotTheirs(ValueError):
    """``field``: which of key, user and team does not fit; ``words`` are for whoever asked, in their language."""

    def __init__(self, field: str, words: Promise) -> None:
        super().__init__(words)
        self.field, self.words = field, words


def caller_of(snapshot: Snapshot, by: User, key: ApiKey | None, user: User | None, team: Team | None) -> Caller:
    """Who is meant to ask: a key ``by`` may see; or whoever a new key for this user and team would be, where ``by`` may
    make one; without all three, for site administrators, nobody in particular. Raises NotTheirs."""
    if key is not None:
        if user is not None and key.owner_id != user.pk:
            raise NotTheirs("user", _("The key is not this user's."))
        if team is not None and key.team_id != team.pk:
            raise NotTheirs("team", _("The key is not this team's."))
        if (caller := snapshot.callers.get(key.key_hash)) is None:
            raise NotTheirs("key", _("There is no such key."))
        return caller
    if not keys.may_create(by, owner=user, team=team):
        if user is None and team is None:
            raise NotTheirs("key", _("Say which of your keys asks, or that you do."))
        raise NotTheirs("user" if team is None else "team", _("You may not make a key for this user and team."))
    return ANYBODY if user is None and team is None else publish.caller_of(user, team)


def preview(snapshot: Snapshot, caller: Caller, name: str, board: Board, operation: str = "chat") -> Preview:
    """The answer for one caller. Strategies that draw or take turns show one of their possible orders."""
    board.configure(snapshot.switches)
    now = time.time()
    try:
        callers.admit(caller, now)
        callers.permit(caller, operation)
        node = resolve(snapshot, name, caller)
        attempts = plan(node, board, snapshot.switches)
        if operation in OPERATIONS:
            attempts = able(attempts, operation, name)
    except Refusal as refusal:
        return Preview(name, refusal=refusal)
    till = _Till(snapshot, caller, operation, now)
    candidates = tuple(_candidate(snapshot, attempt, board, till) for attempt in attempts)
    return Preview(
        name,
        combo=node.combo.name if isinstance(node, Branch) else "",
        candidates=candidates,
        left_out=tuple(left_out(node)),
        refusal=_refusal(candidates, till),
    )


def _refusal(candidates: Sequence[Candidate], till: _Till) -> Refusal | None:
    """What is told when nobody can be asked: of money first, as the gateway does."""
    verdicts = [one.rests for one in candidates if one.rests is not None and one.rests.hard]
    if len(verdicts) < len(candidates):
        return None
    return till.denied or nobody(verdicts)


class _Till:
    """The verdicts of budgets on one caller's attempts. ``denied``: the first of them."""

    def __init__(self, snapshot: Snapshot, caller: Caller, operation: str, now: float) -> None:
        self._snapshot, self._caller, self._demand, self._now = snapshot, caller, Demand(operation, SHORT), now
        self._known: dict[int, tuple[int, int]] = {}
        self.denied: Refusal | None = None

    def verdict(self, attempt: Attempt) -> Verdict | None:
        """None when it would be paid. ``seconds`` is 0 where no time helps."""
        found = self._refusal(attempt)
        self.denied = self.denied or found
        if found is None:
            return None
        return Verdict(Kind.QUOTA, found.retry_after or 0.0, hard=True, why=found.code or found.type)

    def _refusal(self, attempt: Attempt) -> Refusal | None:
        budgets = counting(self._snapshot, self._caller, attempt, self._demand.operation)
        hard = [budget for budget in budgets if budget.hard]
        if not hard:
            return None
        price = self._snapshot.providers[attempt.entry.id].prices.get(attempt.model)
        if price is None and attempt.model not in attempt.entry.models:
            price = price_of(attempt.entry, attempt.model)
        bound = self._demand.worst(attempt, price) if price is not None else None
        if bound is None:
            return denials.unpriced(attempt, hard[0])
        return next(filter(None, (self._short(budget, units(bound)) for budget in hard)), None)

    def _short(self, budget: Budget, worst: int) -> Refusal | None:
        """As ``routing.state`` decides when money is taken."""
        if _spent is None:
            return denials.unknown_budget()
        begin, end = span(budget.period, budget.zone, datetime.fromtimestamp(self._now, UTC))
        if budget.id not in self._known:
            self._known[budget.id] = _spent(budget, begin, end)
        spent, held = self._known[budget.id]
        if spent + held < budget.limit and spent + held + worst <= budget.limit:
            return None
        return denials.over_budget(budget, spent, held, worst, end, self._now)


def verdict_now(snapshot: Snapshot, board: Board, attempt: Attempt) -> Verdict | None:
    """Why an attempt would not be made now, or not yet, as far as all processes know it."""
    switches = snapshot.switches
    found = board.verdict(attempt, cooldowns=switches.connection_cooldown, breakers=switches.circuit_breaker)
    return found if found is not None and found.hard else reserved(snapshot, attempt, board.wall()) or found


def _candidate(snapshot: Snapshot, attempt: Attempt, board: Board, till: _Till) -> Candidate:
    price = snapshot.providers[attempt.entry.id].prices.get(attempt.model)
    rests = verdict_now(snapshot, board, attempt)
    if rests is None or not rests.hard:
        rests = till.verdict(attempt) or rests
    return Candidate(
        attempt.entry.id,
        attempt.link.name,
        attempt.model,
        attempt.entry.tier,
        price.input if price is not None else None,
        rests,
    )
