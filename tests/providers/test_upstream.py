"""A connection made ready for use, and what a provider's refusal becomes. Sending is tested with the gateway."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from providers.entry import Entry
from providers.transport.base import Phase, Route, TransportError
from providers.upstream import (
    LONGEST_MARK,
    PHASES,
    SENTENCES,
    Attempt,
    Link,
    cleaned,
    link,
    refused,
    told_inside,
    transport_failure,
)
from providers.wire.errors import Kind, UpstreamFailure

SECRET = "upstream-secret"


def entry(**said: Any) -> Entry:
    base = {"id": "acme", "name": "Acme", "alias": "ac", "format": "openai_chat", "base_url": "https://acme.example/v1"}
    return Entry(**{**base, **said})


def made(to: Entry, **said: Any) -> Link:
    usual = {
        "connection_id": 1,
        "name": "main",
        "priority": 1,
        "secret": SECRET,
        "proxy": None,
        "user_agent": "OmniRoute/0",
    }
    return link(to, **{**usual, **said})


class TestLink:
    @pytest.mark.parametrize(
        ("url", "route", "path"),
        [
            ("https://acme.example/v1", Route("https", "acme.example", 443), "/v1"),
            ("http://acme.example", Route("http", "acme.example", 80), ""),
            ("https://acme.example:8443/a/b/", Route("https", "acme.example", 8443), "/a/b"),
            ("http://[::1]:9/v1", Route("http", "::1", 9), "/v1"),
            ("http://127.0.0.1:9/v1", Route("http", "127.0.0.1", 9), "/v1"),
        ],
    )
    def test_where_it_goes(self, url: str, route: Route, path: str) -> None:
        here = made(entry(base_url=url))
        assert (here.route, here.base_path) == (route, path)

    def test_what_the_entry_says(self) -> None:
        here = made(
            entry(allow_private_network=True, transport="aiohttp"), proxy="http://u:p@proxy.example:3128", priority=4
        )
        assert here.route.allow_private and here.transport == "aiohttp" and here.priority == 4
        assert here.route.proxy == "http://u:p@proxy.example:3128"
        assert here.secrets == (SECRET, "http://u:p@proxy.example:3128")

    @pytest.mark.parametrize(
        ("auth", "secret", "sent"),
        [
            ("bearer", SECRET, b"Bearer upstream-secret"),
            ("bearer", None, None),
            ("optional_bearer", SECRET, b"Bearer upstream-secret"),
            ("optional_bearer", None, None),
            ("none", SECRET, None),
        ],
    )
    def test_the_credential(self, auth: str, secret: str | None, sent: bytes | None) -> None:
        assert dict(made(entry(auth=auth), secret=secret).headers).get(b"authorization") == sent

    def test_headers_once_each_the_entrys_own_first(self) -> None:
        own = {"X-Title": "OmniRoute", "Content-Type": "application/json; charset=utf-8", "Authorization": "none"}
        headers = made(entry(headers=own)).headers
        assert sorted(headers) == [
            (b"authorization", b"Bearer upstream-secret"),
            (b"content-type", b"application/json; charset=utf-8"),
            (b"user-agent", b"OmniRoute/0"),
            (b"x-title", b"OmniRoute"),
        ]

    def test_no_secret_in_its_repr(self) -> None:
        text = repr(made(entry(), proxy="http://user:hidden@proxy.example:1"))
        assert SECRET not in text and "hidden" not in text and "acme.example" in text


class Said:
    """A reply that was read already."""

    def __init__(self, status: int, body: Any = b"", headers: Mapping[bytes, bytes] | None = None) -> None:
        self.status, self.headers = status, headers or {}
        self._body = body if isinstance(body, bytes | TransportError) else json.dumps(body).encode()

    def chunks(self) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def read(self, limit: int) -> bytes:
        if isinstance(self._body, TransportError):
            raise self._body
        return self._body

    async def aclose(self) -> None:
        return


class TestRefused:
    here = Attempt(entry(failures={"418": Kind.OVERLOADED}), made(entry()), "large")

    @pytest.mark.parametrize(
        ("reply", "kind", "says"),
        [
            (Said(401, {"error": {"message": "Incorrect API key"}}), Kind.AUTH, "Incorrect API key"),
            (Said(400, [{"error": {"code": 400, "message": "API key not valid."}}]), Kind.AUTH, "API key not valid."),
            (Said(500, b"<html>oops</html>"), Kind.SERVER, "The provider answered 500 without saying why."),
            (Said(404), Kind.MODEL, "The provider answered 404 without saying why."),
            (Said(400, b"\xff"), Kind.BAD_REQUEST, "The provider answered 400 without saying why."),
            (Said(418, {"error": "short and stout"}), Kind.OVERLOADED, "short and stout"),
            (Said(307), Kind.PROTOCOL, "The provider answered 307, a redirect, which is not followed."),
            (
                Said(503, TransportError(Phase.CUT, "x")),
                Kind.OVERLOADED,
                "The provider answered 503 without saying why.",
            ),
        ],
    )
    async def test_what_it_tells(self, reply: Said, kind: Kind, says: str) -> None:
        failure = await refused(self.here, reply)
        assert (failure.kind, failure.message, failure.status) == (kind, says, reply.status)

    async def test_when_to_come_back(self) -> None:
        failure = await refused(self.here, Said(429, {"error": {"message": "slow"}}, {b"retry-after": b"7"}))
        assert failure.retry_after == 7

    HEAD = {b"x-ratelimit-remaining-requests": b"0", b"x-ratelimit-reset-requests": b"1m30s"}
    DATE = {b"date": b"Fri, 15 Jan 2027 08:00:00 GMT"}

    @pytest.mark.parametrize(
        ("status", "error", "headers", "expected"),
        [
            (429, {"message": "Try again in 20s"}, HEAD | {b"retry-after": b"7"}, 7),
            (429, {"message": "Try again in 20s"}, HEAD, 20),
            (429, {"message": "slow"}, HEAD, 90),
            (503, {"message": "slow"}, HEAD, 90),
            (400, {"message": "odd"}, HEAD, None),
            (429, {"message": "m", "type": "usage_limit_reached", "resets_in_seconds": 5000}, HEAD, 5000),
            (429, {"message": "m", "type": "usage_limit_reached", "resets_at": 1_800_000_060}, DATE, 60),
            (429, {"message": "slow"}, DATE | {b"x-ratelimit-reset": b"1800000030"}, 30),
        ],
    )
    async def test_who_says_when_comes_first(
        self, status: int, error: dict[str, Any], headers: dict[bytes, bytes], expected: float | None
    ) -> None:
        """Its own header, its words, then its limits; a moment by its own clock."""
        assert (await refused(self.here, Said(status, {"error": error}, headers))).retry_after == expected

    @pytest.mark.parametrize(
        ("id", "status", "error", "of_model"),
        [
            ("openai", 429, {"message": "slow"}, True),
            ("openai", 429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}, False),
            ("openai", 403, {"message": "no"}, False),
            ("codex", 429, {"message": "slow"}, False),
            ("acme", 429, {"message": "slow"}, False),
        ],
    )
    async def test_who_counts_requests_by_the_model(
        self, id: str, status: int, error: dict[str, Any], of_model: bool
    ) -> None:
        to = entry(id=id)
        failure = await refused(Attempt(to, made(to), "large"), Said(status, {"error": error}))
        assert failure.of_model is of_model
        failure.of_model = False
        assert told_inside(Attempt(to, made(to), "large"), failure, {}).of_model is of_model

    async def test_the_words_carry_no_secret(self) -> None:
        said = {
            "message": f"key {SECRET} at https://acme.example/v1 is bad",
            "code": SECRET,
            "type": "x" * 500,
            "param": "a\nb",
        }
        failure = await refused(self.here, Said(400, {"error": said}))
        assert SECRET not in failure.message and "acme.example" not in failure.message
        assert (failure.code, failure.type, failure.param) == (None, None, None)

    def test_marks_for_machines_stay(self) -> None:
        marks = {"code": "token_limit_exceeded", "type": "invalid_request_error", "param": "messages[0].content"}
        failure = cleaned(self.here, UpstreamFailure(Kind.SERVER, "no", **marks))  # type: ignore[arg-type]
        assert {name: getattr(failure, name) for name in marks} == marks
        assert len(marks["code"]) < LONGEST_MARK


@pytest.mark.parametrize("phase", list(Phase))
def test_every_way_of_not_arriving_has_its_words(phase: Phase) -> None:
    failure = transport_failure(TransportError(phase, "connect to acme.example failed"))
    assert failure.message == SENTENCES[phase] and "acme" not in failure.message and failure.status is None
    assert failure.kind is PHASES.get(phase, Kind.NETWORK)
