"""Secrets at rest: AES-256-GCM under a ring of keys.

A sealed value is ``og1.<key id>.<base64url(nonce ‖ ciphertext ‖ tag)>``. The key id names the ring's key that sealed
it; the *context* (table, column and row) is bound as associated data, so a value that is moved to another column or
row, altered, or sealed by a key that is not in the ring does not open: it raises, it never comes back as it is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = "og1"
NONCE_BYTES = 12
SHORTEST_KEY = 32


class BadKey(ValueError):
    """An encryption key is too short to be one; the message says which position, never the key."""


class SecretUnreadable(Exception):
    """A sealed value cannot be opened: its key is not in the ring, it was altered, or it belongs elsewhere."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value as it lies in the database. Shows nothing of itself; opened through its row only."""

    token: str

    @property
    def key_id(self) -> str:
        return self.token.split(".", 2)[1] if self.token.count(".") == 2 else "?"

    def __repr__(self) -> str:
        return "Sealed(•••)"

    __str__ = __repr__


class KeyRing:
    """Keys by id; the first one seals, all of them open. Keys: base64 or hex of 32 bytes, or any text of 32+ chars."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises BadKey for an empty ring or a key below 32 characters."""
        if not keys:
            raise BadKey("ENCRYPTION_KEYS is empty: at least one key is needed.")
        raw = [_key_bytes(text, position) for position, text in enumerate(keys, start=1)]
        self._ciphers = {key_id(key): AESGCM(key) for key in raw}
        self.primary = key_id(raw[0])
        self.fingerprint = hashlib.sha256(",".join(sorted(self._ciphers)).encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._ciphers)})"

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys, the one that seals first."""
        return (self.primary, *(name for name in self._ciphers if name != self.primary))

    def reseal(self, token: str, context: str) -> str:
        """The same text under the first key. Raises SecretUnreadable."""
        return self.seal(self.open(token, context), context)

    def seal(self, text: str, context: str) -> str:
        """Sealed form of text, bound to context, under the first key."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + self._ciphers[self.primary].encrypt(nonce, text.encode(), context.encode())
        return f"{VERSION}.{self.primary}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, token: str, context: str) -> str:
        """The text again. Raises SecretUnreadable, whose message holds neither text nor token."""
        version, _, rest = token.partition(".")
        name, _, body = rest.partition(".")
        if version != VERSION or not body:
            raise SecretUnreadable(f"The stored value of {context.split(':')[0]} is not a sealed secret.")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise SecretUnreadable(f"The key {name} that sealed {context.split(':')[0]} is not in ENCRYPTION_KEYS.")
        try:
            raw = base64.b64decode(body, altchars=b"-_", validate=True)
            if base64.urlsafe_b64encode(raw).decode() != body:
                raise ValueError("another spelling of the same bytes")
            return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise SecretUnreadable(f"The stored value of {context.split(':')[0]} was altered or moved.") from None


def keys_in(text: str) -> tuple[str, ...]:
    """The keys of a comma list, the first of which seals."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def key_id(key: bytes) -> str:
    """Eight hex digits that name a key without telling anything of it."""
    return hmac.new(key, b"omniroute key id", hashlib.sha256).hexdigest()[:8]


def _key_bytes(text: str, position: int) -> bytes:
    if len(text) < SHORTEST_KEY:
        raise BadKey(
            f"Key {position} of ENCRYPTION_KEYS has {len(text)} characters; at least {SHORTEST_KEY} are needed."
        )
    if len(text) == 64:
        try:
            raw = bytes.fromhex(text)
        except ValueError:
            raw = b""  # not hex: on to the other spellings
        if len(raw) == 32:
            return raw
    try:
        raw = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    return raw if len(raw) == 32 else hashlib.sha256(b"omniroute encryption key:" + text.encode()).digest()
