"""Refusals as vendors write them, by the entries of the catalogue: status, head and body → whose fault it is, what
rests and for how long. Shapes from the vendors' documentation and the types of their SDKs (2026-11)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers import catalogue
from providers.failures import CONSEQUENCES, Rest
from providers.quota.table import HEADERS
from providers.upstream import Attempt, link, refused, told_inside
from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.formats import FORMATS
from tests.providers.test_upstream import Said

NOW = 1_800_000_000  # 2027-01-15T08:00:00Z
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"
RPC = "type.googleapis.com/google.rpc."


def attempt(id: str) -> Attempt:
    entry = catalogue.entries()[id]
    here = link(
        entry,
        connection_id=1,
        name="main",
        priority=1,
        secret=None,
        proxy=None,
        user_agent="OmniRoute/0",
        parameters={one.name: "eu" for one in entry.parameters} or None,
    )
    return Attempt(entry, here, "large")


def openai(message: str, **said: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **said}}


def anthropic(type: str, message: str, code: str = "") -> dict[str, Any]:
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": type, "message": message, **details}, "request_id": "req_1"}


def google(status: int, word: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": status, "status": word, "message": message, "details": list(details)}}


def quota(id: str) -> dict[str, Any]:
    return {"@type": f"{RPC}QuotaFailure", "violations": [{"quotaId": id}]}


def reason(word: str) -> dict[str, Any]:
    return {"@type": f"{RPC}ErrorInfo", "reason": word}


RETRY = {"@type": f"{RPC}RetryInfo", "retryDelay": "12s"}
SPENT = {"type": "usage_limit_reached", "message": "The usage limit has been reached", "plan_type": "plus"}
OPENROUTER_LIMIT = {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{NOW + 90}000"}
CONNECTION, MODEL, NOTHING = Rest.CONNECTION, Rest.MODEL, Rest.NOTHING

# provider, status, head, body → kind, what rests, seconds that the vendor asks for
ROWS: list[tuple[str, int, dict[str, str], Any, Kind, Rest, float | None]] = [
    # -- OpenAI ------------------------------------------------------------------------------------------------------
    ("openai", 401, {}, openai("Incorrect API key provided", code="invalid_api_key"), Kind.AUTH, CONNECTION, None),
    (
        "openai", 403, {}, openai("Country, region, or territory not supported",
        code="unsupported_country_region_territory"), Kind.PERMISSION, CONNECTION, None,
    ),
    ("openai", 403, {}, openai("Project `p` does not have access to model `m`"), Kind.MODEL, MODEL, None),
    ("openai", 404, {}, openai("The model `m` does not exist", code="model_not_found"), Kind.MODEL, MODEL, None),
    (
        "openai", 400, {}, openai("Your organization must be verified to stream this model.", param="stream",
        code="unsupported_value"), Kind.UNENTITLED, NOTHING, None,
    ),
    (
        "openai", 429, {"retry-after-ms": "1500", "retry-after": "9"},
        openai("Rate limit reached for m", code="rate_limit_exceeded"), Kind.RATE_LIMITED, MODEL, 1.5,
    ),
    (
        "openai", 429, {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"},
        openai("Rate limit reached for m", code="rate_limit_exceeded"), Kind.RATE_LIMITED, MODEL, 360,
    ),
    (
        "openai", 429, {}, openai("You exceeded your current quota", code="insufficient_quota"),
        Kind.QUOTA, CONNECTION, None,
    ),
    ("openai", 400, {}, openai("The image is broken.", code="invalid_base64_image"), Kind.BAD_REQUEST, NOTHING, None),
    ("openai", 400, {}, openai("Too large.", code="image_too_large"), Kind.UNABLE, NOTHING, None),
    ("openai", 400, {}, openai("Not fetched.", code="failed_to_download_image"), Kind.UNABLE, NOTHING, None),
    ("openai", 400, {}, openai("Not here.", code="data_residency_mismatch"), Kind.PERMISSION, CONNECTION, None),
    ("openai", 500, {}, openai("The server had an error", type="server_error"), Kind.SERVER, CONNECTION, None),
    ("azure", 400, {}, {"error": {
        "code": "content_filter", "message": "The response was filtered", "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}},
    }}, Kind.CONTENT_FILTER, NOTHING, None),
    # -- Codex -------------------------------------------------------------------------------------------------------
    ("codex", 429, {}, {"error": SPENT | {"resets_in_seconds": 5000}}, Kind.QUOTA, CONNECTION, 5000),
    ("codex", 429, {"date": DATE}, {"error": SPENT | {"resets_at": NOW + 90}}, Kind.QUOTA, CONNECTION, 90),
    ("codex", 429, {}, {"error": {"type": "usage_not_included", "message": "Upgrade."}}, Kind.QUOTA, CONNECTION, None),
    (
        "codex", 429, {
            "x-codex-primary-used-percent": "100", "x-codex-primary-reset-after-seconds": "600",
            "x-codex-secondary-used-percent": "40", "x-codex-secondary-reset-after-seconds": "3000",
        }, {"error": SPENT}, Kind.QUOTA, CONNECTION, 600,
    ),
    (
        "codex", 403, {}, {"error": {"code": "unsupported_country_region_territory", "message": "No."}},
        Kind.PERMISSION, CONNECTION, None,
    ),
    # -- Anthropic ---------------------------------------------------------------------------------------------------
    ("anthropic", 401, {}, anthropic("authentication_error", "invalid x-api-key"), Kind.AUTH, CONNECTION, None),
    ("anthropic", 402, {}, anthropic("billing_error", "Pay."), Kind.CREDIT, CONNECTION, None),
    ("anthropic", 403, {}, anthropic("permission_error", "Your key may not."), Kind.PERMISSION, CONNECTION, None),
    (
        "anthropic", 403, {}, anthropic("permission_error", "You do not have access to the model claude-x."),
        Kind.MODEL, MODEL, None,
    ),
    ("anthropic", 404, {}, anthropic("not_found_error", "model: claude-x"), Kind.MODEL, MODEL, None),
    ("anthropic", 413, {}, anthropic("request_too_large", "Too large."), Kind.CONTEXT_LENGTH, NOTHING, None),
    (
        "anthropic", 429, {"retry-after": "20"}, anthropic("rate_limit_error", "Slow down."),
        Kind.RATE_LIMITED, MODEL, 20,
    ),
    ("anthropic", 529, {}, anthropic("overloaded_error", "Overloaded"), Kind.OVERLOADED, CONNECTION, None),
    ("anthropic", 504, {}, anthropic("timeout_error", "Too long."), Kind.TIMEOUT, CONNECTION, None),
    *(
        ("anthropic", status, {}, anthropic(type, "No.", code), kind, rest, None)
        for status, type, code, kind, rest in (
            (429, "rate_limit_error", "contract_spend_limit_reached", Kind.CREDIT, CONNECTION),
            (429, "rate_limit_error", "enforced_spend_limit_reached", Kind.CREDIT, CONNECTION),
            (403, "permission_error", "linked_organization_spend_limit_reached", Kind.CREDIT, CONNECTION),
            (403, "permission_error", "linked_organization_billing_unavailable", Kind.CREDIT, CONNECTION),
            (403, "permission_error", "organization_on_hold", Kind.BANNED, CONNECTION),
            (400, "invalid_request_error", "claude_code_key_creator_not_member", Kind.PERMISSION, CONNECTION),
            (400, "invalid_request_error", "cmek_key_disabled", Kind.PERMISSION, CONNECTION),
            (400, "invalid_request_error", "cmek_key_unreachable", Kind.PERMISSION, CONNECTION),
            (400, "invalid_request_error", "workspace_human_review_disabled", Kind.UNENTITLED, NOTHING),
            (400, "invalid_request_error", "claude_code_version_too_old", Kind.UNABLE, NOTHING),
        )
    ),
    (
        "claude", 429, {"anthropic-ratelimit-unified-status": "rejected", "date": DATE,
        "anthropic-ratelimit-unified-reset": str(NOW + 600)}, anthropic("rate_limit_error", "Slow down."),
        Kind.RATE_LIMITED, CONNECTION, 600,
    ),
    (
        "claude", 400, {}, anthropic("invalid_request_error",
        "The long context beta is not yet available for this subscription."), Kind.UNENTITLED, NOTHING, None,
    ),
    # -- Google ------------------------------------------------------------------------------------------------------
    (
        "gemini", 400, {}, google(400, "INVALID_ARGUMENT", "API key not valid.", reason("API_KEY_INVALID")),
        Kind.AUTH, CONNECTION, None,
    ),
    (
        "gemini", 400, {}, google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        Kind.PERMISSION, CONNECTION, None,
    ),
    ("gemini", 403, {}, google(403, "PERMISSION_DENIED", "The caller may not."), Kind.PERMISSION, CONNECTION, None),
    (
        "gemini", 429, {}, [google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota",
        quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"), RETRY)], Kind.RATE_LIMITED, MODEL, 12,
    ),
    (
        "gemini", 429, {}, google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota",
        quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")), Kind.QUOTA, MODEL, None,
    ),
    (
        "gemini", 429, {}, google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota",
        quota("GenerateRequestsPerDayPerProject")), Kind.QUOTA, CONNECTION, None,
    ),
    ("gemini", 503, {}, google(503, "UNAVAILABLE", "The model is overloaded."), Kind.OVERLOADED, CONNECTION, None),
    ("gemini-cli", 429, {}, google(429, "RESOURCE_EXHAUSTED", "Quota exhausted. It will reset after 2h13m49s.",
     reason("QUOTA_EXHAUSTED")), Kind.QUOTA, CONNECTION, 8029),
    ("gemini-cli", 499, {}, google(499, "CANCELLED", "Cancelled."), Kind.TIMEOUT, CONNECTION, None),
    # -- Amazon ------------------------------------------------------------------------------------------------------
    (
        "bedrock", 403, {"x-amzn-errortype": "AccessDeniedException:http://internal.amazon.com/"},
        {"message": "You don't have access to the model with the specified model ID."}, Kind.MODEL, MODEL, None,
    ),
    (
        "bedrock", 403, {"x-amzn-errortype": "AccessDeniedException"},
        {"message": "Your account is not authorized to invoke this API operation."}, Kind.PERMISSION, CONNECTION, None,
    ),
    (
        "bedrock", 403, {"x-amzn-errortype": "UnrecognizedClientException"},
        {"message": "The security token included in the request is invalid."}, Kind.AUTH, CONNECTION, None,
    ),
    (
        "bedrock", 429, {"x-amzn-errortype": "ThrottlingException"},
        {"message": "Too many tokens, please wait before trying again."}, Kind.RATE_LIMITED, CONNECTION, None,
    ),
    (
        "kiro", 403, {}, {"__type": "com.amazon#AccessDeniedException", "message": "No."},
        Kind.PERMISSION, CONNECTION, None,
    ),
    # -- others ------------------------------------------------------------------------------------------------------
    (
        "openrouter", 429, {"date": DATE}, {"error": {
            "message": "Rate limit exceeded: free-models-per-day", "code": 429,
            "metadata": {"headers": OPENROUTER_LIMIT},
        }}, Kind.RATE_LIMITED, MODEL, 90,
    ),
    (
        "openrouter", 403, {}, {"error": {"message": "The chosen model requires moderation and your input was flagged",
        "code": 403, "metadata": {"reasons": ["violence"], "flagged_input": "…"}}}, Kind.CONTENT_FILTER, NOTHING, None,
    ),
    ("openrouter", 402, {}, {"error": {"message": "Insufficient credits", "code": 402}}, Kind.CREDIT, CONNECTION, None),
    (
        "openrouter", 402, {}, {"error": {"message": "This request requires more credits, or fewer max_tokens. You "
        "requested up to 65536 tokens, but can only afford 3999.", "code": 402}}, Kind.UNENTITLED, NOTHING, None,
    ),
    ("groq", 498, {}, openai("Flex tier capacity exceeded"), Kind.OVERLOADED, CONNECTION, None),
    (
        "groq", 429, {}, openai("Rate limit reached. Please try again in 7.5s.", code="rate_limit_exceeded"),
        Kind.RATE_LIMITED, MODEL, 7.5,
    ),
    ("deepseek", 402, {}, openai("Insufficient Balance"), Kind.CREDIT, CONNECTION, None),
    (
        "minimax", 400, {}, {"base_resp": {"status_code": 1004, "status_msg": "login fail"}},
        Kind.AUTH, CONNECTION, None,
    ),
]  # fmt: skip


def resting(failure: UpstreamFailure) -> Rest:
    rest = CONSEQUENCES[failure.kind].rest
    return Rest.MODEL if failure.of_model and rest is Rest.CONNECTION else rest


@pytest.mark.parametrize(("id", "status", "head", "body", "kind", "rest", "wait"), ROWS)
async def test_what_follows(
    id: str, status: int, head: dict[str, str], body: Any, kind: Kind, rest: Rest, wait: float | None
) -> None:
    headers = {name.encode(): value.encode() for name, value in head.items()}
    failure = await refused(attempt(id), Said(status, body, headers))
    assert (failure.kind, resting(failure), failure.retry_after) == (kind, rest, wait)
    assert failure.status == status


# The same where a good reply begins with it: without a status.
STREAMED: list[tuple[str, Any, Kind, Rest, float | None]] = [
    (
        "openrouter", {"id": "x", "error": {"code": 502, "message": "Provider disconnected"},
        "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}, Kind.SERVER, CONNECTION, None,
    ),
    (
        "openrouter", {"error": {"code": 429, "message": "free-models-per-min",
        "metadata": {"headers": OPENROUTER_LIMIT}}}, Kind.RATE_LIMITED, MODEL, 90,
    ),
    (
        "codex", {"type": "response.failed", "response": {"status": "failed", "error": {
            "code": "usage_limit_reached", "message": "The usage limit has been reached", "resets_at": NOW + 90,
        }}}, Kind.QUOTA, CONNECTION, 90,
    ),
    (
        "codex", {"type": "response.failed", "response": {"status": "failed", "error": {
            "code": "rate_limit_exceeded", "message": "Please try again in 11.5s.",
        }}}, Kind.RATE_LIMITED, CONNECTION, 11.5,
    ),
    *(
        ("codex", {"type": "response.failed", "response": {"error": {"code": code, "message": "No"}}}, kind, rest, None)
        for code, kind, rest in (
            ("server_error", Kind.SERVER, CONNECTION),
            ("invalid_prompt", Kind.BAD_REQUEST, NOTHING),
            ("bio_policy", Kind.CONTENT_FILTER, NOTHING),
            ("invalid_image", Kind.BAD_REQUEST, NOTHING),
            ("unsupported_image_media_type", Kind.UNABLE, NOTHING),
            ("image_file_not_found", Kind.UNABLE, NOTHING),
            ("vector_store_timeout", Kind.TIMEOUT, CONNECTION),
        )
    ),
    ("anthropic", anthropic("overloaded_error", "Overloaded"), Kind.OVERLOADED, CONNECTION, None),
    ("anthropic", anthropic("rate_limit_error", "No.", "enforced_spend_limit_reached"), Kind.CREDIT, CONNECTION, None),
    ("gemini", google(429, "RESOURCE_EXHAUSTED", "Slow down.", RETRY), Kind.RATE_LIMITED, CONNECTION, 12),
]  # fmt: skip


@pytest.mark.parametrize(("id", "said", "kind", "rest", "wait"), STREAMED)
def test_what_follows_in_a_stream(id: str, said: Any, kind: Kind, rest: Rest, wait: float | None) -> None:
    here = attempt(id)
    failure = FORMATS[here.entry.format].error_from(json.dumps(said).encode(), None)
    assert failure is not None
    told_inside(here, failure, {b"date": DATE.encode()})
    assert (failure.kind, resting(failure), failure.retry_after) == (kind, rest, wait)


def test_vendors_that_count_by_the_model_are_among_them() -> None:
    assert {id for id, gauge in HEADERS.items() if gauge.per_model} <= {row[0] for row in ROWS}
