"""Google's error envelope."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.failures import classify
from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.gemini.errors import error_body, error_from
from tests.providers.wire.gemini.common import ANY_JSON, golden


def failure(*, http: int | None = None, **error: Any) -> UpstreamFailure:
    found = error_from(json.dumps({"error": error}).encode(), http)
    assert found is not None
    return found


class TestBody:
    @pytest.mark.parametrize(
        ("status", "word"),
        [
            (400, "INVALID_ARGUMENT"), (401, "UNAUTHENTICATED"), (402, "RESOURCE_EXHAUSTED"),
            (403, "PERMISSION_DENIED"),
            (404, "NOT_FOUND"), (413, "INVALID_ARGUMENT"), (418, "INVALID_ARGUMENT"), (429, "RESOURCE_EXHAUSTED"),
            (500, "INTERNAL"), (502, "UNAVAILABLE"), (503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED"),
            (599, "INTERNAL"),
        ],
    )  # fmt: skip
    def test_status(self, status: int, word: str) -> None:
        made = json.loads(error_body(Refusal(status, "No."), ""))
        assert made == {"error": {"code": status, "message": "No.", "status": word}}

    def test_details(self) -> None:
        refusal = Refusal(429, "Slow down.", code="rate_limit_exceeded", retry_after=12.5)
        made = json.loads(error_body(refusal, "req-1"))["error"]["details"]
        assert made == [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "RATE_LIMIT_EXCEEDED",
                "domain": "omniroute",
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"},
            {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "req-1"},
        ]
        wrong = json.loads(error_body(Refusal(400, "Odd.", param="contents[0]"), ""))["error"]["details"]
        assert wrong[0]["fieldViolations"] == [{"field": "contents[0]", "description": "Odd."}]

    @given(st.text(), st.integers(400, 599), st.none() | st.floats(0, 10_000))
    def test_what_is_written_is_read(self, message: str, status: int, after: float | None) -> None:
        found = error_from(error_body(Refusal(status, message, retry_after=after), "r"), status)
        assert found is not None and found.status == status
        assert found.message == (message or "The provider reported an error.")
        assert (found.retry_after is None) == (after is None)


class TestFrom:
    def test_a_rate_is_not_a_quota(self) -> None:
        limited, spent = error_from(golden("rate_limited.json"), 429), error_from(golden("quota_spent.json"), 429)
        assert limited is not None and spent is not None
        assert (limited.kind, limited.retry_after, limited.type) == (Kind.RATE_LIMITED, 12.5, "RESOURCE_EXHAUSTED")
        assert spent.kind is Kind.QUOTA
        assert (classify(limited).kind, classify(spent).kind) == (Kind.RATE_LIMITED, Kind.QUOTA)
        assert limited.of_model and spent.of_model

    @pytest.mark.parametrize(
        ("ids", "of_model"),
        [
            (["GenerateRequestsPerDayPerProjectPerModel"], True),
            (["GenerateRequestsPerDayPerProject"], False),
            (["RequestsPerMinutePerProjectPerModel", "GenerateRequestsPerDayPerProject"], False),
            ([None], False),
            ([], False),
        ],
    )
    def test_whose_quota_it_is(self, ids: list[Any], of_model: bool) -> None:
        quota = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id} for id in ids]}
        assert failure(code=429, message="m", status="RESOURCE_EXHAUSTED", details=[quota]).of_model is of_model

    @pytest.mark.parametrize(
        ("status", "word", "kind"),
        [
            (400, "INVALID_ARGUMENT", Kind.BAD_REQUEST), (401, "UNAUTHENTICATED", Kind.AUTH),
            (403, "PERMISSION_DENIED", Kind.PERMISSION), (404, "NOT_FOUND", Kind.MODEL),
            (500, "INTERNAL", Kind.SERVER), (503, "UNAVAILABLE", Kind.OVERLOADED),
            (504, "DEADLINE_EXCEEDED", Kind.TIMEOUT),
        ],
    )  # fmt: skip
    def test_kinds(self, status: int, word: str, kind: Kind) -> None:
        found = failure(code=status, message="m", status=word)
        assert (found.kind, found.status, found.message) == (kind, status, "m")
        assert classify(found).kind is kind

    def test_a_wrong_key_is_no_bad_request(self) -> None:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
        found = failure(http=400, code=400, message="API key not valid.", status="INVALID_ARGUMENT", details=[info])
        assert (found.kind, found.code) == (Kind.AUTH, "invalid_api_key")
        assert classify(found).kind is Kind.AUTH

    def test_the_field(self) -> None:
        bad = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "contents[1]"}]}
        assert failure(code=400, message="m", status="INVALID_ARGUMENT", details=[bad]).param == "contents[1]"

    def test_https_status_counts_before_the_envelopes(self) -> None:
        assert failure(http=502, code=500, message="m").status == 502
        assert failure(http=200, code=500, message="m").status == 500

    def test_an_error_in_words(self) -> None:
        found = error_from(b'{"error": "invalid_grant", "error_description": "Token expired."}', 400)
        assert found is not None and (found.code, found.message) == ("invalid_grant", "Token expired.")

    @pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b"{}", b'{"error": null}', b'{"candidates": []}', b"5"])
    def test_no_error(self, raw: bytes) -> None:
        assert error_from(raw, 500) is None

    @given(st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()), ANY_JSON, ANY_JSON)
    def test_nothing_breaks_it(self, raw: bytes, odd: Any, other: Any) -> None:
        error_from(raw, None)
        kinds = ("QuotaFailure", "RetryInfo", "ErrorInfo", "BadRequest")
        rows = [
            {"@type": kind, key: other}
            for kind in kinds
            for key in ("violations", "retryDelay", "reason", "fieldViolations")
        ]
        error_from(json.dumps({"error": {"code": odd, "message": other, "status": odd, "details": rows}}).encode(), 400)
