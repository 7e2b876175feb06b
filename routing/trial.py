"""A combo tried out: a tiny chat goes through each of its steps, by the same path as clients' requests.

A gateway of its own does it, with a board of its own: what rests is asked as well, and nothing that a trial meets is
held against anybody. What holds for everybody's requests holds for these: policies, and the budgets of everybody, of
providers and of tiers. Each is told to ``tried``, so that the log and the cost show it under the name of whoever tried
and no client key.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.dispatch import Signal

from providers.wire.errors import Refusal
from routing import publish
from routing.combos import Step
from routing.gateway.consumer import Gateway
from routing.gateway.exchange import Limits
from routing.gateway.outcome import AttemptNote, Outcome
from routing.gateway.purses import Ledger
from routing.names import EVERY_MODEL, find
from routing.patterns import is_plain
from routing.plan import plan
from routing.preview import board_now
from routing.snapshot import Caller, Combo, Snapshot
from routing.snapshot import Step as LiveStep
from routing.standing import leaves_of
from routing.state import Memory, State

log = logging.getLogger(__name__)
tried = Signal()  # outcomes: list[Outcome]
AT_ONCE = 5  # requests under way
MOST_TRIED = 12  # requests of one trial; a pattern can stand for hundreds of models
SECONDS = 60.0  # each of them at most
NAME = "combo test"  # in the place of a client key's
WORDS = [{"role": "user", "content": "Answer with the one word OK."}]


@dataclass(frozen=True, slots=True)
class Tried:
    """One request of a trial. ``step`` is the combo's, ``asked`` the name in the request; ``attempts`` as in the log,
    ``message`` is why there was no answer, ``code`` says the same."""

    step: str
    asked: str
    ok: bool
    provider: str
    connection: str
    model: str
    ms: int
    message: str
    attempts: tuple[AttemptNote, ...] = ()
    code: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """``winner`` is the first, in the order the combo has now, that answered; ``left_out`` how many more models its
    patterns stand for than were tried."""

    results: tuple[Tried, ...]
    winner: Tried | None
    left_out: int = 0


def run(name: str, strategy: str, steps: Sequence[Step], *, user_id: int | None) -> Trial:
    """Try the steps, not from within an event loop. The combo need not be saved or enabled."""
    built = publish.build()
    combo = Combo(name, strategy, tuple(LiveStep(step.model, step.weight) for step in steps))
    # A client's name goes by the patterns of aliases, a step's does not: here steps are asked for by clients' ways.
    # Without the views of teams, connections that are a team's own are tried as well; nobody asks from an address.
    snapshot = replace(built, combos={**built.combos, name: combo}, wildcards=(), views={}, addresses=None)
    names = list(_names(snapshot, combo))
    outcomes = asyncio.run(_ask_all(snapshot, [asked for _, asked in names[:MOST_TRIED]], user_id))
    tried.send(sender=run, outcomes=[outcome for outcome in outcomes if outcome is not None])
    results = tuple(map(_tried, names, outcomes))
    return Trial(results, _winner(snapshot, combo, results), max(len(names) - MOST_TRIED, 0))


def go_by(ledger: Ledger) -> None:
    """Where to look up what budgets have spent; without it, attempts that a hard budget counts are refused."""
    global _ledger
    _ledger = ledger


_ledger: Ledger | None = None


def _names(snapshot: Snapshot, combo: Combo) -> Iterator[tuple[str, str]]:
    """(step, name to ask for), one per plain step and one per model of a pattern, itself when it stands for none; a
    model that is a step by itself is asked once."""
    plain = {step.name for step in combo.steps}
    for step in combo.steps or (EVERY_MODEL if combo.strategy == "tiers" else ()):
        leaves = () if is_plain(step.name) else leaves_of(snapshot, step.name)
        if not leaves and combo.steps:
            yield step.name, step.name
        for leaf in leaves:
            name = f"{leaf.provider.entry.id}/{leaf.model}"
            if name not in plain:
                yield step.name, name


async def _ask_all(snapshot: Snapshot, names: Sequence[str], user_id: int | None) -> list[Outcome | None]:
    """The outcome of each; None of one that the gateway refused before there could be any."""
    key = secrets.token_urlsafe(32)
    caller = Caller(key_id=None, key_name=NAME, user_id=user_id, policies=snapshot.policies)
    callers = {hashlib.sha256(key.encode()).hexdigest(): caller}
    gate = asyncio.Semaphore(AT_ONCE)
    state = Memory()

    async def one(name: str) -> Outcome | None:
        outcomes: list[Outcome] = []
        gateway = _gateway(outcomes.append, state)
        gateway.publish(replace(snapshot, callers=callers))
        async with gate:
            try:
                await gateway(*_request(key, name))
            finally:
                await gateway.aclose()
        return outcomes[0] if outcomes else None

    return list(await asyncio.gather(*map(one, names)))


def _gateway(sink: Callable[[Outcome], None], state: State) -> Gateway:
    """``state`` is one of all: what one request may cost is reserved while the others are asked."""
    limits = Limits(total_seconds=SECONDS)
    return Gateway(sink, _complain, lambda why: None, limits=limits, state=state, ledger=_ledger)


def _request(key: str, model: str) -> tuple[dict[str, Any], Any, Any]:
    """A chat as ASGI: scope, receive, send. What comes back is not looked at, the outcome tells it."""
    body = json.dumps({"model": model, "messages": WORDS}).encode()
    headers = [
        (b"authorization", f"Bearer {key}".encode()),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"user-agent", b"OmniRoute"),
    ]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "query_string": b"",
        "headers": headers,
        "client": None,
    }
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        if messages:
            return messages.pop()
        return await asyncio.get_running_loop().create_future()  # this client never leaves

    async def send(message: MutableMapping[str, Any]) -> None:
        return

    return scope, receive, send


def _tried(name: tuple[str, str], outcome: Outcome | None) -> Tried:
    step, asked = name
    if outcome is None:
        return Tried(step, asked, False, "", "", "", 0, "")
    return Tried(
        step,
        asked,
        outcome.result == "ok",
        outcome.provider,
        outcome.connection,
        outcome.model,
        outcome.latency_ms,
        outcome.error_message,
        outcome.attempts,
        outcome.error_kind,
    )


def _winner(snapshot: Snapshot, combo: Combo, results: Sequence[Tried]) -> Tried | None:
    answered = {(result.provider, result.model): result for result in reversed(results) if result.ok}
    try:
        attempts = plan(find(snapshot, combo.name), board_now(), snapshot.switches)
    except Refusal:
        return None
    places = ((attempt.entry.id, attempt.model) for attempt in attempts)
    return next((answered[place] for place in places if place in answered), None)


def _complain(request_id: str, mistake: BaseException) -> None:
    log.error("a trial failed by our own mistake", exc_info=mistake, extra={"request_id": request_id})
