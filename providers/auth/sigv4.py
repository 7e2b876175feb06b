"""AWS Signature Version 4 over one request. Pure: the clock is handed in.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html (2026-11).
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from providers.auth.base import with_headers
from providers.transport.base import Outbound
from providers.transport.request import host_header

ALGORITHM = "AWS4-HMAC-SHA256"
UNRESERVED = "-_.~"
# Signed when they are there; the rest may change on the way without harm.
SIGNED = (b"content-type",)


@dataclass(frozen=True, slots=True)
class AwsKey:
    """An access key; ``session_token`` belongs to temporary ones ("" for others)."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


def signed(request: Outbound, key: AwsKey, *, region: str, service: str, now: float) -> Outbound:
    """The request with ``authorization`` and ``x-amz-date``; ``now`` is Unix time in seconds.

    The path is encoded once more than it is sent, as every AWS service but S3 wants it.
    """
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    added = [(b"x-amz-date", moment.encode())]
    if key.session_token:
        added.append((b"x-amz-security-token", key.session_token.encode()))
    dated = with_headers(request, *added)
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    canonical, names = canonical_request(dated)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{ALGORITHM}\n{moment}\n{scope}\n{digest}"
    secret = signing_key(key.secret_access_key, moment[:8], region, service)
    signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
    value = f"{ALGORITHM} Credential={key.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return with_headers(dated, (b"authorization", value.encode()))


def canonical_request(request: Outbound) -> tuple[str, str]:
    """The text that is hashed, and the names of the headers in it."""
    path, _, query = request.target.partition("?")
    headers = {name.lower(): value for name, value in request.headers}
    chosen = {b"host": host_header(request.route)} | {
        name: value for name, value in headers.items() if name.startswith(b"x-amz-") or name in SIGNED
    }
    rows = sorted((name.decode(), " ".join(value.decode("latin-1").split())) for name, value in chosen.items())
    names = ";".join(name for name, _ in rows)
    lines = "".join(f"{name}:{value}\n" for name, value in rows)
    body = hashlib.sha256(request.body).hexdigest()
    return f"{request.method}\n{quote(path, safe='/' + UNRESERVED)}\n{_query(query)}\n{lines}\n{names}\n{body}", names


def _query(query: str) -> str:
    """Sorted by name, then value; what is sent is percent-encoded already."""
    pairs = [piece.partition("=") for piece in query.split("&") if piece]
    return "&".join(f"{name}={value}" for name, value in sorted((name, value) for name, _, value in pairs))


@lru_cache(maxsize=256)
def signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    """The key of one day (YYYYMMDD), region and service."""
    key = f"AWS4{secret}".encode()
    for word in (day, region, service, "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return key


class SigV4:
    """A connection's access key; signs every request anew, so there is nothing to renew."""

    __slots__ = ("_clock", "_key", "_region", "_service")

    def __init__(self, key: AwsKey, *, region: str, service: str, clock: Callable[[], float] = time.time) -> None:
        self._key, self._region, self._service, self._clock = key, region, service, clock

    async def sign(self, request: Outbound) -> Outbound:
        return signed(request, self._key, region=self._region, service=self._service, now=self._clock())

    async def refused(self, request: Outbound) -> bool:
        return False
