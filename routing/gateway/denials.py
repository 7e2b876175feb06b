"""What a client is told of limits and budgets: which one, how much of it, and when to come back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from providers.upstream import Attempt
from providers.wire.errors import Refusal
from routing.addresses import Rule
from routing.gateway.writer import Header
from routing.money import plain, usd
from routing.snapshot import Budget, Limit

SOON = 1.0  # seconds; when others give a slot or a reservation back is not known
Level = tuple[str, int, int, float]  # "requests" or "tokens", limit, used, seconds until nothing is used


def too_many(limit: Limit, kind: str, seconds: float) -> Refusal:
    most = limit.requests if kind == "requests" else limit.tokens
    return Refusal(
        429,
        f"The limit of {limit.whose} is reached: {most} {kind} per minute.",
        type="rate_limit_error",
        code="rate_limit_exceeded",
        retry_after=seconds,
    )


def too_parallel(limit: Limit) -> Refusal:
    return Refusal(
        429,
        f"The limit of {limit.whose} is reached: {limit.parallel} requests at the same time.",
        type="rate_limit_error",
        code="concurrency_limit_exceeded",
        retry_after=SOON,
    )


def over_budget(budget: Budget, spent: int, reserved: int, wanted: int, end: datetime | None, now: float) -> Refusal:
    """``now`` is Unix time. What is only reserved by others may come back soon; what is spent, with the next period."""
    used_up = spent + wanted > budget.limit or spent >= budget.limit
    words = f"The {budget.period} budget of {budget.whose} is {'used up' if used_up else 'in use'}: "
    words += f"{plain(usd(spent))} of {plain(usd(budget.limit))} USD spent"
    words += f", {plain(usd(reserved))} reserved by running requests" if reserved else ""
    if spent < budget.limit:
        words += f", and this request may cost {plain(usd(wanted))}"
    words += f". It begins again at {end.astimezone(budget.zone).isoformat()}." if end is not None else "."
    wait = (end.timestamp() - now if end is not None else None) if used_up else SOON
    return Refusal(429, words, type="rate_limit_error", code="budget_exceeded", retry_after=wait)


def unpriced(attempt: Attempt, budget: Budget, what: str = "") -> Refusal:
    """``what``: the thing in the request that nothing bounds; "" when the model's price is at fault."""
    words = f"The model '{attempt.entry.id}/{attempt.model}' has no price that bounds "
    words += f"{what or 'this request'}, and the {budget.period} budget of {budget.whose} must not be exceeded. "
    words += "Leave it out, or use another model." if what else "Give the model a price, or use another."
    return Refusal(403, words, type="permission_error", code="model_without_price", param="model")


def unknown_budget() -> Refusal:
    return Refusal(
        503,
        "What was spent cannot be looked up now, and a budget applies. Try again shortly.",
        type="server_error",
        code="budget_unavailable",
        retry_after=SOON,
    )


def too_many_from_address(limit: int, seconds: float) -> Refusal:
    return Refusal(
        429,
        f"The limit of this address is reached: {limit} requests per minute.",
        type="rate_limit_error",
        code="rate_limit_exceeded",
        retry_after=seconds,
    )


def address_refused(rule: Rule | None, now: float) -> Refusal:
    """``rule`` keeps it out; None: no rule lets it in. ``now`` is Unix time."""
    reason, until = (rule.reason, rule.until) if rule is not None else ("", None)
    words = f"Requests from this address are not taken{': ' + reason if reason else ''}."
    wait = until - now if until is not None else None
    return Refusal(403, words, type="permission_error", code="address_not_allowed", retry_after=wait)


# -- headers ----------------------------------------------------------------------------------------------------------
def limit_headers(client_format: str, levels: Sequence[Level]) -> tuple[Header, ...]:
    """Limit, what is left and when it is whole again, of requests and tokens; of several limits the tightest."""
    told = _anthropic if client_format == "anthropic" else _openai
    tightest: dict[str, tuple[int, int, float]] = {}
    for kind, limit, used, reset in levels:
        left = limit - used
        if (known := tightest.get(kind)) is None or left < known[1]:
            tightest[kind] = (limit, left, reset)
    found: list[Header] = []
    for kind, (limit, left, reset) in tightest.items():
        found += told(kind, limit, max(left, 0), reset)
    return tuple(found)


OPENAI = {
    kind: tuple(f"x-ratelimit-{what}-{kind}".encode() for what in ("limit", "remaining", "reset"))
    for kind in ("requests", "tokens")
}


def _openai(kind: str, limit: int, left: int, reset: float) -> Iterable[Header]:
    names = OPENAI[kind]
    return (names[0], b"%d" % limit), (names[1], b"%d" % left), (names[2], _duration(reset))


def _anthropic(kind: str, limit: int, left: int, reset: float) -> Iterable[Header]:
    name = b"anthropic-ratelimit-" + kind.encode()
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=-int(-reset // 1))
    yield name + b"-limit", str(limit).encode()
    yield name + b"-remaining", str(left).encode()
    yield name + b"-reset", at.isoformat().replace("+00:00", "Z").encode()


def _duration(seconds: float) -> bytes:
    """As OpenAI writes them: 120ms, 7.5s, 1m2s."""
    return b"%dms" % int(seconds * 1000) if seconds < 1 else _tenths(round(seconds * 10))


@lru_cache(maxsize=1024)
def _tenths(count: int) -> bytes:
    minutes, rest = divmod(count, 600)
    tail = f"{rest / 10:g}s"
    return (f"{minutes}m{tail}" if minutes else tail).encode()
