"""Logins that a person brings along: a pasted token, or the file another program keeps them in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from providers.logins.engine import LoginFailed, Tokens, claims, first, moment, now
from providers.logins.flow import Method

LONGEST = 64 * 1024  # characters
TOKEN = re.compile(r"[\x21-\x7e]{8,8192}")


def imported(method: Method, text: str) -> Tokens:
    """The tokens of a pasted text: JSON as the vendor's program keeps it, or a token alone. Raises LoginFailed.

    A refresh token alone comes back with an empty access token: it has to be renewed before it is used.
    """
    text = text.strip()
    if not text or len(text) > LONGEST:
        raise LoginFailed("empty" if not text else "too_long")
    document = _document(text)
    if document is None:
        return _plain(method, text)
    found = {name: first(document, (path,)) for name, path in method.takes.items()}
    if not found.get("access") and not found.get("refresh"):
        raise LoginFailed("no_token")
    for name in ("access", "refresh", "id"):
        if (token := found.get(name)) and not TOKEN.fullmatch(token):
            raise LoginFailed("not_a_token")
    return _tokens(found, document)


def _document(text: str) -> Mapping[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise LoginFailed("not_json") from None
    return found if isinstance(found, dict) else None


def _plain(method: Method, text: str) -> Tokens:
    if not method.plain or not TOKEN.fullmatch(text):
        raise LoginFailed("not_a_token")
    return _tokens({method.plain: text}, {})


def _tokens(found: Mapping[str, str], document: Mapping[str, Any]) -> Tokens:
    access = found.get("access", "")
    until = moment(found.get("expires_at")) or claims(access).get("exp")
    lasts = float(until) - now() if isinstance(until, int | float) else None
    return Tokens(access=access, refresh=found.get("refresh", ""), id=found.get("id", ""), lasts=lasts, given=document)
