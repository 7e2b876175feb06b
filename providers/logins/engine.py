"""What is said to a vendor during a login and what its answers mean, without I/O.

Every conversation is a generator: it yields an :class:`Ask`, is sent the :class:`Told`, and returns what it found.
``calls.run`` carries one out over the network.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from providers.logins.flow import Client, Exchange, Flow, Method, Names, fill, filled
from providers.words import clean_words

SOON = 60.0  # seconds; a vendor that says less is not believed
LONGEST_LIFE = 10 * 366 * 86400.0


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. ``pause``: seconds to wait before it is sent."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    json: object | None = field(default=None, repr=False)
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """The reply. ``document`` is None when it is not JSON."""

    status: int
    document: Any = field(repr=False)

    @property
    def good(self) -> bool:
        """GitHub answers 200 to errors as well."""
        return 200 <= self.status < 300 and not self.code

    @property
    def code(self) -> str:
        """The error's code, as RFC 6749 names them; "" when there is none."""
        found = self.document.get("error") if isinstance(self.document, dict) else None
        if isinstance(found, dict):
            found = found.get("code") or found.get("type") or "error"
        return found if isinstance(found, str) else ""

    def words(self) -> str:
        """What the vendor says, made safe to show."""
        if not isinstance(self.document, dict):
            return ""
        inner = self.document.get("error")
        places = (self.document, inner if isinstance(inner, dict) else {})
        names = ("error_description", "message", "detail", "error")
        texts = (place[name] for place in places for name in names if isinstance(place.get(name), str))
        return clean_words(next(texts, ""))


class LoginFailed(Exception):
    """A login or a renewal that did not succeed. ``code``: what it was, for programs; the words are for people.

    ``final``: asking again with the same token cannot help.
    """

    def __init__(self, code: str, words: str = "", *, status: int | None = None, final: bool = False) -> None:
        super().__init__(words or code)
        self.code, self.words, self.status, self.final = code, words, status, final


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a login brings. ``lasts`` is seconds from now; ``reply`` the vendor's own object. ``method``: the one they
    are renewed by, when it is not that of the login."""

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    id: str = field(default="", repr=False)
    lasts: float | None = None
    scope: str = ""
    reply: Mapping[str, Any] = field(default_factory=dict, repr=False)
    given: Mapping[str, Any] = field(default_factory=dict, repr=False)
    hidden: Mapping[str, str] = field(default_factory=dict, repr=False)  # further secrets to keep
    facts: Mapping[str, str] = field(default_factory=dict)
    method: str = ""

    @property
    def unproven(self) -> bool:
        """Brought along in a state that only a renewal makes usable, or shows to be so: without an access token, with
        one that has ended, or with a client whose they may not be."""
        ended = self.lasts is not None and self.lasts <= 0
        return not self.access or bool(self.refresh and (ended or self.method))


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose login it is. ``key`` tells accounts of a vendor apart; "" when it does not say."""

    key: str = ""
    email: str = ""
    account_id: str = ""
    plan: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


Talk = Generator[Ask, Told, Any]
Values = Mapping[str, str | None]


# -- beginning a login in the browser -------------------------------------------------------------------------
def new_verifier() -> str:
    return secrets.token_urlsafe(48)


