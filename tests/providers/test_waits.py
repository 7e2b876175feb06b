"""When a vendor wants to be asked again."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from providers.waits import LONGEST_WINDOW, retry_after, wait_of_words
from providers.wire.errors import Kind, UpstreamFailure

NOW = 1_800_000_000.0


def date(moment: float) -> bytes:
    return formatdate(moment, usegmt=True).encode()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({b"retry-after": b"7"}, 7),
        ({b"retry-after": b"1.5"}, 1.5),
        ({b"retry-after": b" 2 "}, 2),
        ({b"retry-after": b"0"}, 0),
        ({b"retry-after": b"-5"}, 0),
        ({b"retry-after": b"999999"}, 3600),
        ({b"retry-after": b"inf"}, 3600),
        ({b"retry-after": b"nan"}, None),
        ({b"retry-after": b""}, None),
        ({b"retry-after": b"soon"}, None),
        ({b"retry-after": b"\xff"}, None),
        ({b"retry-after": b"9" * 400}, 3600),
        ({b"retry-after-ms": b"1500"}, 1.5),
        ({b"retry-after-ms": b"1500", b"retry-after": b"9"}, 1.5),
        ({b"retry-after-ms": b"?", b"retry-after": b"9"}, 9),
        ({b"retry-after": date(NOW + 30)}, 30),
        ({b"retry-after": date(NOW - 30)}, 0),
        ({b"retry-after": b"Wed, 99 Foo 2026"}, None),
        ({b"retry-after": date(NOW - 3570), b"date": date(NOW - 3600)}, 30),  # our clock is an hour ahead
        ({b"retry-after": date(NOW + 86_430), b"date": date(NOW + 86_400)}, 30),  # or a day behind
        ({b"retry-after": date(NOW + 30), b"date": b"noon"}, 30),
    ],
)
def test_retry_after(headers: dict[bytes, bytes], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("seconds", "at", "expected"),
    [
        (None, None, None),
        (7.5, None, 7.5),
        (None, NOW + 90, 90),
        (20, NOW + 90, 90),  # a moment says more than words do
        (20, NOW - 90, 20),
        (None, NOW - 90, None),
        (1e12, None, LONGEST_WINDOW),
        (None, NOW + 1e9, LONGEST_WINDOW),
    ],
)
def test_the_wait_of_words(seconds: float | None, at: float | None, expected: float | None) -> None:
    failure = UpstreamFailure(Kind.QUOTA, "m", retry_after=seconds, resets_at=at)
    assert wait_of_words(failure, {}, NOW) == expected


def test_the_head_of_a_good_reply_tells_only_the_time() -> None:
    head = {b"date": date(NOW - 600), b"retry-after": b"3", b"x-ratelimit-reset": b"4"}
    assert wait_of_words(UpstreamFailure(Kind.QUOTA, "m", resets_at=NOW - 90), head, NOW) == 510
    assert wait_of_words(UpstreamFailure(Kind.QUOTA, "m"), head, NOW) is None
