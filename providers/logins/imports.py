"""Logins that a person brings along: a pasted token, or the file another program keeps them in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from providers.logins.engine import LoginFailed, Tokens, claims, first, moment, now
from providers.logins.flow import REGION, Flow, Method, OwnClient, fill

LONGEST = 64 * 1024  # characters
TOKEN = re.compile(r"[\x21-\x7e]{8,8192}")
WORD = re.compile(r"[\w-]{1,100}")
BETWEEN = " \t\r\n,"
Document = Mapping[str, Any]


def imported(flow: Flow, method: Method, text: str) -> Tokens:
    """The tokens of a pasted text: JSON as the vendor's program keeps it, or a token alone. Raises LoginFailed.

    Where a login was made with a client of its own, the file that holds it is pasted beside, in any order. Tokens that
    come back ``unproven`` have to be renewed before they are used.
    """
    text = text.strip()
    if not text or len(text) > LONGEST:
        raise LoginFailed("empty" if not text else "too_long")
    if not text.startswith("{"):
        return _plain(method, text)
    documents = _documents(text)
    document, found = _with_tokens(method, documents)
    for name in ("access", "refresh", "id"):
        if (token := found.get(name)) and not TOKEN.fullmatch(token):
            raise LoginFailed("not_a_token")
    tokens = _tokens(found, document)
    client = method.client
    return tokens if client is None or not _has(client, document) else _with_client(flow, client, tokens, documents)


def _documents(text: str) -> Sequence[Document]:
    """The JSON objects of a text, one behind the other."""
    found: list[Document] = []
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        try:
            document, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            raise LoginFailed("not_json") from None
        if not isinstance(document, dict):
            raise LoginFailed("not_json")
        found.append(document)
        at = len(text) - len(text[at:].lstrip(BETWEEN))
    return found


def _with_tokens(method: Method, documents: Sequence[Document]) -> tuple[Document, Mapping[str, str]]:
    """The document that holds tokens, and what is taken from it."""
    for document in documents:
        found = {name: first(document, (path,)) for name, path in method.takes.items()}
        if found.get("access") or found.get("refresh"):
            return document, found
    raise LoginFailed("no_token")


def _has(client: OwnClient, document: Document) -> bool:
    """Whether this login was made with a client of its own."""
    said_not = any(first(document, (path,)).lower() == text for path, text in client.unless.items())
    return bool(first(document, client.signs)) and not said_not


def _with_client(flow: Flow, client: OwnClient, tokens: Tokens, documents: Sequence[Document]) -> Tokens:
    """The tokens with the client that renews them, wherever it was pasted. Raises LoginFailed."""
    places = (tokens.given, *documents)
    id, secret, region = (_anywhere(places, path) for path in (client.id, client.secret, client.region))
    region = region or flow.method(client.method).defaults.get("region", "")
    if not REGION.fullmatch(region):
        raise LoginFailed("region")
    if not id or not secret:
        name = first(tokens.given, (client.name,))
        raise LoginFailed("no_client", fill(client.where, {"name": name if WORD.fullmatch(name) else "…"}))
    made = {"client_id": id, "client_secret": secret}
    return replace(tokens, hidden=made, facts={"region": region}, method=client.method)


def _anywhere(places: Sequence[Document], path: str) -> str:
    return next(filter(None, (first(each, (path,)) for each in places)), "")


def _plain(method: Method, text: str) -> Tokens:
    if not method.plain or not TOKEN.fullmatch(text):
        raise LoginFailed("not_a_token")
    return _tokens({method.plain: text}, {})


def _tokens(found: Mapping[str, str], document: Mapping[str, Any]) -> Tokens:
    access = found.get("access", "")
    until = moment(found.get("expires_at")) or claims(access).get("exp")
    lasts = float(until) - now() if isinstance(until, int | float) else None
    return Tokens(access=access, refresh=found.get("refresh", ""), id=found.get("id", ""), lasts=lasts, given=document)
