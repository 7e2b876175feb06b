"""A failed attempt → what the client is told: status, type and code of its own format, the provider's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from providers.wire.errors import Kind, Refusal, UpstreamFailure
from routing.board import Verdict

LIMITED = (Kind.RATE_LIMITED, Kind.QUOTA, Kind.CREDIT)
RESTING, BUSY = "resting after failures", "asked as often as it may be"
STATES: Mapping[str, str] = {  # by why it was not asked; everything else came of failures
    "busy": BUSY,
    "queue_too_long": BUSY,
    "quota_reserve": "down to the reserve of its quota",
}
BY_KIND: Mapping[Kind, int] = {
    Kind.BAD_REQUEST: 400,
    Kind.CONTEXT_LENGTH: 400,
    Kind.CONTENT_FILTER: 400,
    Kind.UNABLE: 400,
    Kind.UNENTITLED: 403,
    Kind.MODEL: 404,
    Kind.AUTH: 401,
    Kind.PERMISSION: 403,
    Kind.BANNED: 403,
    Kind.CREDIT: 402,
    Kind.QUOTA: 429,
    Kind.RATE_LIMITED: 429,
    Kind.OVERLOADED: 503,
    Kind.TIMEOUT: 504,
    Kind.NETWORK: 502,
    Kind.SERVER: 502,
    Kind.PROTOCOL: 502,
}
BY_STATUS: Mapping[int, int] = {502: 502, 503: 503, 504: 504, 529: 503}
TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    429: "rate_limit_error",
}
# Types that only vendors of other formats say (Google's are in capitals): OpenAI's word for the status is told instead.
FOREIGN = frozenset(("api_error", "not_found_error", "request_too_large", "timeout_error"))
CODES: Mapping[Kind, str] = {  # OpenAI's words where it has one, which clients look for
    Kind.CONTEXT_LENGTH: "context_length_exceeded",
    Kind.MODEL: "model_not_found",
    Kind.RATE_LIMITED: "rate_limit_exceeded",
}
# Which of several failures is told: what may pass by itself before what needs somebody to mend it.
MOST_TELLING = (
    (Kind.BAD_REQUEST, Kind.CONTEXT_LENGTH, Kind.CONTENT_FILTER),
    (Kind.RATE_LIMITED, Kind.OVERLOADED, Kind.QUOTA),
    (Kind.TIMEOUT, Kind.SERVER, Kind.PROTOCOL, Kind.NETWORK),
    (Kind.UNABLE, Kind.UNENTITLED),
    (Kind.CREDIT, Kind.MODEL, Kind.PERMISSION, Kind.AUTH, Kind.BANNED),
)


def status_for(failure: UpstreamFailure) -> int:
    """The provider's own status when it blames the request or the account; else 502, 503 or 504. Never 500."""
    if failure.status is not None and 400 <= failure.status < 500:
        return failure.status
    if failure.status is not None and failure.status >= 500:
        return BY_STATUS.get(failure.status, 502)
    return BY_KIND[failure.kind]


def refusal_for(failure: UpstreamFailure, attempts: int) -> Refusal:
    """What the client is told of a failure after this many attempts."""
    status = status_for(failure)
    default = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    words = failure.message if attempts < 2 else f"{failure.message} (after {attempts} attempts)"
    return Refusal(
        status,
        words,
        type=default if failure.type is None or failure.type in FOREIGN or failure.type.isupper() else failure.type,
        code=failure.code or CODES.get(failure.kind, str(failure.kind)),
        param=failure.param,
        retry_after=failure.retry_after,
    )


def nobody(resting: Sequence[Verdict]) -> Refusal:
    """What the client is told when nobody could be asked, by why not."""
    limited = all(verdict.kind in LIMITED for verdict in resting)
    states = {STATES.get(verdict.why, RESTING) for verdict in resting} or {RESTING}
    return Refusal(
        429 if limited else 503,
        f"Every connection that could answer is {' or '.join(sorted(states))}. Try again later.",
        type="rate_limit_error" if limited else "server_error",
        code="all_connections_busy" if states == {BUSY} else "all_connections_resting",
        retry_after=min((verdict.seconds for verdict in resting), default=1.0),
    )


def most_telling(failures: Sequence[UpstreamFailure]) -> UpstreamFailure:
    """The failure to tell of several; the earliest of the most telling rank, with the soonest time to come back."""
    chosen = min(failures, key=lambda failure: next(i for i, kinds in enumerate(MOST_TELLING) if failure.kind in kinds))
    known = [failure.retry_after for failure in failures if failure.retry_after is not None]
    if known and status_for(chosen) in (429, 503):
        chosen.retry_after = min(known)
    return chosen
