"""When to come back, as errors tell it, in each format's envelope and in its streams."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.eventstream import failure_of
from providers.wire.formats import FORMATS
from providers.wire.waits import Wait, wait_in, wait_in_body

AT = 1_800_000_090.0


def limit(**headers: Any) -> dict[str, Any]:
    """OpenRouter's: what a head would say, in the error."""
    named = {f"X-RateLimit-{name.title()}": value for name, value in headers.items()}
    return {"message": "Rate limit exceeded", "code": 429, "metadata": {"headers": named, "provider_name": None}}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({}, Wait()),
        ({"resets_in_seconds": 5000}, Wait(5000)),
        ({"resets_in_seconds": "12.5"}, Wait(12.5)),
        ({"resets_at": AT}, Wait(None, AT)),
        ({"resets_at": "2027-01-15T08:01:30Z"}, Wait(None, AT)),
        ({"resets_at": AT, "resets_in_seconds": 7}, Wait(7)),
        ({"resets_at": AT, "resets_in_seconds": -1}, Wait(None, AT)),
        ({"resets_in_seconds": -1}, Wait()),
        ({"resets_in_seconds": True, "resets_at": []}, Wait()),
        ({"retry_after": 12}, Wait(12)),
        ({"retry_after": 12, "resets_at": AT}, Wait(12, AT)),
        ({"retry_after": -1}, Wait()),
        ({"retry_after": 1e9}, Wait()),
        (limit(limit="50", remaining="0", reset="1800000090000"), Wait(None, AT)),
        (limit(remaining="0", reset=1_800_000_090_000), Wait(None, AT)),
        (limit(reset="1800000090"), Wait(None, AT)),
        (limit(remaining="3", reset="1800000090000"), Wait()),
        (limit(remaining="0", reset="soon"), Wait()),
        (limit(remaining="0"), Wait()),
        ({"metadata": {"headers": ["X-RateLimit-Reset"]}}, Wait()),
        ({"metadata": "none"}, Wait()),
    ],
)
def test_fields(error: dict[str, Any], expected: Wait) -> None:
    assert wait_in((error,)) == expected
    assert wait_in_body(json.dumps({"error": {"message": "m", **error}}).encode()) == expected
    assert wait_in_body(json.dumps({"error": {"message": "m"}, **error}).encode()) == expected, "beside it"
    assert wait_in_body(json.dumps([{"error": error}]).encode()) == expected


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Limit reached. Please try again in 7.66s.", 7.66),
        ("Please try again in 1m2.5s.", 62.5),
        ("Please try again in 250ms.", 0.25),
        ("Please try again in 1h0m0s.", 3600),
        ("Please retry after 20 seconds.", 20),
        ("Please retry in 12.5s.", 12.5),
        ("Your quota will reset after 2h13m49s.", 8029),
        ("Please try again in a minute.", None),
        ("Please try again in 999999s.", None),
        ("Please try again in " + "9" * 5000 + "h", None),
        ("x" * 3000 + " try again in 5s", None),
    ],
)
def test_words(words: str, seconds: float | None) -> None:
    found = wait_in((), words).seconds
    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("raw", [b"", b"[1]", b"[]", b"<html>", b"\xff", b'{"error":"no"}', b"5", b"[" * 100_000])
def test_what_tells_nothing(raw: bytes) -> None:
    assert wait_in_body(raw) == Wait()


@given(st.text(max_size=200), st.recursive(st.none() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_nothing_breaks_it(words: str, odd: Any) -> None:
    names = ("resets_in_seconds", "resets_at", "retry_after", "metadata")
    wait_in((dict.fromkeys(names, odd), odd), words)
    wait_in(({"metadata": {"headers": {"X-RateLimit-Reset": odd, "X-RateLimit-Remaining": odd}}},), words)


TOLD = {"type": "usage_limit_reached", "message": "The usage limit has been reached", "resets_at": AT}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("status", [None, 429], ids=["in a stream", "as a refusal"])
def test_every_format_reads_it(format: str, status: int | None) -> None:
    said = {"message": "Slow down. Please retry in 9s.", "code": status or 429, "status": "RESOURCE_EXHAUSTED"}
    failure = FORMATS[format].error_from(json.dumps({"type": "error", "error": said}).encode(), status)
    assert failure is not None and failure.retry_after == 9


@pytest.mark.parametrize("format", ["openai_chat", "openai_responses", "anthropic"])
def test_where_a_moment_stands(format: str) -> None:
    for said in ({"type": "error", "error": TOLD}, {"error": TOLD}):
        failure = FORMATS[format].error_from(json.dumps(said).encode(), None)
        assert failure is not None and (failure.type, failure.resets_at) == ("usage_limit_reached", AT)


def test_where_responses_say_it() -> None:
    error = {"code": "usage_limit_reached", "message": "The usage limit has been reached", "resets_at": AT}
    for said in (
        {"type": "response.failed", "response": {"status": "failed", "error": error, "output": []}},
        {"type": "error", **error},
    ):
        failure = FORMATS["openai_responses"].error_from(json.dumps(said).encode(), None)
        assert failure is not None and (failure.code, failure.resets_at) == ("usage_limit_reached", AT)


def test_where_aws_says_it() -> None:
    assert failure_of("throttlingException", b'{"message":"Too many requests, try again in 3s"}').retry_after == 3
