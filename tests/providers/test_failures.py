"""Whose fault a failure is: what vendors really say, and what must follow from it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.blame import BY_WORDS
from providers.failures import CONSEQUENCES, Rest, classify
from providers.wire.errors import Kind, UpstreamFailure


def kind(message: str = "", special: dict[str, Kind] | None = None, **said: Any) -> Kind:
    return classify(UpstreamFailure(Kind.SERVER, message, **said), special or {}).kind


# What they are to be taken for → (status, code, type, message): words of vendors' documentation and public reports.
VENDORS: dict[Kind, list[tuple[int, str | None, str | None, str]]] = {
    Kind.MODEL: [
        (404, "model_not_found", None, "The model `gpt-9` does not exist or you do not have access to it."),
        (
            400,
            "model_decommissioned",
            None,
            "The model `llama2-70b-4096` has been decommissioned and is no longer supported.",
        ),
        (400, None, None, "The model `llama2-70b-4096` has been decommissioned and is no longer supported."),
        (400, None, None, "Model Not Exist"),
        (400, "1500", "invalid_model", "Invalid model: mistral-gone"),
        (400, None, None, "foo/bar is not a valid model ID"),
        (404, None, None, "No endpoints found for foo/bar."),
        (404, None, "api_error", "model 'foo' not found, try pulling it first"),
        (400, "model_not_supported", None, "The requested model is not supported."),
        (400, None, None, "The requested model is not supported."),
        (400, None, None, "Invalid model name passed in model=foo"),
        (
            400,
            None,
            None,
            "models/gemini-old is not found for API version v1, or is not supported for generateContent.",
        ),
        (400, None, None, "Your plan does not include access to this model."),
        (400, None, None, "You do not have access to the model grok-5."),
        (400, None, None, "The model gpt-4-vision has been deprecated, learn more here"),
        (410, None, None, "Gone"),
        (405, None, None, "Method Not Allowed"),
        (406, None, None, "Not Acceptable"),
        (500, None, None, "model foo not found"),
        # What only this account may not use, whatever the status and the code say.
        (403, None, None, "You do not have access to model gpt-5-pro."),
        (403, None, "permission_error", "Your account does not have access to the model claude-opus-9."),
        (403, None, "invalid_request_error", "Project `proj_a1` does not have access to model `gpt-5`"),
        (403, "AccessDeniedException", None, "You don't have access to the model with the specified model ID."),
        (
            403,
            "AccessDeniedException",
            None,
            "Model access is denied due to the user not being authorized to subscribe.",
        ),
        (
            403,
            "AccessDeniedException",
            None,
            "User: arn:aws:iam::1:user/a is not authorized to perform: bedrock:InvokeModel on resource:"
            " arn:aws:bedrock:us-east-1::foundation-model/anthropic.a-v1:0",
        ),
        (
            403,
            None,
            "PERMISSION_DENIED",
            "Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/projects/p"
            "/locations/us/publishers/anthropic/models/claude-a' (or it may not exist).",
        ),
        (403, None, None, "This key is not entitled to use model foo."),
        (403, None, None, "Your organization must be verified to use the model `gpt-image-1`."),
        (403, None, None, "The model gpt-x is not available on your current plan."),
        (401, None, None, "This key is not allowed to access model foo."),
        (401, None, "authentication_error", "Your team does not have access to model foo."),
    ],
    Kind.UNENTITLED: [
        (400, "unsupported_value", None, "Your organization must be verified to stream this model."),
        (400, None, None, "Your organization must be verified to generate reasoning summaries."),
        (403, None, None, "Your organization must be verified to stream this model."),
        (404, "model_not_found", None, "Your organization must be verified to stream this model."),
        (400, None, "invalid_request_error", "The long context beta is not yet available for this subscription."),
        (400, None, None, "Image input is not enabled for your account."),
        (403, None, "permission_error", "Streaming is not allowed for this organization."),
        (400, None, None, "Your current plan does not support tool calling."),
    ],
    Kind.CONTEXT_LENGTH: [
        (400, "context_length_exceeded", None, "Please reduce the length of the messages or completion."),
        (
            400,
            None,
            None,
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        ),
        (400, None, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        (400, None, "exceed_context_size_error", "the request exceeds the available context size, try increasing it"),
        (400, None, None, "the request exceeds the available context size, try increasing it"),
        (400, "400", None, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
        (400, None, None, "This model's maximum prompt length is 131072 but the request contains 200000 tokens."),
        (400, None, None, "too many tokens: total number of tokens in the prompt exceeds the limit"),
        (422, None, None, "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"),
        (413, None, None, "Request Entity Too Large"),
    ],
    Kind.BANNED: [
        (403, None, "permission_error", "This organization has been disabled."),
        (
            401,
            "account_deactivated",
            "invalid_request_error",
            "The account of this API key is gone.",
        ),
        (403, None, None, "Your account was suspended for a violation of the terms of service."),
        (400, "account_suspended", None, "Your account is suspended, please contact support."),
        (401, None, None, "Your account has been permanently banned."),
    ],
    Kind.QUOTA: [
        (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota, please check your plan."),
        (429, None, None, "You exceeded your current quota, please check your plan and billing details."),
        (429, None, "usage_limit_reached", "The usage limit has been reached"),
        (429, None, None, "You have reached your weekly limit."),
        (429, "usage_not_included", None, "To use this with your plan, upgrade it."),
    ],
    Kind.CREDIT: [
        (402, None, None, "Insufficient Balance"),
        (402, None, None, ""),
        (400, None, "invalid_request_error", "Your credit balance is too low to access the API."),
        (403, None, None, "Your team has used all available credits or reached its monthly spending limit."),
        (400, "billing_hard_limit_reached", None, "Billing hard limit has been reached"),
    ],
    Kind.AUTH: [
        (400, None, None, "Incorrect API key provided: xa***. You can obtain a key in the console."),
        (400, "400", None, "API key not valid. Please pass a valid API key."),
        (400, None, None, "API key expired. Please renew the API key."),
        (401, None, None, "No auth credentials found"),
    ],
    Kind.PERMISSION: [
        (403, None, None, "Country, region, or territory not supported"),
        (400, "400", "FAILED_PRECONDITION", "User location is not supported for the API use."),
        (423, None, None, "Locked"),
        (451, None, None, "Unavailable For Legal Reasons"),
        (400, "unsupported_country_region_territory", None, "Country, region, or territory not supported"),
        (400, "400", "FAILED_PRECONDITION", "The free tier is not available in your country. Please enable billing."),
        (403, "AccessDeniedException", None, "Your account is not authorized to invoke this API operation."),
        (403, None, "permission_error", "OAuth authentication is currently not allowed for this organization."),
        (403, None, None, "Your key may not list models."),
    ],
    Kind.RATE_LIMITED: [
        (
            429,
            "rate_limit_exceeded",
            "tokens",
            "Rate limit reached. Add a payment method at the billing page to raise it.",
        ),
        (429, None, None, "Rate limit reached for requests. See your billing page to raise it."),
        (429, None, None, "Quota exceeded for metric 'requests' and limit 'requests per minute'"),
        (413, "rate_limit_exceeded", "tokens", "Request too large for model: tokens per minute (TPM)"),
        (400, None, None, "Too many requests in a short time"),
    ],
    Kind.OVERLOADED: [
        (503, None, None, "The engine is currently overloaded, please try again later"),
        (529, None, "overloaded_error", "Overloaded"),
        (425, None, None, "Too Early"),
        (500, None, None, "The server is overloaded or not ready yet."),
        (500, "server_is_overloaded", None, "Our servers have too much to do."),
        (400, "slow_down", None, "Please."),
    ],
    Kind.SERVER: [
        (500, None, None, "Internal server error"),
        (502, None, None, "Bad gateway"),
    ],
    Kind.TIMEOUT: [
        (504, None, None, "upstream timed out"),
        (408, None, None, "Request timed out"),
        (499, None, "CANCELLED", "The operation was cancelled."),
    ],
    Kind.CONTENT_FILTER: [
        (400, "content_filter", None, "The response was filtered"),
        (400, "bio_policy", None, "The request was refused."),
        (400, "image_content_policy_violation", None, "The request was refused."),
        (400, "misalignment_policy_violation", None, "The request was refused."),
        (400, "invalid_prompt", None, "Your prompt was flagged as potentially violating our usage policy."),
        (403, "403", None, "The chosen model requires moderation and your input was flagged for violence."),
    ],
    Kind.UNABLE: [
        (
            400,
            "unsupported_parameter",
            None,
            "Unsupported parameter: 'max_tokens' is not supported with this model.",
        ),
        (400, "unsupported_value", None, "Unsupported value: 'temperature' does not support 0.2 with this model."),
        (
            400,
            "unsupported_api_for_model",
            None,
            "model gpt-5-codex is not accessible via the /chat/completions endpoint",
        ),
        (400, None, None, "The model returned an error: parameter logprobs is not supported."),
        (400, None, None, "Argument not supported on this model: presencePenalty"),
        (400, None, None, "Model grok-3 does not support parameter reasoningEffort."),
        (400, None, None, "registry.ollama.ai/library/llama2:latest does not support tools"),
        (400, None, None, '"llama3" does not support thinking'),
        (400, None, None, "`tool calling` is not supported with this model"),
        (400, None, None, "This model does not support response format `json_schema`."),
        (400, None, None, "Image inputs are not supported by this model."),
        (400, None, None, "Function calling is not enabled for models/gemma-3-27b-it"),
        (400, None, None, "Image input modality is not enabled for models/gemma-3-1b-it"),
        (400, None, None, "Budget 0 is invalid. This model only works in thinking mode."),
        (400, "ValidationException", None, "This model doesn't support tool use in streaming mode."),
        (400, None, None, "Invocation of model ID a.b-v1:0 with on-demand throughput isn't supported."),
        (400, None, None, "The maximum tokens you requested exceeds the model limit of 4096."),
        (400, None, None, "`temperature` is deprecated for this model."),
        (400, None, None, "Model grok-3 is not supported for tool calling."),
        (400, None, None, "this model is missing data required for image input"),
        (400, None, None, "Reasoning is mandatory for this endpoint and cannot be disabled."),
        (400, None, None, "Range of max_tokens should be [1, 8192]"),
        (400, None, None, "max_tokens must be less than or equal to 4096"),
        (400, None, None, "Invalid content type. image_url is only supported by certain models."),
        (400, None, None, "llama-3 is not a multimodal model"),
        (400, None, None, "At most 0 image(s) may be provided in one request."),
        (400, None, None, "messages[0]: unknown variant `image_url`, expected `text` at line 1 column 90"),
        (
            400,
            None,
            None,
            '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        ),
        (500, None, None, "tools param requires --jinja flag"),
        (500, None, None, "image input is not supported - hint: you may need to provide the mmproj"),
        (
            400,
            None,
            None,
            "max_tokens is too large: 100000. This model supports at most 4096 completion tokens, whereas you provided"
            " 100000.",
        ),
        (
            400,
            None,
            "invalid_request_error",
            "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens for claude-3-5-sonnet",
        ),
        (400, None, None, "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
        (
            400,
            None,
            None,
            "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the"
            " `context_window` for this model",
        ),
        (
            400,
            "400",
            "INVALID_ARGUMENT",
            "Unable to submit request because it has a maxOutputTokens value of 100000 but the supported range is from"
            " 1 (inclusive) to 65537 (exclusive).",
        ),
        (404, None, None, "No endpoints found that support tool use."),
        (404, None, None, "This is not a chat model and thus not supported in the v1/chat/completions endpoint."),
        (404, None, None, "This model is only supported in v1/responses and not in v1/chat/completions."),
    ],
    Kind.BAD_REQUEST: [
        (400, None, None, "Invalid value: 'robot'. Supported values are: 'system', 'assistant', 'user', and 'tool'."),
        (400, "invalid_value", None, "Invalid 'messages[0].content'"),
        (400, "invalid_type", None, "Invalid type for 'tools': expected an array of objects, but got a string."),
        (400, "missing_required_parameter", None, "Missing required parameter: 'tools[0].function.name'."),
        (400, "unknown_parameter", None, "Unknown parameter: 'tool'."),
        (
            400,
            "invalid_function_parameters",
            None,
            "Invalid schema for function 'look': 'string' does not support 'properties'.",
        ),
        (400, None, None, "Invalid schema for function 'look': schema must have type 'object' and not have 'oneOf'."),
        (
            400,
            None,
            None,
            "tools.0.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12",
        ),
        (400, None, None, "max_tokens must be at least 1"),
        (400, None, None, "tools[0].function.parameters: should be an object; 'str' not supported"),
        (400, None, None, "max_tokens: Input should be greater than or equal to 1"),
        (400, None, None, "Invalid 'messages[1].content[0].image_url': expected a base64-encoded data URL."),
        (400, None, None, "We could not parse the JSON body of your request."),
        (400, None, None, "Invalid token '<' at position 5"),
        (422, None, None, '[{"loc":["body","messages"],"msg":"Field required"}]'),
        (400, None, None, ""),
        (409, None, None, "Conflict"),
    ],
}


@pytest.mark.parametrize(
    ("status", "code", "type", "message", "expected"), [(*row, kind) for kind, rows in VENDORS.items() for row in rows]
)
def test_what_vendors_say(status: int, code: str | None, type: str | None, message: str, expected: Kind) -> None:
    assert kind(message, status=status, code=code, type=type) is expected
    final = expected is Kind.BAD_REQUEST
    assert CONSEQUENCES[expected].final is final, "only a malformed request stops the search"


@pytest.mark.parametrize(
    ("param", "message", "expected"),
    [
        ("user", "Invalid value: 'you exceeded your current quota'.", Kind.BAD_REQUEST),
        ("stop", "Invalid value: 'incorrect api key'.", Kind.BAD_REQUEST),
        ("tools", "Invalid value: 'unknown model'.", Kind.BAD_REQUEST),
        ("messages", "This model's maximum context length is 8192 tokens.", Kind.CONTEXT_LENGTH),
        ("max_tokens", "max_tokens is too large: 9. This model supports at most 4 completion tokens.", Kind.UNABLE),
        ("tools", "'tools' is not supported with this model.", Kind.UNABLE),
        ("stream", "Your organization must be verified to stream this model.", Kind.UNENTITLED),
        ("user", "Invalid value: 'does not have access to model x'.", Kind.BAD_REQUEST),
        ("model", "Invalid model: foo", Kind.MODEL),
    ],
)
def test_what_a_client_wrote_rests_no_connection(param: str, message: str, expected: Kind) -> None:
    """Vendors repeat what they refuse: words of the client must not count as the vendor's."""
    assert kind(message, status=400, param=param) is expected


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("429", "slow down", Kind.RATE_LIMITED),
        ("502", "Provider disconnected", Kind.SERVER),
        ("400", "bad", Kind.BAD_REQUEST),
        ("200", "odd", Kind.SERVER),
        ("1500", "odd", Kind.SERVER),
        ("rate_limit_exceeded", "odd", Kind.RATE_LIMITED),
        (None, "Rate limit reached", Kind.RATE_LIMITED),
        (None, "Overloaded", Kind.OVERLOADED),
        (None, "anything", Kind.SERVER),
    ],
)
def test_errors_inside_a_stream_have_no_status(code: str | None, message: str, expected: Kind) -> None:
    assert kind(message, code=code) is expected


