"""Google service accounts: a signed assertion is exchanged for an access token (RFC 7523).

Source: developers.google.com/identity/protocols/oauth2/service-account (2026-11).
"""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from providers.auth.exchange import Exchanged, Token, Way, no_token

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFE_SECONDS = 3600  # of the assertion; Google allows no more
FORM = (b"content-type", b"application/x-www-form-urlencoded")


def private_key(pem: str) -> RSAPrivateKey:
    """The key of a service account. Raises ValueError when it is none."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("not a private key in PEM form") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("not an RSA key")
    return key


class ServiceAccount(Exchanged):
    """``account``: a checked service-account JSON (see ``schemes``)."""

    __slots__ = ("_account", "_key")

    def __init__(self, account: Mapping[str, str], way: Way, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(way, tuple(account["private_key"].split()), clock=clock)
        self._account, self._key = account, private_key(account["private_key"])

    async def _fetch(self) -> Token:
        now = self._clock()
        form = {"grant_type": GRANT, "assertion": self.assertion(int(now))}
        said = await self._ask("POST", self._account["token_uri"], FORM, body=urlencode(form).encode())
        token, lasts = said.get("access_token"), said.get("expires_in", LIFE_SECONDS)
        if not isinstance(token, str) or not token or not isinstance(lasts, (int, float)):
            raise no_token()
        return Token(token, now + lasts)

    def assertion(self, now: int) -> str:
        """A JWT of one hour from ``now`` (Unix time), signed with RS256."""
        account = self._account
        head = {"alg": "RS256", "typ": "JWT", "kid": account.get("private_key_id", "")}
        claims = {
            "iss": account["client_email"],
            "scope": SCOPE,
            "aud": account["token_uri"],
            "iat": now,
            "exp": now + LIFE_SECONDS,
        }
        said = b".".join(_encoded(msgspec.json.encode(part)) for part in (head, claims))
        return (said + b"." + _encoded(self._key.sign(said, PKCS1v15(), hashes.SHA256()))).decode()


def _encoded(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
