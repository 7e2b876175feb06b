"""Signatures against the figures AWS publishes: its Signature Version 4 test suite, and the example of its guide."""

from __future__ import annotations

from calendar import timegm

import pytest

from providers.auth.sigv4 import AwsKey, SigV4, canonical_request, signed, signing_key
from providers.transport.base import Outbound, Route, Timeouts

KEY = AwsKey("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
NOW = timegm((2015, 8, 30, 12, 36, 0))


def outbound(
    method: str = "GET",
    target: str = "/",
    body: bytes = b"",
    *headers: tuple[bytes, bytes],
    host: str = "example.amazonaws.com",
) -> Outbound:
    return Outbound(method, target, headers, body, Route("https", host, 443), Timeouts())


def signature(request: Outbound, key: AwsKey = KEY, service: str = "service") -> str:
    made = dict(signed(request, key, region="us-east-1", service=service, now=NOW).headers)[b"authorization"].decode()
    assert made.startswith(f"AWS4-HMAC-SHA256 Credential={key.access_key_id}/20150830/us-east-1/{service}/aws4_request")
    return made.rpartition("Signature=")[2]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (outbound(), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),  # get-vanilla
        (outbound("POST"), "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),  # post-vanilla
        (
            outbound("GET", "/?Param2=value2&Param1=value1"),  # get-vanilla-query-order-key-case
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            outbound("POST", "/", b"Param1=value1", (b"content-type", b"application/x-www-form-urlencoded")),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",  # post-x-www-form-urlencoded
        ),
    ],
)
def test_the_published_suite(request_: Outbound, expected: str) -> None:
    assert signature(request_) == expected


def test_the_example_of_the_guide() -> None:
    request = outbound(
        "GET",
        "/?Action=ListUsers&Version=2010-05-08",
        b"",
        (b"content-type", b"application/x-www-form-urlencoded; charset=utf-8"),
        host="iam.amazonaws.com",
    )
    assert signature(request, service="iam") == "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    key = signing_key(KEY.secret_access_key, "20150830", "us-east-1", "iam")
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"


def test_a_path_is_encoded_once_more_than_it_is_sent() -> None:
    text, _ = canonical_request(outbound("POST", "/model/us.anthropic.claude-v1%3A0/converse"))
    assert text.splitlines()[1] == "/model/us.anthropic.claude-v1%253A0/converse"


async def test_a_temporary_key_sends_its_token_signed_and_no_repr_shows_it() -> None:
    key = AwsKey("AKIDEXAMPLE", "the-secret-half", "the-session-token")
    made = await SigV4(key, region="eu-west-1", service="bedrock", clock=lambda: NOW).sign(outbound("POST"))
    headers = dict(made.headers)
    assert headers[b"x-amz-security-token"] == b"the-session-token"
    assert b"SignedHeaders=host;x-amz-date;x-amz-security-token," in headers[b"authorization"]
    assert b"20150830/eu-west-1/bedrock" in headers[b"authorization"]
    assert "the-se" not in repr(key) and "the-se" not in repr(made)


async def test_what_came_before_is_replaced_when_a_request_is_signed_again() -> None:
    signer = SigV4(KEY, region="us-east-1", service="service", clock=lambda: NOW)
    once = await signer.sign(outbound())
    assert await signer.sign(once) == once
    assert not await signer.refused(once)
