"""Whose fault a failure is, and what follows: status, code and words → Kind → consequence. Tables first; the words are
in ``blame``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from providers.blame import by_words, counts_models
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
    Kind.UNENTITLED: Consequence(),  # the account serves other requests for the same model
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
    "usage_not_included": Kind.QUOTA,  # a plan without this use
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
    "unsupported_country_region_territory": Kind.PERMISSION,  # of where we ask from: another one has another proxy
    "content_filter": Kind.CONTENT_FILTER,
    "content_policy_violation": Kind.CONTENT_FILTER,
    "image_content_policy_violation": Kind.CONTENT_FILTER,
    "bio_policy": Kind.CONTENT_FILTER,
    "misalignment_policy_violation": Kind.CONTENT_FILTER,
    "rate_limit_exceeded": Kind.RATE_LIMITED,
    "overloaded_error": Kind.OVERLOADED,
    "server_is_overloaded": Kind.OVERLOADED,
    "slow_down": Kind.OVERLOADED,
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
    # OpenAI's of a response that failed: what is wrong with a picture anywhere, and what only this vendor makes of it.
    "data_residency_mismatch": Kind.PERMISSION,
    "empty_image_file": Kind.BAD_REQUEST,
    "image_parse_error": Kind.BAD_REQUEST,
    "invalid_base64_image": Kind.BAD_REQUEST,
    "invalid_image": Kind.BAD_REQUEST,
    "invalid_image_url": Kind.BAD_REQUEST,
    "failed_to_download_image": Kind.UNABLE,
    "image_file_not_found": Kind.UNABLE,
    "image_file_too_large": Kind.UNABLE,
    "image_too_large": Kind.UNABLE,
    "image_too_small": Kind.UNABLE,
    "invalid_image_format": Kind.UNABLE,
    "invalid_image_mode": Kind.UNABLE,
    "unsupported_image_media_type": Kind.UNABLE,
    "vector_store_timeout": Kind.TIMEOUT,
    # Anthropic's ``error.details.error_code``: of an organization, a workspace, its key (types of its SDK 2.12).
    "claude_code_key_creator_not_member": Kind.PERMISSION,
    "claude_code_version_too_old": Kind.UNABLE,  # the client's, for this model
    "cmek_context_unavailable": Kind.PERMISSION,
    "cmek_key_disabled": Kind.PERMISSION,
    "cmek_key_network_blocked": Kind.PERMISSION,
    "cmek_key_unreachable": Kind.PERMISSION,
    "contract_spend_limit_reached": Kind.CREDIT,
    "enforced_spend_limit_reached": Kind.CREDIT,
    "linked_organization_billing_unavailable": Kind.CREDIT,
    "linked_organization_spend_limit_reached": Kind.CREDIT,
    "organization_on_hold": Kind.BANNED,
    "workspace_human_review_disabled": Kind.UNENTITLED,
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

OF_THE_REQUEST = (Kind.CONTEXT_LENGTH, Kind.CONTENT_FILTER, Kind.UNABLE, Kind.UNENTITLED)  # they rest nothing
USED_UP = (Kind.RATE_LIMITED, Kind.QUOTA)  # what may be counted by the model
# What a kind turns out to be by its words: wherever it comes from, and where only the status says it. Who may not use
# one model, or do one thing with it, is asked for everything else.
_OF_ONE_MODEL = (Kind.MODEL, Kind.UNENTITLED)
REFINED: Mapping[Kind, tuple[Kind, ...]] = {
    Kind.AUTH: (Kind.BANNED, Kind.CREDIT, Kind.QUOTA, *_OF_ONE_MODEL),
    Kind.PERMISSION: (Kind.BANNED, Kind.CREDIT, Kind.QUOTA, Kind.CONTENT_FILTER, Kind.UNABLE, *_OF_ONE_MODEL),
    Kind.UNABLE: (Kind.UNENTITLED,),
    Kind.MODEL: (Kind.UNENTITLED,),
}
REFINED_STATUS = {
    **REFINED,
    Kind.RATE_LIMITED: (Kind.CREDIT, Kind.QUOTA),
    Kind.CREDIT: (Kind.UNENTITLED,),
    Kind.MODEL: (Kind.UNENTITLED, Kind.UNABLE),
}


def classify(failure: UpstreamFailure, special: Mapping[str, Kind] = {}) -> UpstreamFailure:
    """The same failure with its kind found: the provider's own table first, then status, code and words; and whether
    what is used up counts the model only.

    ``special`` maps a status or a code, as text, to a kind (the catalogue's ``failures``).
    """
    failure.kind = _kind_of(failure, special)
    failure.of_model = failure.kind in USED_UP and (failure.of_model or counts_models(failure.message))
    return failure


def _kind_of(failure: UpstreamFailure, special: Mapping[str, Kind]) -> Kind:
    status = failure.status or _status_in(failure.code)
    for table, keys in ((special, (failure.code, failure.type, str(status))), (BY_CODE, (failure.code, failure.type))):
        for key in keys:
            if key is not None and key in table:
                refined = by_words(failure.message, REFINED.get(table[key], ())) if table is BY_CODE else None
                return refined or table[key]
    return _by_status(failure, status)


def _status_in(code: str | None) -> int | None:
    """The HTTP status that some vendors (OpenRouter, Google) write as the code of an error inside a stream."""
    return int(code) if code is not None and len(code) == 3 and code.isdigit() and code >= "400" else None


def _by_status(failure: UpstreamFailure, status: int | None) -> Kind:
    if status is None:
        # The vendor's own word for a failure after the head of its reply is often only a type; without it, its fault.
        return by_words(failure.message) or failure.kind
    known = BY_STATUS.get(status)
    if known is not None:
        return by_words(failure.message, REFINED_STATUS.get(known, ())) or known
    if status >= 500:
        return by_words(failure.message) or Kind.SERVER
    if failure.param and failure.param != "model":
        # The vendor names the field and may repeat what the client wrote in it: its words then blame nobody else.
        return by_words(failure.message, OF_THE_REQUEST) or Kind.BAD_REQUEST
    return by_words(failure.message) or Kind.BAD_REQUEST