@pytest.mark.parametrize(
    ("status", "message", "before", "of_model"),
    [
        (429, "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 requests per day", False, True),
        (429, "Rate limit exceeded: free-models-per-min. ", False, True),
        (429, "Rate limit exceeded", False, False),
        (429, "You exceeded your current quota", True, True),
        (403, "You may not use free-models-per-day", True, False),
    ],
)
def test_whose_limit_it_is(status: int, message: str, before: bool, of_model: bool) -> None:
    assert classify(UpstreamFailure(Kind.SERVER, message, status=status, of_model=before)).of_model is of_model


def test_a_bad_reply_stays_one() -> None:
    failure = UpstreamFailure(Kind.PROTOCOL, "The provider's stream ended early.")
    assert classify(failure).kind is Kind.PROTOCOL


@pytest.mark.parametrize("key", ["498", "capacity", "odd_error"])
def test_the_providers_own_table_comes_first(key: str) -> None:
    special = {key: Kind.OVERLOADED}
    assert kind("Invalid API key", special, status=498, code="capacity", type="odd_error") is Kind.OVERLOADED
    assert kind("Invalid API key", {}, status=498) is Kind.AUTH


def test_everything_but_the_kind_stays() -> None:
    failure = UpstreamFailure(Kind.SERVER, "m", status=429, code="c", type="t", param="p", retry_after=3)
    told = classify(failure)
    assert told is failure
    assert (told.message, told.status, told.code, told.type, told.param, told.retry_after) == (
        "m",
        429,
        "c",
        "t",
        "p",
        3,
    )


