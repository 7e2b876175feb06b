"""The body of a request, read with a limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.errors import Refusal
from routing.gateway.intake import ClientGone, Receive, check_length, read_body

MB = 1024 * 1024
LENGTH, CHUNKED = b"content-length", (b"transfer-encoding", b"chunked")


def receiving(*messages: dict[str, Any]) -> Receive:
    left: Iterator[dict[str, Any]] = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(left)

    return receive


def part(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


GONE = {"type": "http.disconnect"}


@pytest.mark.parametrize(
    "headers",
    [[], [(LENGTH, b"0")], [(LENGTH, b"1048576")], [(LENGTH, b"007")], [CHUNKED], [(LENGTH, b"5"), (LENGTH, b"5")]],
)
def test_lengths_that_may_be(headers: list[tuple[bytes, bytes]]) -> None:
    check_length(headers, MB)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(LENGTH, b"1048577")], 413),
        ([(LENGTH, b"9" * 5000)], 413),
        ([(LENGTH, b"5"), CHUNKED], 400),
        ([CHUNKED, (LENGTH, b"0")], 400),
        ([(LENGTH, b"5"), (LENGTH, b"6")], 400),
        ([(LENGTH, b"-5")], 400),
        ([(LENGTH, b"+5")], 400),
        ([(LENGTH, b"5, 5")], 400),
        ([(LENGTH, b"")], 400),
        ([(LENGTH, b"0x5")], 400),
        ([(LENGTH, b"\xb2")], 400),
    ],
)
def test_lengths_that_may_not_be(headers: list[tuple[bytes, bytes]], status: int) -> None:
    with pytest.raises(Refusal) as caught:
        check_length(headers, MB)
    assert caught.value.status == status


async def test_a_body_at_once() -> None:
    assert await read_body(receiving(part(b"abc", False)), 3) == b"abc"
    assert await read_body(receiving({"type": "http.request"}), 3) == b""


async def test_a_body_in_pieces() -> None:
    assert await read_body(receiving(part(b"ab"), part(b""), part(b"c"), part(b"", False)), 3) == b"abc"


@given(st.lists(st.binary(max_size=5), min_size=1, max_size=6), st.integers(0, 20))
async def test_never_more_than_the_limit(pieces: list[bytes], limit: int) -> None:
    receive = receiving(*(part(piece, at < len(pieces) - 1) for at, piece in enumerate(pieces)))
    whole = b"".join(pieces)
    if len(whole) <= limit:
        assert await read_body(receive, limit) == whole
    else:
        with pytest.raises(Refusal) as caught:
            await read_body(receive, limit)
        assert (caught.value.status, caught.value.code) == (413, "request_too_large")


async def test_an_endless_body_is_not_read_to_its_end() -> None:
    read = 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return part(b"x" * 100)

    with pytest.raises(Refusal, match="longer than 0 MB"):
        await read_body(receive, 1000)
    assert read == 11


@pytest.mark.parametrize("messages", [(GONE,), (part(b"a"), GONE), (part(b"a"), part(b""), GONE)])
async def test_a_client_that_leaves(messages: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(ClientGone):
        await read_body(receiving(*messages), 100)
