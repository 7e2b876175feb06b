"""Words for people: what a strategy does, why a candidate was not asked, what became of an attempt.

Codes stay codes in the API and in what is stored; pages say them in the reader's language by these tables.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from providers.wire.errors import Kind
from routing.models import Strategy

STRATEGIES: Mapping[str, Promise] = {
    Strategy.PRIORITY: _("The steps in their order; the next one is asked when one fails."),
    Strategy.FILL_FIRST: _("The first step until it rests, then the second, and so on."),
    Strategy.ROUND_ROBIN: _("Each request begins one step further; so many in a row may go to the same step."),
    Strategy.P2C: _("Of two steps drawn at random, the one with fewer recent failures, then fewer requests."),
    Strategy.RANDOM: _("Any order, all equally likely."),
    Strategy.LEAST_USED: _("The step with the fewest requests first."),
    Strategy.COST_OPTIMIZED: _("By input price; steps without a known price last."),
    Strategy.WEIGHTED: _("The first step is drawn by weight, the others follow from heavy to light."),
    Strategy.LOWEST_LATENCY: _("By the time to the first byte of late; a step not measured yet is tried first."),
    Strategy.TIERS: _("Subscriptions, then API keys, then cheap, then free. Without steps: everything connected."),
}

# What may be asked for.
OPERATIONS: Mapping[str, Promise] = {
    "chat": _("chat"),
    "completions": _("text completions"),
    "count": _("counting tokens"),
    "embeddings": _("embeddings"),
    "images": _("images"),
    "transcription": _("transcription"),
    "speech": _("speech"),
    "moderation": _("moderation"),
    "rerank": _("reranking"),
}

# Kinds of failure (providers.wire.errors.Kind), as what became of an attempt and as why a candidate rests.
KINDS: Mapping[str, Promise] = {
    "ok": _("answered"),
    Kind.BAD_REQUEST: _("the request is malformed"),
    Kind.CONTEXT_LENGTH: _("the conversation is too long for the model"),
    Kind.CONTENT_FILTER: _("the provider's filter refused the content"),
    Kind.UNABLE: _("the model cannot do what was asked of it"),
    Kind.UNENTITLED: _("the account may not do this"),
    Kind.MODEL: _("the model is unknown there or not open to this account"),
    Kind.AUTH: _("the credential was refused"),
    Kind.PERMISSION: _("the account may not do this"),
    Kind.BANNED: _("the account is closed or suspended"),
    Kind.CREDIT: _("the account is out of credit"),
    Kind.QUOTA: _("the account's quota is used up"),
    Kind.RATE_LIMITED: _("the provider's rate limit was met"),
    Kind.OVERLOADED: _("the provider is overloaded"),
    Kind.TIMEOUT: _("the provider did not answer in time"),
    Kind.NETWORK: _("the provider could not be reached"),
    Kind.SERVER: _("the provider failed"),
    Kind.PROTOCOL: _("the provider's answer could not be read"),
    # Ends of an attempt that say nothing of the provider.
    "client_gone": _("the client left"),
    "shutdown": _("the gateway stopped"),
    "failed": _("ended without a verdict"),
    "refused": _("ended without a verdict"),
}

# Why a candidate was not asked, beside the kinds that it rests after.
SKIPS: Mapping[str, Promise] = {
    "breaker_open": _("its circuit breaker is open"),
    "busy": _("it may not be asked faster"),
    "quota_reserve": _("no more than the reserve is left of its quota"),
    "queue_too_long": _("its turn did not come in time"),
    "attempts_used_up": _("the request had made all its attempts"),
    "time_used_up": _("the time to begin attempts was over"),
    "retry_budget": _("the provider fails and has been asked again often enough"),
}

# Refusals of the gateway, as why a step stands for nothing, an attempt was not made, or a name is not answered.
REFUSALS: Mapping[str, Promise] = {
    "invalid_value": _("this is no model name"),
    "model_not_found": _("there is no such model"),
    "ambiguous_model": _("several providers have this model; the provider must stand before it"),
    "model_not_allowed": _("the key may not use this model"),
    "no_connection": _("its provider has no connection that can be used"),
    "no_connection_for_key": _("the connections of its provider belong to a team"),
    "bad_combo": _("the combo is nested too deeply"),
    "no_usable_step": _("no step of the combo can be used now"),
    "budget_exceeded": _("a budget is used up"),
    "budget_unavailable": _("what was spent of a budget cannot be looked up"),
    "model_without_price": _("the model has no price, and a budget must not be exceeded"),
    "all_connections_resting": _("all connections rest"),
    "all_connections_busy": _("all connections are asked as often as they may be"),
    "api_key_disabled": _("the key is switched off"),
    "api_key_expired": _("the key has expired"),
    "endpoint_not_allowed": _("the key may not ask for this"),
    "address_not_allowed": _("requests from this address are not taken"),
    "rate_limit_exceeded": _("a limit per minute is reached"),
    "concurrency_limit_exceeded": _("as many requests run at the same time as may"),
    "unsupported_operation": _("the provider has nothing of this kind"),
}

# Where a price is from (providers.entry.Price.source), or why there was nothing to pay.
PRICE_SOURCES: Mapping[str, Promise] = {
    "catalog": _("catalogue"),
    "override": _("set here"),
    "genai-prices": _("price list"),
    "free tier": _("free"),
    "no output": _("no output"),
}


def of_operation(name: str) -> str:
    """What is asked for, in words; one without any (lists of models, stored responses) stays as it is."""
    return str(OPERATIONS[name]) if name in OPERATIONS else name


def of_price(source: str) -> str:
    """Where a price is from, in words; a source that nobody knows stays as it is."""
    return str(PRICE_SOURCES[source]) if source in PRICE_SOURCES else source


def of_attempt(kind: str) -> str:
    """What became of an attempt, in words; a code that nobody knows stays as it is."""
    return str(KINDS[kind]) if kind in KINDS else kind


def of_skip(why: str) -> str:
    """Why a candidate was not asked; free text (of older records) stays as it is."""
    return str(SKIPS[why]) if why in SKIPS else of_refusal(why, of_attempt(why))


def of_refusal(code: str, message: str) -> str:
    """Why the gateway refuses, in words; a code without any leaves the message as it is."""
    return str(REFUSALS[code]) if code in REFUSALS else message
