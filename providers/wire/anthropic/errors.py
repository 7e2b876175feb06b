"""Errors in Anthropic's envelope, both ways."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.types import Json
from providers.wire.waits import wait_in

TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
OVERLOADED = ("overloaded_error", "overloaded")
DETAILED = ("thread_unsupported_request",)  # codes that the SDKs read from ``error.details.error_code``

KINDS: Mapping[str, Kind] = {
    "invalid_request_error": Kind.BAD_REQUEST,
    "authentication_error": Kind.AUTH,
    "billing_error": Kind.CREDIT,
    "permission_error": Kind.PERMISSION,
    "not_found_error": Kind.MODEL,
    "request_too_large": Kind.CONTEXT_LENGTH,
    "rate_limit_error": Kind.RATE_LIMITED,
    "timeout_error": Kind.TIMEOUT,
    "overloaded_error": Kind.OVERLOADED,
    "api_error": Kind.SERVER,
}


def error_type(refusal: Refusal) -> str:
    """The vendor's word for what the gateway answers."""
    if refusal.type in OVERLOADED or refusal.code in OVERLOADED:
        return "overloaded_error"
    return TYPES.get(refusal.status) or ("api_error" if refusal.status >= 500 else "invalid_request_error")


def envelope(refusal: Refusal) -> dict[str, Json]:
    error: dict[str, Json] = {"type": error_type(refusal), "message": refusal.message}
    if refusal.code in DETAILED:
        error["details"] = {"error_code": refusal.code}
    return {"type": "error", "error": error}


def error_body(refusal: Refusal, request_id: str) -> bytes:
    """The body of an error reply."""
    return msgspec.json.encode(envelope(refusal) | ({"request_id": request_id} if request_id else {}))


def error_from(raw: bytes, status: int | None) -> UpstreamFailure | None:
    """The error a body or an event tells of, in this envelope or in those compatible vendors use instead; None when
    it tells of none."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return failure_in(body, status)


def failure_in(body: Json, status: int | None = None) -> UpstreamFailure | None:
    """The same for decoded JSON."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    if isinstance(error, str) and error:
        error = {"message": error, "type": body.get("type"), "code": body.get("code")}
    if not isinstance(error, dict) or not error:
        error = _bare(body, status)
    return None if error is None else _failure(error, status, body)


def _bare(body: dict[str, Json], status: int | None) -> dict[str, Json] | None:
    """``{"code", "message"}`` without an envelope, MiniMax's ``base_resp``, an error event without an error."""
    base = body.get("base_resp")
    if isinstance(base, dict) and base.get("status_code") not in (None, 0):
        return {"message": base.get("status_msg"), "code": base.get("status_code")}
    if body.get("type") == "error" or (status is not None and status >= 400):
        return {"message": body.get("message") or body.get("detail") or body.get("msg"), "code": body.get("code")}
    return None


def _failure(error: dict[str, Json], status: int | None, beside: Json) -> UpstreamFailure:
    type_, code = _word(error.get("type")), _word(error.get("code"))
    details, words = error.get("details"), _word(error.get("message")) or ""
    if code is None and isinstance(details, dict):
        code = _word(details.get("error_code"))
    wait = wait_in((error, beside), words)
    return UpstreamFailure(
        KINDS.get(type_ or "") or KINDS.get(code or "") or KINDS.get(TYPES.get(status or 0, ""), Kind.SERVER),
        words or "The provider reported an error without words.",
        status=status,
        code=code,
        type=type_,
        param=_word(error.get("param")),
        retry_after=wait.seconds,
        resets_at=wait.at,
    )


def _word(value: Json) -> str | None:
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None
