"""What would happen: a name, asked by somebody, as the gateway would answer it now, before anybody asks.

Nothing is counted and nothing reserved. Limits and budgets are looked at as for a short request that sets no limit on
its answer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Team, User
from providers.upstream import Attempt
from providers.wire.errors import Kind, Refusal
from routing import health, keys, levels, policies, publish
from routing.addresses import Rule
from routing.board import Board, Verdict
from routing.gateway import callers, denials
from routing.gateway.answers import nobody
from routing.gateway.services import OPERATIONS, able
from routing.gateway.worst import Demand
from routing.levels import Level, Standing
from routing.models import ApiKey, Policy
from routing.names import Branch, LeftOut, left_out
from routing.plan import plan
from routing.reserves import reserved
from routing.resolve import resolve
from routing.snapshot import ANYBODY, Caller, Snapshot
from routing.till import Stand, Till

SHORT = b'{"model": "preview", "messages": [{"role": "user", "content": "Hello"}]}'
# Refusals of callers that are no request of theirs: no limit counts them.
UNCOUNTED = frozenset(("api_key_disabled", "api_key_expired", "endpoint_not_allowed"))


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
    with them when none of them can be asked, or a limit is reached. ``limits``, ``budgets`` and ``policies``: all that
    hold for the caller; the limit of the address, where one was given, is the first."""

    name: str
    combo: str = ""
    candidates: tuple[Candidate, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    refusal: Refusal | None = None
    limits: tuple[Level, ...] = ()
    budgets: tuple[Stand, ...] = ()
    policies: tuple[Policy, ...] = ()


def board_now() -> Board:
    """A board that knows what all web processes found out and wrote down."""
    board = Board()
    board.learn(health.since(-1))
    return board


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


def may_give_address(by: User) -> bool:
    """Whether somebody may be told what an address is told: who may see the rules for addresses."""
    return by.has_perm("routing.view_iprule")


def preview(
    snapshot: Snapshot, caller: Caller, name: str, board: Board, operation: str = "chat", address: str = ""
) -> Preview:
    """The answer for one caller, from an address where one is given. Strategies that draw or take turns show one of
    their possible orders."""
    board.configure(snapshot.switches)
    now = time.time()
    demand = Demand(operation, SHORT)
    door = _door(snapshot, address, now) if address else Standing(())
    till = Till(snapshot, caller, demand, now)
    found = _answered(snapshot, caller, name, board, operation, till, now)
    # Of what is refused before anybody is looked for no tokens count.
    limits = levels.standing(caller.limits, demand.usual if found.candidates else Demand(operation, b"").usual)
    # As the gateway goes: whose address is refused is not looked up, and who may not come in is not counted.
    counted = found.refusal is None or found.refusal.code not in UNCOUNTED
    return replace(
        found,
        refusal=door.refusal or (limits.refusal if counted else None) or found.refusal,
        limits=door.levels + limits.levels,
        budgets=till.stands,
        policies=tuple(policies.in_force(caller.key_id, caller.team_id)),
    )


def _door(snapshot: Snapshot, address: str, now: float) -> Standing:
    """What an address is told before anybody is looked up, see ``routing.gateway.door``."""
    refused = snapshot.addresses.refuses(address, now) if snapshot.addresses is not None else None
    if refused:
        return Standing((), denials.address_refused(refused if isinstance(refused, Rule) else None, now))
    most = snapshot.switches.requests_per_address
    return levels.of_address(address, most) if most is not None else Standing(())


def _answered(
    snapshot: Snapshot, caller: Caller, name: str, board: Board, operation: str, till: Till, now: float
) -> Preview:
    """Whom the name leads to, without a look at limits."""
    try:
        callers.admit(caller, now)
        callers.permit(caller, operation)
        node = resolve(snapshot, name, caller)
        attempts = plan(node, board, snapshot.switches)
        if operation in OPERATIONS:
            attempts = able(attempts, operation, name)
    except Refusal as refusal:
        return Preview(name, refusal=refusal)
    candidates = tuple(_candidate(snapshot, attempt, board, till) for attempt in attempts)
    return Preview(
        name,
        combo=node.combo.name if isinstance(node, Branch) else "",
        candidates=candidates,
        left_out=tuple(left_out(node)),
        refusal=_refusal(candidates, till),
    )


def _refusal(candidates: Sequence[Candidate], till: Till) -> Refusal | None:
    """What is told when nobody can be asked: of money first, as the gateway does."""
    verdicts = [one.rests for one in candidates if one.rests is not None and one.rests.hard]
    if len(verdicts) < len(candidates):
        return None
    return till.denied or nobody(verdicts)


def verdict_now(snapshot: Snapshot, board: Board, attempt: Attempt) -> Verdict | None:
    """Why an attempt would not be made now, or not yet, as far as all processes know it."""
    switches = snapshot.switches
    found = board.verdict(attempt, cooldowns=switches.connection_cooldown, breakers=switches.circuit_breaker)
    return found if found is not None and found.hard else reserved(snapshot, attempt, board.wall()) or found


def _candidate(snapshot: Snapshot, attempt: Attempt, board: Board, till: Till) -> Candidate:
    price = snapshot.providers[attempt.entry.id].prices.get(attempt.model)
    rests = verdict_now(snapshot, board, attempt)
    if (rests is None or not rests.hard) and (denied := till.refusal(attempt)) is not None:
        rests = Verdict(Kind.QUOTA, denied.retry_after or 0.0, hard=True, why=denied.code or denied.type)
    return Candidate(
        attempt.entry.id,
        attempt.link.name,
        attempt.model,
        attempt.entry.tier,
        price.input if price is not None else None,
        rests,
    )
