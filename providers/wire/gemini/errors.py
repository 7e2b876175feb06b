"""Google's error envelope ⇄ failures and refusals."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.types import Json
from providers.wire.waits import wait_in

STATUS = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 402: "RESOURCE_EXHAUSTED", 403: "PERMISSION_DENIED",
    404: "NOT_FOUND", 405: "UNIMPLEMENTED", 408: "DEADLINE_EXCEEDED", 409: "ABORTED", 410: "NOT_FOUND",
    413: "INVALID_ARGUMENT", 415: "INVALID_ARGUMENT", 422: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED", 500: "INTERNAL", 501: "UNIMPLEMENTED", 502: "UNAVAILABLE", 503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}  # fmt: skip
KINDS = {
    "INVALID_ARGUMENT": Kind.BAD_REQUEST, "FAILED_PRECONDITION": Kind.BAD_REQUEST, "OUT_OF_RANGE": Kind.BAD_REQUEST,
    "UNAUTHENTICATED": Kind.AUTH, "PERMISSION_DENIED": Kind.PERMISSION, "NOT_FOUND": Kind.MODEL,
    "RESOURCE_EXHAUSTED": Kind.RATE_LIMITED, "UNAVAILABLE": Kind.OVERLOADED, "DEADLINE_EXCEEDED": Kind.TIMEOUT,
    "UNIMPLEMENTED": Kind.MODEL, "CANCELLED": Kind.SERVER, "ABORTED": Kind.OVERLOADED, "INTERNAL": Kind.SERVER,
}  # fmt: skip
REASONS = {  # of google.rpc.ErrorInfo → the code and kind that everybody knows
    "API_KEY_INVALID": ("invalid_api_key", Kind.AUTH),
    "API_KEY_EXPIRED": ("invalid_api_key", Kind.AUTH),
    "RATE_LIMIT_EXCEEDED": ("rate_limit_exceeded", Kind.RATE_LIMITED),
    "QUOTA_EXHAUSTED": ("insufficient_quota", Kind.QUOTA),
}
LONG_QUOTA = re.compile(r"per_?(day|month|week)|daily|monthly", re.I)  # of QuotaFailure: not over in a minute
DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")
LONGEST_RETRY: Final = 3600.0  # seconds
RPC: Final = "type.googleapis.com/google.rpc."


def error_body(refusal: Refusal, request_id: str) -> bytes:
    """A refusal as ``{"error": {code, message, status, details}}``."""
    return msgspec.json.encode({"error": error_object(refusal, request_id)})


def error_object(refusal: Refusal, request_id: str = "") -> dict[str, Json]:
    default = "INVALID_ARGUMENT" if refusal.status < 500 else "INTERNAL"
    status = STATUS.get(refusal.status, default)
    made: dict[str, Json] = {"code": refusal.status, "message": refusal.message, "status": status}
    details: list[dict[str, Json]] = []
    if refusal.code:
        details.append({"@type": f"{RPC}ErrorInfo", "reason": refusal.code.upper(), "domain": "omniroute"})
    if refusal.param and refusal.status == 400:
        violation = {"field": refusal.param, "description": refusal.message}
        details.append({"@type": f"{RPC}BadRequest", "fieldViolations": [violation]})
    if refusal.retry_after is not None:
        details.append({"@type": f"{RPC}RetryInfo", "retryDelay": f"{max(round(refusal.retry_after, 3), 0.001):.15g}s"})
    if request_id:
        details.append({"@type": f"{RPC}RequestInfo", "requestId": request_id})
    return made | ({"details": details} if details else {})


def error_from(raw: bytes, status: int | None) -> UpstreamFailure | None:
    """The failure told by an error envelope's bytes (also as an array of one), None when there is none.

    ``status`` is HTTP's; inside a 200 or a stream (None) the envelope's own code takes its place.
    """
    try:
        whole = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(whole, list) and whole:
        whole = whole[0]
    error = whole.get("error") if isinstance(whole, dict) else None
    if isinstance(error, str) and error:
        words = whole.get("error_description") or whole.get("message")  # Google's OAuth answers like this
        return UpstreamFailure(Kind.SERVER, words if isinstance(words, str) else error, status=status, code=error)
    return _failure(error, status) if isinstance(error, dict) and error else None


def _failure(error: dict[str, Json], status: int | None) -> UpstreamFailure:
    said = error.get("code")
    if (status is None or status < 400) and isinstance(said, int) and 400 <= said < 600:
        status = said
    message = error.get("message")
    message = message if isinstance(message, str) and message else "The provider reported an error."
    word = error.get("status")
    word = word if isinstance(word, str) else ""
    given = error.get("details")
    details = [row for row in given if isinstance(row, dict)] if isinstance(given, list) else []
    code, kind = _told(details)
    if code is None and isinstance(said, str):
        code = said
    return UpstreamFailure(
        kind or KINDS.get(word, Kind.SERVER),
        message,
        status=status,
        code=code,
        type=word or None,
        param=_field(details),
        of_model=_counts_models(details),
        retry_after=_retry(details) or wait_in((), message).seconds,
    )


def _told(details: list[dict[str, Json]]) -> tuple[str | None, Kind | None]:
    """Code and kind: a quota of a day or longer is used up, one of a minute is only a rate. Google's words for both
    are the same ("You exceeded your current quota")."""
    for row in _of(details, "QuotaFailure"):
        rows = row.get("violations")
        words = " ".join(_quota(item) for item in rows if isinstance(item, dict)) if isinstance(rows, list) else ""
        if words:
            long = LONG_QUOTA.search(words) is not None
            return ("insufficient_quota", Kind.QUOTA) if long else ("rate_limit_exceeded", Kind.RATE_LIMITED)
    for row in _of(details, "ErrorInfo"):
        reason = row.get("reason")
        if isinstance(reason, str) and reason:
            return REASONS.get(reason, (reason, None))
    return None, None


def _counts_models(details: list[dict[str, Json]]) -> bool:
    """Whether each quota that is used up is one of a model ("…PerDayPerProjectPerModel-FreeTier")."""
    rows = [row.get("violations") for row in _of(details, "QuotaFailure")]
    ids = [item.get("quotaId") for items in rows if isinstance(items, list) for item in items if isinstance(item, dict)]
    return bool(ids) and all(isinstance(id, str) and "permodel" in id.lower() for id in ids)


def _quota(item: dict[str, Json]) -> str:
    return " ".join(str(item[key]) for key in ("quotaId", "quotaMetric", "subject", "description") if key in item)[
        :1000
    ]


def _retry(details: list[dict[str, Json]]) -> float | None:
    for row in _of(details, "RetryInfo"):
        found = DURATION.fullmatch(row["retryDelay"]) if isinstance(row.get("retryDelay"), str) else None
        if found is not None:
            return min(float(found[1]), LONGEST_RETRY)
    return None


def _field(details: list[dict[str, Json]]) -> str | None:
    for row in _of(details, "BadRequest"):
        rows = row.get("fieldViolations")
        for item in rows if isinstance(rows, list) else ():
            if isinstance(item, dict) and isinstance(item.get("field"), str):
                return item["field"] or None
    return None


def _of(details: list[dict[str, Json]], kind: str) -> list[dict[str, Json]]:
    return [row for row in details if isinstance(row.get("@type"), str) and row["@type"].endswith(kind)]
