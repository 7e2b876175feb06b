"""When a vendor wants to be asked again."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from providers.waits import retry_after

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