@given(st.text(max_size=300), st.none() | st.integers(300, 599), st.none() | st.text(max_size=20))
def test_every_failure_has_a_kind_with_consequences(message: str, status: int | None, code: str | None) -> None:
    assert CONSEQUENCES[kind(message, status=status, code=code)]


def test_every_kind_has_consequences() -> None:
    assert set(CONSEQUENCES) == set(Kind)
    for follows in CONSEQUENCES.values():
        assert (follows.rest is Rest.NOTHING) == (follows.seconds == 0) and follows.seconds <= follows.longest


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in BY_WORDS], ids=[str(kind) for _, kind in BY_WORDS])
@pytest.mark.parametrize(
    "bait",
    [
        "model ",
        "model: a:=",
        "api key is ",
        "no credits ",
        "token count ",
        "model=/:",
        "model a not ",
        "not entitled to ",
        "requests per ",
        "not supported with this that the your ",
        "not a ",
        "tool choice image ",
        "max_tokens ",
        "maximum value for max_",
        "no endpoints found that ",
        " is",
        "access to the the model",
        "on resource a",
        "streaming beta not available for your ",
        "your plan does not support ",
        "input was ",
    ],
)
def test_hostile_words_cost_little(pattern: Any, bait: str) -> None:
    """Patterns hold the interpreter: the words of a hostile provider must not hold it long. CPU, not wall time."""
    text = (bait * 2000)[:2000] + "!"
    began = time.process_time()
    pattern.search(text)
    assert time.process_time() - began < 0.2


def test_only_the_beginning_of_a_long_message_is_read() -> None:
    assert kind("x" * 2000 + " unknown model", status=400) is Kind.BAD_REQUEST