def challenge_of(verifier: str) -> str:
    """RFC 7636, S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def authorize_url(flow: Flow, method: Method, client: Client, *, redirect_uri: str, state: str, verifier: str) -> str:
    """Where the browser goes. Spaces are %20: some vendors take no plus sign."""
    values = {
        "client_id": client.id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(flow.scopes),
        "state": state,
        "challenge": challenge_of(verifier),
    }
    return f"{method.authorize_url}?{urlencode(filled(method.params, values), quote_via=quote)}"


# -- tokens ------------------------------------------------------------------------------------------
def exchange(flow: Flow, method: Method, values: Values) -> Talk:
    """A code for tokens. Raises LoginFailed."""
    code = values.get("code") or ""
    if method.code_holds_tokens and (held := _held(code)) is not None:
        return tokens_of(held, flow.names_of(method.id))
    told = yield ask_of(flow, flow.exchange_of(method), values)
    return granted(told, flow.names_of(method.id))


def refresh(flow: Flow, method_id: str, values: Values) -> Talk:
    """A refresh token for new tokens; where the vendor sends none back, the old one stays. Raises LoginFailed."""
    how = flow.refresh_of(method_id)
    if how is None or not values.get("refresh_token"):
        raise LoginFailed("not_renewable", final=True)
    told = yield ask_of(flow, how, values)
    return granted(told, flow.names_of(method_id))


def followed(before: Tokens, renewed: Tokens) -> Tokens:
    """Renewed tokens, with what only those before them know."""
    kept = {name: getattr(before, name) for name in ("given", "hidden", "facts", "method")}
    return replace(renewed, refresh=renewed.refresh or before.refresh, id=renewed.id or before.id, **kept)


def ask_of(flow: Flow, how: Exchange, values: Values) -> Ask:
    """The request of an exchange."""
    headers = filled({"accept": "application/json", **flow.headers}, values)
    if how.basic:
        pair = f"{values.get('client_id')}:{values.get('client_secret') or ''}"
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    fields = filled(how.fields, values)
    url = fill(how.url, values)
    return Ask("POST", url, headers, json=fields) if how.encoding == "json" else Ask("POST", url, headers, form=fields)


# What a token endpoint says when the token itself is no good any more. Codex: refresh_token_reused.
DEAD = frozenset(
    ("invalid_grant", "refresh_token_reused", "refresh_token_expired", "refresh_token_invalidated", "expired_token",
     "InvalidGrantException", "ExpiredTokenException", "access_denied", "invalid_token", "token_expired")
)  # fmt: skip


def granted(told: Told, names: Names) -> Tokens:
    """The tokens of a reply. Raises LoginFailed; ``final`` when the grant itself was refused."""
    if not told.good:
        code = told.code or _exception_code(told) or f"http_{told.status}"
        # A 400 or 401 without a code is a refusal as well; anything else may pass.
        final = code in DEAD or (not told.code and told.status in (400, 401))
        raise LoginFailed(code, told.words(), status=told.status, final=final)
    reply = told.document.get(names.root) if names.root and isinstance(told.document, dict) else told.document
    if not isinstance(reply, dict):
        raise LoginFailed("no_token", told.words(), status=told.status)
    return tokens_of(reply, names)


def tokens_of(reply: Mapping[str, Any], names: Names) -> Tokens:
    """Raises LoginFailed when there is no access token in it."""
    access = _text(reply.get(names.access))
    if not access:
        raise LoginFailed("no_token")
    return Tokens(
        access=access,
        refresh=_text(reply.get(names.refresh)),
        id=_text(reply.get(names.id)),
        lasts=_lasts(reply, names, access),
        scope=_text(reply.get(names.scope))[:1000],
        reply=reply,
    )


def _lasts(reply: Mapping[str, Any], names: Names, access: str) -> float | None:
    """Seconds the access token lasts: as the vendor says, else as the token itself says."""
    said = reply.get(names.expires_in)
    if isinstance(said, str) and said.replace(".", "", 1).isdigit():
        said = float(said)
    if isinstance(said, int | float) and not isinstance(said, bool):
        return min(max(float(said), SOON), LONGEST_LIFE)
    until = moment(reply.get(names.expires_at)) or claims(access).get("exp")
    if isinstance(until, int | float) and not isinstance(until, bool):
        return min(until - now(), LONGEST_LIFE)
    return None


def now() -> float:
    """Unix time; apart, for tests."""
    return datetime.now().astimezone().timestamp()


def moment(value: Any) -> float | None:
    """Unix time of an ISO 8601 text."""
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00")).astimezone().timestamp()
    except (AttributeError, ValueError, OverflowError):
        return None


def claims(token: str) -> Mapping[str, Any]:
    """What a JWT says of itself; empty when it is none. Unverified: it came from the vendor itself over TLS, or from
    the person whose it is, and decides nothing but a name."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _held(code: str) -> dict[str, Any] | None:
    """Tokens that a code holds as base64 JSON; what follows the last brace is padding."""
    try:
        text = base64.b64decode(code + "=" * (-len(code) % 4), altchars=b"-_").decode("utf-8", "ignore")
        found = json.loads(text[: text.rindex("}") + 1])
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _exception_code(told: Told) -> str:
    """AWS names its errors in ``__type``."""
    kind = told.document.get("__type", "") if isinstance(told.document, dict) else ""
    return kind.rpartition("#")[2] if isinstance(kind, str) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


# -- whose it is ------------------------------------------------------------------------------------------
def identify(flow: Flow, tokens: Tokens, values: Values) -> Talk:
    """The account behind tokens: claims, the reply, and the vendor's own calls. Raises LoginFailed."""
    from providers.logins.codeassist import code_assist

    found = _documents(tokens)
    for call in flow.calls:
        headers = {"authorization": f"Bearer {tokens.access}", "accept": "application/json"}
        known = {**values, "access_token": tokens.access}
        headers |= filled({**flow.headers, **flow.includes, **call.headers}, known)
        if call.kind == "code_assist":
            found[call.name] = yield from code_assist(call, headers)
            continue
        told = yield Ask(call.method, fill(call.url, values), headers, json=call.body)
        if told.good and isinstance(told.document, dict):
            found[call.name] = told.document
        elif not call.optional:
            raise LoginFailed("identity", told.words(), status=told.status)
    return account_of(flow, found, tokens.facts)


def told_by(flow: Flow, tokens: Tokens) -> Account:
    """What tokens alone tell of their account, without a call."""
    return account_of(flow, _documents(tokens), tokens.facts)


def _documents(tokens: Tokens) -> dict[str, Any]:
    named = {"token": tokens.reply, "given": tokens.given}
    return {**named, "id_token": claims(tokens.id), "access_token": claims(tokens.access)}


def account_of(flow: Flow, found: Mapping[str, Any], known: Mapping[str, str]) -> Account:
    """The account that these documents tell of."""
    facts = {name: text for name, paths in flow.facts.items() if (text := first(found, paths))}
    facts = {**known, **facts}
    rules = flow.identity
    parts = {
        "email": first(found, rules.email)[:254],
        "account_id": first(found, rules.account_id)[:200],
        **facts,
    }
    key = [parts.get(name, "") for name in rules.key]
    return Account(
        key=" · ".join(filter(None, key))[:300] or parts["email"] or parts["account_id"],
        email=parts["email"],
        account_id=parts["account_id"],
        plan=first(found, rules.plan)[:100],
        facts=facts,
    )


def first(found: Any, paths: tuple[str, ...]) -> str:
    """The text or number at the first path that leads to one."""
    for path in paths:
        value = found
        for step in path.split(" > "):
            if isinstance(value, list) and step.isdigit() and int(step) < len(value):
                value = value[int(step)]
            else:
                value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)
    return ""
