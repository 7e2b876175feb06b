"""Whose fault a failure is, and what follows: status, code and words → Kind → consequence. Tables first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum

from providers.wire.errors import Kind, UpstreamFailure


class Rest(StrEnum):
    """What is left alone for a while after a failure."""

    NOTHING = "nothing"
    CONNECTION = "connection"
    MODEL = "model"  # this model on this connection


@dataclass(frozen=True, slots=True)
class Consequence:
    """``final``: no other attempt can help. ``seconds``: the first rest, doubled per repetition up to ``longest``.
    ``trips``: counts for the circuit breakers. ``skips_model``: the provider's other connections would say the same of
    this model. ``terminal``: the connection is done for until somebody mends it, a success, or ``seconds`` have
    passed; no other rest replaces it."""

    final: bool = False
    rest: Rest = Rest.NOTHING
    seconds: float = 0
    longest: float = 0
    trips: bool = False
    skips_model: bool = False
    terminal: bool = False


DAY = 86400.0
CONSEQUENCES: Mapping[Kind, Consequence] = {
    Kind.BAD_REQUEST: Consequence(final=True),
    Kind.CONTEXT_LENGTH: Consequence(skips_model=True),
    Kind.CONTENT_FILTER: Consequence(skips_model=True),
    Kind.UNABLE: Consequence(skips_model=True),
    Kind.MODEL: Consequence(rest=Rest.MODEL, seconds=120, longest=120),
    Kind.AUTH: Consequence(rest=Rest.CONNECTION, seconds=120, longest=120),
    Kind.PERMISSION: Consequence(rest=Rest.CONNECTION, seconds=120, longest=120),
    Kind.BANNED: Consequence(rest=Rest.CONNECTION, seconds=DAY, longest=DAY, terminal=True),
    # Credit may have been bought meanwhile: one request an hour finds out.
    Kind.CREDIT: Consequence(rest=Rest.CONNECTION, seconds=3600, longest=3600, terminal=True),
    Kind.QUOTA: Consequence(rest=Rest.CONNECTION, seconds=120, longest=3600),
    Kind.RATE_LIMITED: Consequence(rest=Rest.CONNECTION, seconds=1, longest=120),
    Kind.OVERLOADED: Consequence(rest=Rest.CONNECTION, seconds=3, longest=60, trips=True),
    Kind.TIMEOUT: Consequence(rest=Rest.CONNECTION, seconds=3, longest=60, trips=True),
    Kind.NETWORK: Consequence(rest=Rest.CONNECTION, seconds=3, longest=60, trips=True),
    Kind.SERVER: Consequence(rest=Rest.CONNECTION, seconds=3, longest=60, trips=True),
    Kind.PROTOCOL: Consequence(rest=Rest.CONNECTION, seconds=3, longest=60, trips=True),
}

BY_STATUS: Mapping[int, Kind] = {
    401: Kind.AUTH,
    402: Kind.CREDIT,
    403: Kind.PERMISSION,
    404: Kind.MODEL,
    405: Kind.MODEL,
    406: Kind.MODEL,
    408: Kind.TIMEOUT,
    410: Kind.MODEL,
    413: Kind.CONTEXT_LENGTH,
    423: Kind.PERMISSION,
    425: Kind.OVERLOADED,
    429: Kind.RATE_LIMITED,
    451: Kind.PERMISSION,  # as a region that is not served
    499: Kind.TIMEOUT,  # somebody on the way gave up
    503: Kind.OVERLOADED,
    504: Kind.TIMEOUT,
    529: Kind.OVERLOADED,
}

# Values of ``code`` and ``type`` in vendors' error objects.
BY_CODE: Mapping[str, Kind] = {
    "context_length_exceeded": Kind.CONTEXT_LENGTH,
    "exceed_context_size_error": Kind.CONTEXT_LENGTH,
    "insufficient_quota": Kind.QUOTA,  # of money or of a window: vendors say it for both, so it backs off to an hour
    "billing_hard_limit_reached": Kind.CREDIT,
    "billing_not_active": Kind.CREDIT,
    "account_deactivated": Kind.BANNED,
    "organization_deactivated": Kind.BANNED,
    "account_suspended": Kind.BANNED,
    "access_terminated_error": Kind.BANNED,
    "usage_limit_reached": Kind.QUOTA,
    "QUOTA_EXHAUSTED": Kind.QUOTA,
    "invalid_api_key": Kind.AUTH,
    "model_not_found": Kind.MODEL,
    "model_not_supported": Kind.MODEL,
    "model_decommissioned": Kind.MODEL,
    "invalid_model": Kind.MODEL,
    "unsupported_parameter": Kind.UNABLE,
    "unsupported_value": Kind.UNABLE,
    "unsupported_api_for_model": Kind.UNABLE,
    "invalid_function_parameters": Kind.BAD_REQUEST,
    "invalid_json_schema": Kind.BAD_REQUEST,
    "content_filter": Kind.CONTENT_FILTER,
    "content_policy_violation": Kind.CONTENT_FILTER,
    "rate_limit_exceeded": Kind.RATE_LIMITED,
    "overloaded_error": Kind.OVERLOADED,
    "rate_limit_error": Kind.RATE_LIMITED,
    "authentication_error": Kind.AUTH,
    "permission_error": Kind.PERMISSION,
    "billing_error": Kind.CREDIT,
    "not_found_error": Kind.MODEL,
    "timeout_error": Kind.TIMEOUT,
    "API_KEY_INVALID": Kind.AUTH,
    "UNAUTHENTICATED": Kind.AUTH,
    "PERMISSION_DENIED": Kind.PERMISSION,
    "RESOURCE_EXHAUSTED": Kind.RATE_LIMITED,
    "UNAVAILABLE": Kind.OVERLOADED,
    "DEADLINE_EXCEEDED": Kind.TIMEOUT,
    # Amazon's, as they stand in streams and in x-amzn-errortype. ValidationException is left to its words.
    "AccessDeniedException": Kind.PERMISSION,
    "ExpiredTokenException": Kind.AUTH,
    "InvalidSignatureException": Kind.AUTH,
    "ModelNotReadyException": Kind.OVERLOADED,
    "ModelTimeoutException": Kind.TIMEOUT,
    "ResourceNotFoundException": Kind.MODEL,
    "ServiceQuotaExceededException": Kind.QUOTA,
    "ServiceUnavailableException": Kind.OVERLOADED,
    "ThrottlingException": Kind.RATE_LIMITED,
    "UnrecognizedClientException": Kind.AUTH,
}

_A_MODEL = r"(?:(?:this|the|that|your|certain|some|selected|requested) ){0,3}models?\b"
_ABILITIES = (
    r"(?:tools?|tool[ _](?:use|calls?|calling|choice)|function calling|images?|image[ _](?:input|url)s?|audio|video"
    r"|thinking|reasoning|streaming|json mode|structured outputs?|response_format)"
)
_MAX_TOKENS = r"max_(?:completion_|output_)?tokens"

# Words that tell more than a 400 does. Only failures that blame the model or the account move on to the next one; a
# word that a vendor may as well say of a parameter must be of a kind that rests nothing, or one request rests a
# connection for everybody. Whose words they are is not ours to trust: possessive and bounded repetitions keep a search
# linear.
BY_WORDS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (
        re.compile(
            r"(maximum|max) (context|prompt|input) length|context (window|length of|size)|prompt is too long"
            r"|too many tokens|token count.{0,40}exceeds|reduce the length of the (messages|prompt|input)",
            re.I,
        ),
        Kind.CONTEXT_LENGTH,
    ),
    # What this model cannot do, and another one may. Before MODEL: "not a chat model and thus not supported in …".
    (
        re.compile(
            r"(?<!schema )\b(?:does|do)(?: not|n['’]t) (?:currently |yet )?support\b"
            rf"|\b(?:un|not |n['’]t )(?:supported|enabled|available|allowed|permitted) (?:with|by|on|for|in) {_A_MODEL}"
            rf"|\b(?:{_ABILITIES}|parameters?|throughput)\b[^.:;]{{0,40}}?(?: not|n['’]t) (?:supported|enabled)\b"
            rf"|(?:not|n['’]t) supported (?:for|with|in) (?:{_ABILITIES}|the v1/)"
            rf"|\bdeprecated for {_A_MODEL}|\bonly supported (?:by|with|on|in)\b|unknown variant `?image_url"
            r"|\bmodel only (?:supports|works|accepts)\b|\bmandatory for this (?:model|endpoint)\b"
            r"|\b(?:required for|able to process) (?:image|audio|video|file)s?\b|\bat most \d+ (?:image|audio|video)",
            re.I,
        ),
        Kind.UNABLE,
    ),
    (
        re.compile(
            r"\bnot a (?:chat|completion|multimodal|vision|reasoning) model\b|not accessible via the\b"
            r"|no endpoints found that (?:support|can handle)|must be verified to\b"
            r"|requires --(?:jinja|enable-auto-tool-choice)\b",
            re.I,
        ),
        Kind.UNABLE,
    ),
    (
        re.compile(
            rf"{_MAX_TOKENS}.{{0,30}}too (?:large|high|big)"
            rf"|{_MAX_TOKENS}[`'\"]? (?:must|should) be (?:less than|at most)"
            rf"|(?:range of|maximum value for) [`'\"]?{_MAX_TOKENS}|maximum allowed number of output tokens"
            r"|model supports at most|exceeds the model(?:['’]s)? (?:limit|maximum)|but the supported range is",
            re.I,
        ),
        Kind.UNABLE,
    ),
    (
        re.compile(
            r"\bmodels?\b(?:/\S++)?+(?:[\s:=]++\S++){0,2}?\s++(?:(?:is|was|has|been|does|could|currently|be)\s+){0,3}"
            r"(?:not (?:exist|found|supported|available|active|enabled)|unavailable|unsupported"
            r"|decommissioned|deprecated|retired|discontinued|no longer)"
            r"|\b(?:unknown|invalid|no such|unsupported) model\b|not a valid model\b"
            r"|(?:not have|no|without|include) access to (?:the |this )?model\b|not entitled to\b.{0,40}\bmodel\b",
            re.I,
        ),
        Kind.MODEL,
    ),
    (
        re.compile(
            r"\b(account|organi[sz]ation|workspace|project)\b( has been| was| is)?( permanently| temporarily)?"
            r" (banned|suspended|deactivated|disabled|terminated|blocked)\b|access has been (revoked|terminated)",
            re.I,
        ),
        Kind.BANNED,
    ),
    (
        re.compile(
            r"insufficient (balance|credit|funds)|credit balance|(billing|spending|spend) (hard )?limit"
            r"|(no|out of|used all) (\w+ )?credits|billing (is )?not active|payment required",
            re.I,
        ),
        Kind.CREDIT,
    ),
    (
        re.compile(
            r"insufficient quota|exceeded your (current|monthly|daily) quota"
            r"|(usage|monthly|weekly|daily) (hard )?limit",
            re.I,
        ),
        Kind.QUOTA,
    ),
    (
        re.compile(
            r"(invalid|incorrect|expired|revoked|missing) (api[ _-]?key|(access|auth|bearer)[ _-]?token|credentials?)\b"
            r"|api[ _-]?key (is |has |was )?(been )?(not valid|not found|invalid|expired|revoked|missing)",
            re.I,
        ),
        Kind.AUTH,
    ),
    # Gemini's 400 for where the request came from: another account's, by another proxy, is served.
    (re.compile(r"user location is not supported", re.I), Kind.PERMISSION),
    (re.compile(r"rate[ _-]?limit|too many requests|requests per (second|minute|day)", re.I), Kind.RATE_LIMITED),
    (re.compile(r"overloaded|(at|over|exceeded) capacity|(server|engine|model) is busy", re.I), Kind.OVERLOADED),
)
OF_THE_REQUEST = (Kind.CONTEXT_LENGTH, Kind.CONTENT_FILTER, Kind.UNABLE)  # they rest nothing
# What a kind turns out to be by its words: wherever it comes from, and where only the status says it.
REFINED: Mapping[Kind, tuple[Kind, ...]] = {
    Kind.AUTH: (Kind.BANNED, Kind.CREDIT, Kind.QUOTA),
    Kind.PERMISSION: (Kind.BANNED, Kind.CREDIT, Kind.QUOTA, Kind.UNABLE),
}
REFINED_STATUS = {**REFINED, Kind.RATE_LIMITED: (Kind.CREDIT, Kind.QUOTA), Kind.MODEL: (Kind.UNABLE,)}
LONGEST_RETRY_AFTER = 3600.0  # seconds; a vendor that says more is believed up to here


def classify(failure: UpstreamFailure, special: Mapping[str, Kind] = {}) -> UpstreamFailure:
    """The same failure with its kind found: the provider's own table first, then status, code and words.

    ``special`` maps a status or a code, as text, to a kind (the catalogue's ``failures``).
    """
    status = failure.status or _status_in(failure.code)
    for table, keys in ((special, (failure.code, failure.type, str(status))), (BY_CODE, (failure.code, failure.type))):
        for key in keys:
            if key is not None and key in table:
                refined = _by_words(failure.message, REFINED.get(table[key], ())) if table is BY_CODE else None
                failure.kind = refined or table[key]
                return failure
    failure.kind = _by_status(failure, status)
    return failure


def _status_in(code: str | None) -> int | None:
    """The HTTP status that some vendors (OpenRouter, Google) write as the code of an error inside a stream."""
    return int(code) if code is not None and len(code) == 3 and code.isdigit() and code >= "400" else None


def _by_status(failure: UpstreamFailure, status: int | None) -> Kind:
    if status is None:
        # The vendor's own word for a failure after the head of its reply is often only a type; without it, its fault.
        return _by_words(failure.message) or failure.kind
    known = BY_STATUS.get(status)
    if known is not None:
        return _by_words(failure.message, REFINED_STATUS.get(known, ())) or known
    if status >= 500:
        return _by_words(failure.message) or Kind.SERVER
    if failure.param and failure.param != "model":
        # The vendor names the field and may repeat what the client wrote in it: its words then blame nobody else.
        return _by_words(failure.message, OF_THE_REQUEST) or Kind.BAD_REQUEST
    return _by_words(failure.message) or Kind.BAD_REQUEST


def _by_words(message: str, only: tuple[Kind, ...] | None = None) -> Kind | None:
    for pattern, kind in BY_WORDS:
        if (only is None or kind in only) and pattern.search(message[:2000]):
            return kind
    return None


def retry_after(headers: Mapping[bytes, bytes], now: float) -> float | None:
    """Seconds until the vendor wants to be asked again, from ``retry-after(-ms)``; None when it does not say. A moment
    is read by the vendor's own clock where the reply tells it (``date``), else by ours (``now``, Unix time)."""
    exact = _number(headers.get(b"retry-after-ms"))
    if exact is not None:
        return _within(exact / 1000)
    value = headers.get(b"retry-after")
    seconds = _number(value)
    if value is None or seconds is not None:
        return _within(seconds) if seconds is not None else None
    moment = _moment(value)
    return None if moment is None else _within(moment - vendors_now(headers, now))


def vendors_now(headers: Mapping[bytes, bytes], now: float) -> float:
    """Unix time by the clock of who sent this head; ours, ``now``, where it does not tell."""
    told = _moment(headers.get(b"date"))
    return now if told is None else told


def _moment(value: bytes | None) -> float | None:
    """An HTTP date as Unix time."""
    try:
        return parsedate_to_datetime(value.decode("latin-1")).timestamp() if value is not None else None
    except (ValueError, TypeError, OverflowError):
        return None


def _number(value: bytes | None) -> float | None:
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None


def _within(seconds: float) -> float | None:
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER) if seconds == seconds else None
