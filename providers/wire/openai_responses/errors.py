"""Errors in this format's envelope: to clients, and from vendors."""

from __future__ import annotations

import msgspec

from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.types import Json
from providers.wire.waits import wait_in

UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError)
KINDS = {  # ``code`` or ``type`` of a vendor's error → what it is; the status says more where there is one
    "context_length_exceeded": Kind.CONTEXT_LENGTH,
    "insufficient_quota": Kind.QUOTA,
    "usage_limit_reached": Kind.QUOTA,
    "usage_not_included": Kind.QUOTA,
    "rate_limit_exceeded": Kind.RATE_LIMITED,
    "rate_limit_error": Kind.RATE_LIMITED,
    "server_is_overloaded": Kind.OVERLOADED,
    "slow_down": Kind.OVERLOADED,
    "invalid_api_key": Kind.AUTH,
    "authentication_error": Kind.AUTH,
    "permission_error": Kind.PERMISSION,
    "model_not_found": Kind.MODEL,
    "content_filter": Kind.CONTENT_FILTER,
    "image_content_policy_violation": Kind.CONTENT_FILTER,
    "bio_policy": Kind.CONTENT_FILTER,
    "misalignment_policy_violation": Kind.CONTENT_FILTER,
    "invalid_prompt": Kind.BAD_REQUEST,
    "invalid_request_error": Kind.BAD_REQUEST,
    "server_error": Kind.SERVER,
}
# Codes of a failed response that clients know; any other becomes one of the first three.
CODES = frozenset(KINDS) - {"invalid_request_error", "rate_limit_error", "authentication_error", "permission_error"}
LONGEST_WORDS = 2000  # characters kept of a vendor's message


def error_body(refusal: Refusal, request_id: str) -> bytes:
    """OpenAI's envelope; the request's id goes in a header there."""
    error = {"message": refusal.message, "type": refusal.type, "param": refusal.param, "code": refusal.code}
    return msgspec.json.encode({"error": error})


def failed_code(refusal: Refusal) -> str:
    """The code of ``response.failed``."""
    if refusal.code in CODES:
        return refusal.code
    if refusal.status == 429:
        return "rate_limit_exceeded"
    return "invalid_prompt" if refusal.status < 500 else "server_error"


def error_from(raw: bytes, status: int | None = None) -> UpstreamFailure | None:
    """The failure that an error's bytes tell; None when they tell of none."""
    try:
        said = msgspec.json.decode(raw)
    except UNREADABLE:
        return None
    return failure_of(said, status)


def failure_of(said: Json, status: int | None = None) -> UpstreamFailure | None:
    """The failure in a decoded envelope, an ``error`` event, or a failed response."""
    if isinstance(said, list) and said:
        said = said[0]
    if not isinstance(said, dict):
        return None
    outer = said["response"] if isinstance(said.get("response"), dict) else said
    error = outer.get("error")
    if isinstance(error, str) and error:
        error = {"message": error, "code": outer.get("code"), "type": outer.get("type")}
    if isinstance(error, dict):
        return _failure(error, status, outer)
    if said.get("type") == "error" or any(_text(said.get(name)) for name in ("detail", "message", "msg")):
        return _failure(said, status) if "output" not in said else None
    return None


def _failure(error: dict[str, Json], status: int | None, beside: Json = None) -> UpstreamFailure:
    words = next((text for name in ("message", "detail", "msg") if (text := _text(error.get(name)))), "")
    code, kind = _text(error.get("code")) or None, _text(error.get("type")) or None
    kind = None if kind == "error" else kind
    wait = wait_in((error, beside), words)
    return UpstreamFailure(
        KINDS.get(code or "") or KINDS.get(kind or "") or Kind.SERVER,
        words[:LONGEST_WORDS] or "The provider reported an error.",
        status=status,
        code=code,
        type=kind,
        param=_text(error.get("param")) or None,
        retry_after=wait.seconds,
        resets_at=wait.at,
    )


def not_a_reply(body: bytes) -> str:
    """What to say of bytes that are no reply."""
    start = body.lstrip()[:1]
    if not start:
        return "The provider sent an empty reply."
    if start == b"<":
        return "The provider sent a web page instead of a reply."
    return "The provider sent something that is not a valid reply."


def _text(value: Json) -> str:
    """Words, or a number that stands for them (codes)."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""
