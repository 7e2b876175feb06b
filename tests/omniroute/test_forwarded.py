"""Whose word counts for the client's address and scheme."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from omniroute.forwarded import address, forwarded

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


async def seen(
    headers: list[tuple[bytes, bytes]], *, peer: Any = ("10.0.0.1", 5), scheme: str = "http"
) -> dict[str, Any]:
    """The scope that the application behind gets."""
    found: dict[str, Any] = {}

    async def application(scope: Any, receive: Any, send: Any) -> None:
        found.update(scope)

    scope = {"type": "http", "client": peer, "scheme": scheme, "headers": [(b"host", b"h"), *headers]}
    await forwarded(application, TRUSTED)(scope, None, None)
    return found


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        (b"203.0.113.9", "203.0.113.9"),
        (b"198.51.100.1, 203.0.113.9", "203.0.113.9"),  # what the client wrote itself stands to the left
        (b"203.0.113.9, 10.2.3.4", "203.0.113.9"),
        (b"10.9.9.9, 10.2.3.4", "10.9.9.9"),
        (b"203.0.113.9:4711", "203.0.113.9"),
        (b'"[2001:db8::7]:4711"', "2001:db8::7"),
        (b"::ffff:203.0.113.9", "203.0.113.9"),
        (b"nonsense", "10.0.0.1"),
        (b"203.0.113.9, nonsense, 10.2.3.4", "10.2.3.4"),
        (b"", "10.0.0.1"),
    ],
)
async def test_the_client_is_the_first_untrusted_hop_from_the_right(chain: bytes, client: str) -> None:
    scope = await seen([(b"x-forwarded-for", chain)])
    assert scope["client"][0] == client
    assert scope["headers"] == [(b"host", b"h")]


async def test_several_headers_are_one_list() -> None:
    scope = await seen([(b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-for", b"10.2.3.4")])
    assert scope["client"][0] == "203.0.113.9"


@pytest.mark.parametrize("peer", [("192.0.2.1", 5), None, ("unix", 0)])
async def test_nobody_else_is_believed(peer: Any) -> None:
    lies = [(b"x-forwarded-for", b"10.1.1.1"), (b"x-forwarded-proto", b"https"), (b"x-real-ip", b"1.1.1.1")]
    scope = await seen([*lies, (b"forwarded", b"for=1.1.1.1"), (b"x-forwarded-host", b"evil")], peer=peer)
    assert (scope["client"], scope["scheme"], scope["headers"]) == (peer, "http", [(b"host", b"h")])


@pytest.mark.parametrize(
    ("scheme", "said", "found"),
    [("http", b"https", "https"), ("ws", b"https", "wss"), ("http", b"http", "http"), ("http", b"https, http", "http"),
     ("http", b"gopher", "http")],
)  # fmt: skip
async def test_the_scheme_is_the_nearest_proxys(scheme: str, said: bytes, found: str) -> None:
    assert (await seen([(b"x-forwarded-proto", said)], scheme=scheme))["scheme"] == found


async def test_a_plain_request_is_passed_on_as_it_is() -> None:
    scope = {"type": "http", "client": ("10.0.0.1", 1), "headers": [(b"host", b"h")]}
    given: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        given.append(scope)

    await forwarded(application, TRUSTED)(scope, None, None)
    assert given[0] is scope


@pytest.mark.parametrize("text", ["", "unknown", "_hidden", "1.2.3", "1.2.3.4.5", "[::1", "::1]x"])
def test_what_is_no_address_is_none(text: str) -> None:
    assert address(text) is None or text == "[::1"
