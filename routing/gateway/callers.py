"""Headers → who is asking. Looked up by the key's hash; nothing of the body is read before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from urllib.parse import parse_qs

from providers.wire.errors import Refusal
from routing.snapshot import ANYBODY, Caller, Snapshot

Headers = Iterable[tuple[bytes, bytes]]
KEY_HEADERS = (b"x-api-key", b"x-goog-api-key", b"api-key")
OURS = "sk-omni-"  # how the keys begin that were made here; operators may bring others


def key_in(headers: Headers, query: bytes) -> str | None:
    """The client key, wherever the client's dialect puts it; the Authorization header comes first."""
    found: bytes | None = None
    for name, value in headers:
        if name == b"authorization":
            if token := _bearer(value):
                return token.decode("latin-1")
        elif name in KEY_HEADERS and value:
            found = found or value
    if found is not None:
        return found.strip().decode("latin-1")
    if b"key=" in query:
        return next(iter(parse_qs(query.decode("latin-1")).get("key", ())), None)
    return None


def _bearer(value: bytes) -> bytes:
    scheme, _, token = value.partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""


def identify(snapshot: Snapshot, headers: Headers, query: bytes, now: float) -> Caller:
    """The caller. ``now`` is Unix time. Raises Refusal 401: no key, unknown, switched off, expired."""
    key = key_in(headers, query)
    if key is None:
        if not snapshot.switches.require_api_key:
            return ANYBODY
        raise _refused("No API key was given. Send it as 'Authorization: Bearer sk-omni-…'.", "missing_api_key")
    caller = _known(snapshot, key)
    if caller is None and not key.startswith(OURS):
        caller = _beside(snapshot, headers, query)
    if caller is None:
        if not snapshot.switches.require_api_key:
            return ANYBODY
        raise _refused("The API key is not known here.", "invalid_api_key")
    admit(caller, now)
    return caller


def _known(snapshot: Snapshot, key: str) -> Caller | None:
    return snapshot.callers.get(hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest())


def _beside(snapshot: Snapshot, headers: Headers, query: bytes) -> Caller | None:
    """Whom another key of the same request stands for: some tools send a vendor's, or a placeholder, where we look
    first. The first that is known, or looks as if it should be, counts."""
    rows = list(headers)
    tokens = [_bearer(value) for name, value in rows if name == b"authorization"]
    keys = [token.decode("latin-1") for token in tokens]
    keys += [value.strip().decode("latin-1") for name, value in rows if name in KEY_HEADERS]
    keys += parse_qs(query.decode("latin-1")).get("key", ())
    for key in keys:
        caller = _known(snapshot, key)
        if caller is not None or key.startswith(OURS):
            return caller
    return None


def admit(caller: Caller, now: float) -> None:
    """Raises Refusal 401 for a key that is switched off, or whose time is over. ``now`` is Unix time."""
    if not caller.enabled:
        raise _refused("This API key is switched off.", "api_key_disabled")
    if caller.expires_at is not None and caller.expires_at <= now:
        raise _refused("This API key has expired.", "api_key_expired")


def permit(caller: Caller, operation: str) -> None:
    """Raises Refusal 403 when the key, or its team, may not ask for this."""
    for access in (caller.access, caller.team_access):
        if access.endpoints and operation not in access.endpoints:
            raise Refusal(
                403,
                f"This key may not ask for {operation}; it may for {', '.join(sorted(access.endpoints))}.",
                type="permission_error",
                code="endpoint_not_allowed",
            )


def _refused(message: str, code: str) -> Refusal:
    return Refusal(401, message, type="authentication_error", code=code)
