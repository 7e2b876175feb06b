"""The body of a request, read with a limit."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.errors import Refusal
from routing.gateway.intake import ClientGone, Receive, check_framing, read_body, unpacked

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
    assert check_framing(headers, MB) == ""


ENCODED = b"content-encoding"


@pytest.mark.parametrize(
    ("said", "packed"),
    [
        (b"gzip", "gzip"),
        (b" GZIP ", "gzip"),
        (b"x-gzip", "gzip"),
        (b"deflate", "deflate"),
        (b"identity", ""),
        (b"", ""),
    ],
)
def test_encodings_that_are_undone(said: bytes, packed: str) -> None:
    assert check_framing([(ENCODED, said), (LENGTH, b"5")], MB) == packed


@pytest.mark.parametrize("said", [[b"br"], [b"zstd"], [b"gzip, gzip"], [b"gzip", b"gzip"], [b"gzip", b"br"], [b"\xff"]])
def test_encodings_that_are_not(said: list[bytes]) -> None:
    with pytest.raises(Refusal) as caught:
        check_framing([(ENCODED, value) for value in said], MB)
    assert (caught.value.status, caught.value.accept) == (415, ("gzip", "deflate"))


def bare(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(data) + deflate.flush()


@pytest.mark.parametrize(("pack", "encoding"), [(gzip.compress, "gzip"), (zlib.compress, "deflate"), (bare, "deflate")])
class TestUnpacked:
    @pytest.mark.parametrize("body", [b"", b"{}", b"x" * MB])
    async def test_whole(self, pack: Callable[[bytes], bytes], encoding: str, body: bytes) -> None:
        assert await unpacked(pack(body), encoding, MB) == body

    async def test_no_more_than_the_limit(self, pack: Callable[[bytes], bytes], encoding: str) -> None:
        with pytest.raises(Refusal) as caught:
            await unpacked(pack(b"x" * (MB + 1)), encoding, MB)
        assert caught.value.status == 413

    async def test_damaged(self, pack: Callable[[bytes], bytes], encoding: str) -> None:
        packed = pack(b"some words that say something")
        for body in (b"", packed[:-1], packed + b"x", b"{}", b"\xff" * 30):
            with pytest.raises(Refusal) as caught:
                await unpacked(body, encoding, MB)
            assert (caught.value.status, caught.value.code) == (400, "invalid_encoding")


def test_a_bomb_is_never_made_whole() -> None:
    packed = gzip.compress(b"\0" * 256 * MB)
    tracemalloc.start()
    try:
        with pytest.raises(Refusal):
            asyncio.run(unpacked(packed, "gzip", MB))
        assert tracemalloc.get_traced_memory()[1] < 8 * MB
    finally:
        tracemalloc.stop()


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
        check_framing(headers, MB)
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
