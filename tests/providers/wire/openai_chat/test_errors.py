"""OpenAI's error envelope, both ways."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.errors import Refusal
from providers.wire.openai_chat.errors import error_body
from providers.wire.openai_chat.passed import error_from


def test_the_envelope() -> None:
    refusal = Refusal(404, "No such model.", code="model_not_found", param="model")
    assert json.loads(error_body(refusal, "req_1")) == {
        "error": {
            "message": "No such model.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }


def test_a_vendors_envelope() -> None:
    raw = (
        b'{"error":{"message":"Too long.","type":"invalid_request_error","code":"context_length_exceeded","param":"x"}}'
    )
    failure = error_from(raw, 400)
    assert failure is not None
    assert (failure.message, failure.type, failure.code, failure.param, failure.status) == (
        "Too long.",
        "invalid_request_error",
        "context_length_exceeded",
        "x",
        400,
    )
    assert failure.retry_after is None


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        (b'{"error":{"message":"Limit reached. Please try again in 7.66s."}}', 7.66),
        (b'{"error":{"message":"Please try again in 1m2.5s."}}', 62.5),
        (b'{"error":{"message":"Please try again in 250ms."}}', 0.25),
        (b'{"error":{"message":"Please try again in 1h0m0s."}}', 3600.0),
        (b'{"error":{"message":"Slow down.","retry_after":12}}', 12.0),
        (b'{"error":{"message":"Slow down."},"retry_after":3}', 3.0),
        (b'{"error":{"message":"Please try again in a minute."}}', None),
        (b'{"error":{"message":"Slow down.","retry_after":-1}}', None),
        (b'{"error":{"message":"Please try again in 999999s."}}', None),
    ],
)
def test_when_to_come_back(raw: bytes, seconds: float | None) -> None:
    failure = error_from(raw, 429)
    assert failure is not None
    assert failure.retry_after == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("raw", [b"", b"<html>", b'{"choices":[]}', b"null", b'"words"'])
def test_what_is_no_error(raw: bytes) -> None:
    assert error_from(raw, None) is None


@given(st.binary(max_size=80))
def test_any_bytes(raw: bytes) -> None:
    error_from(raw, 500)
