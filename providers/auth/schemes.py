"""How a connection's secret becomes what authenticates its requests: one row per auth scheme.

Most schemes are a fixed header (``entry.AUTH_HEADERS``) and cost nothing per request. Those here sign each request,
or exchange the secret for a token first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from providers.auth import secrets
from providers.auth.base import Credential
from providers.auth.copilot import TOKEN_URL, Copilot
from providers.auth.exchange import Exchanged, Way
from providers.auth.oauth import Login
from providers.auth.sigv4 import SigV4
from providers.auth.vertex import ServiceAccount
from providers.entry import Entry

BEDROCK = "bedrock"  # the name that requests to bedrock-runtime are signed for


Values = Mapping[str, str]


def _sigv4(entry: Entry, secret: str, way: Way, values: Values, login: Login | None) -> Credential | None:
    key = secrets.aws_key(secret)
    if key is None:
        return None
    if not values.get("region"):
        raise ValueError("An AWS access key signs for a region, and the provider has no parameter of that name.")
    return SigV4(key, region=values["region"], service=BEDROCK)


def _vertex(entry: Entry, secret: str, way: Way, values: Values, login: Login | None) -> Credential:
    return _kept(entry, secret, way, login, lambda: ServiceAccount(secrets.service_account(secret), way))


def _copilot(entry: Entry, secret: str, way: Way, values: Values, login: Login | None) -> Credential:
    url, scheme = entry.token_url or TOKEN_URL, urlsplit(entry.base_url).scheme
    return _kept(entry, secret, way, login, lambda: Copilot(secret, way, url=url, scheme=scheme, login=login))


Make = Callable[[Entry, str, Way, Values, Login | None], Credential | None]
SIGNING: Mapping[str, Make] = {"sigv4": _sigv4, "vertex": _vertex, "copilot": _copilot}
# Credentials that hold a token, by what they were made of: a change of the configuration makes no new exchange.
_KEPT: WeakValueDictionary[bytes, Exchanged] = WeakValueDictionary()


def credential(
    entry: Entry,
    secret: str,
    *,
    proxy: str | None,
    values: Values,
    headers: tuple[tuple[bytes, bytes], ...],
    login: Login | None = None,
) -> Credential | None:
    """What signs the requests of a connection; None when a fixed header does. ``secret`` is one that
    ``secrets.normalised`` gave, ``values`` are the connection's parameters, ``headers`` those it always sends,
    ``login`` the one that gave the secret."""
    make = SIGNING.get(entry.auth)
    if make is None:
        return None
    own = tuple(row for row in headers if row[0] != b"content-type")
    way = Way(proxy=proxy, allow_private=entry.allow_private_network, transport=entry.transport, headers=own)
    return make(entry, secret, way, values, login)


def fixed_header(entry: Entry, secret: str) -> tuple[str, str] | None:
    """The header that carries the secret; None when requests are signed, or the provider takes none."""
    if not entry.takes_secret:
        return None
    if entry.signed:
        bearer = entry.auth == "sigv4" and secrets.aws_key(secret) is None
        return ("authorization", f"Bearer {secret}") if bearer else None
    return entry.credential(secret)


def _kept(entry: Entry, secret: str, way: Way, login: Login | None, make: Callable[[], Exchanged]) -> Exchanged:
    whose = (login.subject, login.token.expires_at) if login else None
    said = (entry.auth, entry.base_url, entry.token_url, secret, way.proxy, way, whose)
    name = hashlib.sha256(repr(said).encode()).digest()
    found = _KEPT.get(name)
    if found is None:
        found = _KEPT[name] = make()
    return found
