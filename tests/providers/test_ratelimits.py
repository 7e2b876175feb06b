"""What a reply says of rate limits."""

from __future__ import annotations

import pytest

from providers.ratelimits import LONGEST, until_reset, used_up

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


@pytest.mark.parametrize(
    ("format", "headers", "seconds"),
    [
        ("openai_chat", {}, None),
        ("openai_chat", {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ("openai_chat", {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ("openai_responses", {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "12.5"}, 12.5),
        ("openai_chat", {"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "6m0s"}, None),
        ("openai_chat", {"x-ratelimit-remaining-requests": "0"}, None),
        ("openai_chat", {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, None),
        ("openai_chat", {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "30d"}, LONGEST),
        ("openai_chat", {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1800000030"}, 30),
        ("openai_chat", {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1800000030500"}, 30.5),
        ("openai_chat", {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1799999999"}, None),
        ("openai_chat", {"retry-after": "20"}, None),
        (
            "openai_chat",
            {
                "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "9s",
            },
            9,
        ),
        (
            "anthropic",
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2027-01-15T08:00:30Z",
            },
            30,
        ),
        (
            "anthropic",
            {
                "anthropic-ratelimit-output-tokens-remaining": "0",
                "anthropic-ratelimit-output-tokens-reset": "2027-01-15T07:59:59Z",
            },
            None,
        ),
        ("anthropic", {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, None),
        ("gemini", {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, None),
    ],
)  # fmt: skip
def test_used_up(format: str, headers: dict[str, str], seconds: float | None) -> None:
    found = used_up(format, {name.encode(): value.encode() for name, value in headers.items()}, NOW)
    assert found == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s"}, 90),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "90s"}, 90),
        ({"x-ratelimit-remaining-tokens-minute": "-3.0", "x-ratelimit-reset-tokens-minute": "40.5"}, 40.5),
        ({"x-ratelimit-reset-requests": "30s"}, 30),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1800000030000"}, 30),
        ({"x-ratelimit-reset": "1800000030"}, 30),
        ({"x-ratelimit-reset": "30"}, 30),
        ({"x-ratelimit-reset": "1799999999"}, None),
        ({"x-ratelimit-reset": "9h"}, LONGEST),
        ({"x-ratelimit-reset": "soon"}, None),
        ({"x-ratelimit-remaining-requests": "2", "x-ratelimit-reset-requests": "1m30s"}, None),
        ({"x-ratelimit-remaining-requests": "few", "x-ratelimit-reset-requests": "1m30s"}, None),
        (
            {
                "x-ratelimit-remaining-requests": "900", "x-ratelimit-reset-requests": "6h",
                "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "9s",
            },
            9,
        ),
        (
            {
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2027-01-15T08:00:30Z",
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-requests-reset": "2027-01-15T08:01:00Z",
            },
            30,
        ),
        (
            {
                "anthropic-ratelimit-unified-status": "rejected",
                "anthropic-ratelimit-unified-reset": "1800000600",
                "anthropic-ratelimit-unified-5h-reset": "1800000600",
                "anthropic-ratelimit-unified-7d-reset": "1800003000",
            },
            600,
        ),
        (
            {
                "x-codex-primary-used-percent": "100", "x-codex-primary-reset-after-seconds": "600",
                "x-codex-secondary-used-percent": "99.5", "x-codex-secondary-reset-after-seconds": "3000",
            },
            600,
        ),
        ({"x-codex-primary-used-percent": "full", "x-codex-primary-reset-after-seconds": "600"}, None),
        ({"x-codex-primary-used-percent": "100"}, None),
        (
            {
                "anthropic-ratelimit-unified-status": "allowed",
                "anthropic-ratelimit-unified-reset": "1800000600",
                "anthropic-ratelimit-unified-5h-reset": "1800000600",
            },
            None,
        ),
    ],
)  # fmt: skip
def test_when_a_refusals_limits_are_full_again(headers: dict[str, str], seconds: float | None) -> None:
    found = until_reset({name.encode(): value.encode() for name, value in headers.items()}, NOW)
    assert found == (seconds if seconds is None else pytest.approx(seconds))
