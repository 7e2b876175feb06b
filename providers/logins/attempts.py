"""Logins of people, from the first click to the stored connection. Each attempt belongs to one person, one session and
one provider, lasts ten minutes and is used once."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from providers import grants, proxies, registry
from providers.entry import Entry
from providers.fields import reveal
from providers.logins import calls, devices, engine, imports, redirects
from providers.logins.engine import LoginFailed, Tokens
from providers.logins.flow import REGION, Flow, Method, flows
from providers.logins.sentences import explain
from providers.models import Connection, Grant, LoginAttempt, Provider

LASTS = timedelta(minutes=10)
START_URL = re.compile(r"https://[A-Za-z0-9.-]+(:\d+)?(/[\w./-]*)?")
Status = LoginAttempt.Status


@dataclass(frozen=True, slots=True)
class Who:
    """A person: primary key, e-mail, and the session (any text that stays the same within it)."""

    id: str
    email: str
    session: str = ""

    @property
    def session_hash(self) -> str:
        return hashed(self.session) if self.session else ""


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def flow_for(entry: Entry) -> Flow:
    """The login of a provider that has one. Raises LoginFailed when it ended or cannot be used."""
    flow = flows()[entry.login]
    if flow.ended or entry.ended is not None:
        raise LoginFailed("ended")
    if flow.needs_secret and not grants.client_for(flow).secret:
        raise LoginFailed("no_secret", " / ".join(flow.client_secret_env))
    return flow


# -- beginning ----------------------------------------------------------------------------------------------------
def begin(
    entry: Entry,
    method_id: str,
    who: Who,
    *,
    origin: str = "",
    connection: Connection | None = None,
    proxy: str | None = None,
    answers: Mapping[str, str] | None = None,
    team: Any = None,
    tags: Sequence[str] = (),
) -> LoginAttempt:
    """A saved attempt; its ``shown`` says what the person does next. The caller has made sure that the vendor's
    restriction was read and accepted. ``answers``: label, start_url, region. ``team`` and ``tags`` (checked) are those
    of a connection that the login makes; one that is there keeps its own. Raises LoginFailed."""
    flow = flow_for(entry)
    method = flow.method(method_id)
    attempt = LoginAttempt(
        provider_id=entry.id,
        connection=connection,
        method=method_id,
        user=who.id,
        session_hash=who.session_hash,
        origin=origin,
        proxy=None if connection else proxy,
        accepted_by=who.email,
        name=(answers or {}).get("label", "")[:100],
        team=team,
        tags=list(tags),
        expires_at=timezone.now() + LASTS,
    )
    known = {**method.defaults, **{name: text for name, text in (answers or {}).items() if text}}
    _check_answers(method, known)
    if method.kind == "code":
        _begin_code(attempt, flow, method)
    elif method.kind != "import":
        _begin_device(attempt, entry, flow, method, known)
    attempt.save()
    LoginAttempt.objects.filter(expires_at__lt=timezone.now() - timedelta(days=1)).delete()
    return attempt


def _check_answers(method: Method, known: Mapping[str, str]) -> None:
    if "start_url" in method.asks and not START_URL.fullmatch(known.get("start_url", "")):
        raise LoginFailed("start_url")
    if "region" in method.asks and not REGION.fullmatch(known.get("region", "")):
        raise LoginFailed("region")


def _begin_code(attempt: LoginAttempt, flow: Flow, method: Method) -> None:
    client = grants.client_for(flow)
    way = redirects.way_for(method, attempt.origin, own_client=client.own)
    state, verifier = secrets.token_urlsafe(32), engine.new_verifier()
    attempt.state_hash = hashed(state)
    attempt.redirect_uri = f"{way.uri}?state={state}" if method.state_in_redirect else way.uri
    url = engine.authorize_url(flow, method, client, redirect_uri=attempt.redirect_uri, state=state, verifier=verifier)
    attempt.secrets = json.dumps({"verifier": verifier} if method.pkce else {})
    attempt.shown = {"url": url, "how": way.how}


def _begin_device(attempt: LoginAttempt, entry: Entry, flow: Flow, method: Method, known: Mapping[str, str]) -> None:
    verifier = engine.new_verifier()
    values = {**_values(flow), **known, "verifier": verifier, "challenge": engine.challenge_of(verifier)}
    talk = devices.start(flow, method, values)
    device: devices.Device = calls.run(talk, proxy=_proxy(attempt), allow_private=entry.allow_private_network)
    kept = {**known, **device.kept, **({"verifier": verifier} if method.pkce else {})}
    attempt.secrets = json.dumps(kept)
    attempt.interval = device.interval
    attempt.ask_at = timezone.now() + timedelta(seconds=device.interval)
    attempt.expires_at = min(attempt.expires_at, timezone.now() + timedelta(seconds=device.lasts))
    attempt.shown = {"code": device.user_code, "url": device.complete_url or device.verify_url}


# -- finding --------------------------------------------------------------------------------------------------------
def own(uid: Any, who: Who) -> LoginAttempt:
    """The attempt of that id. Raises LoginFailed when it is another person's or another session's."""
    attempt = LoginAttempt.objects.select_related("provider", "connection").filter(uid=uid).first()
    if attempt is None:
        raise LoginFailed("state")
    if attempt.user != who.id or attempt.session_hash != who.session_hash:
        raise LoginFailed("session")
    return attempt


def by_state(state: str) -> LoginAttempt | None:
    """The attempt that a state belongs to, whoever asks."""
    return LoginAttempt.objects.select_related("provider", "connection").filter(state_hash=hashed(state)).first()


def open_at(port: int) -> bool:
    """Whether a login is open whose vendor sends the browser to that port of this machine."""
    held = Q(redirect_uri__startswith=f"http://localhost:{port}/")
    return LoginAttempt.objects.filter(held, status=Status.OPEN, expires_at__gt=timezone.now()).exists()


# -- ending ---------------------------------------------------------------------------------------------------------
def answered(query: dict[str, list[str]], who: Who, *, provider_id: str | None = None) -> Connection:
    """The browser came back with these parameters. Returns the connection. Raises LoginFailed."""
    state = (query.get("state") or [""])[0]
    attempt = _claimed(state, who, provider_id)
    return _kept(attempt, lambda: _exchanged(attempt, redirects.read_query(query)))


def pasted(text: str, attempt: LoginAttempt, who: Who) -> Connection:
    """A person pasted the final address, what the vendor's page shows, or a token. Raises LoginFailed."""
    flow = flow_for(registry.effective_of(attempt.provider))
    method = flow.method(attempt.method)
    if method.kind == "import":
        tokens = imports.imported(flow, method, text)
        claimed = _claim(attempt, who)
        return _kept(claimed, lambda: _finish(claimed, flow, method, tokens))
    if error := _refusal_in(text):
        claimed = _claimed(error[1], who, attempt.provider_id, attempt)
        return _kept(claimed, lambda: _raise(error[0]))
    found = redirects.read_pasted(text)
    claimed = _claimed(found.state, who, attempt.provider_id, attempt)
    return _kept(claimed, lambda: _exchanged(claimed, found))


def _refusal_in(text: str) -> tuple[LoginFailed, str] | None:
    """The vendor's refusal in a pasted address, and its state."""
    query = parse_qs(urlsplit(text.strip()).query) if "?" in text else {}
    if "error" not in query:
        return None
    try:
        redirects.read_query(query)
    except LoginFailed as wrong:
        return wrong, (query.get("state") or [""])[0]
    return None


def _raise(wrong: LoginFailed) -> Connection:
    raise wrong


def poll(attempt: LoginAttempt, who: Who) -> LoginAttempt:
    """Ask the vendor whether the person has agreed, if it is time to; returns the attempt as it is then. One at a time
    asks, however many pages look. Raises LoginFailed only for attempts of others."""
    if attempt.user != who.id or attempt.session_hash != who.session_hash:
        raise LoginFailed("session")
    now = timezone.now()
    if attempt.status == Status.OPEN and attempt.expires_at < now:
        _end(attempt, LoginFailed("expired_token" if attempt.ask_at else "expired"))
    if attempt.status != Status.OPEN or attempt.ask_at is None or attempt.ask_at > now:
        return attempt
    later = now + timedelta(seconds=attempt.interval + calls.WHOLE_TIME)
    mine = LoginAttempt.objects.filter(pk=attempt.pk, status=Status.OPEN, ask_at=attempt.ask_at).update(ask_at=later)
    if mine:
        _ask(attempt)
    attempt.refresh_from_db()
    return attempt


def _ask(attempt: LoginAttempt) -> None:
    entry = registry.effective_of(attempt.provider)
    flow = flows()[entry.login]
    method = flow.method(attempt.method)
    values = {**_values(flow), **_secrets(attempt)}
    talk = devices.poll(flow, method, values)
    try:
        tokens: Tokens = calls.run(talk, proxy=_proxy(attempt), allow_private=entry.allow_private_network)
    except devices.Waiting as waiting:
        _again(attempt, waiting.slower)
        return
    except LoginFailed as wrong:
        if wrong.code == "unreachable" or wrong.status == 429 or (wrong.status or 0) >= 500:
            _again(attempt, devices.SLOWER)  # it passes, and the person may have agreed already
        else:
            _end(attempt, wrong)
        return
    try:
        connection = _finish(attempt, flow, method, tokens)
    except LoginFailed as wrong:
        _end(attempt, wrong)
    else:
        LoginAttempt.objects.filter(pk=attempt.pk).update(status=Status.DONE, connection=connection)


def _again(attempt: LoginAttempt, slower: int) -> None:
    interval = min(attempt.interval + slower, 60)
    at = timezone.now() + timedelta(seconds=interval)
    LoginAttempt.objects.filter(pk=attempt.pk).update(interval=interval, ask_at=at)


def _end(attempt: LoginAttempt, wrong: LoginFailed) -> None:
    attempt.status, attempt.message = Status.FAILED, explain(wrong)[:500]
    LoginAttempt.objects.filter(pk=attempt.pk).update(status=attempt.status, message=attempt.message)


def _claimed(state: str, who: Who, provider_id: str | None, only: LoginAttempt | None = None) -> LoginAttempt:
    """The open attempt of a state, taken so that nobody can use it again; ``only``: which it must be. Raises
    LoginFailed."""
    attempt = by_state(state) if state else None
    if attempt is None:
        raise LoginFailed("state")
    if provider_id is not None and attempt.provider_id != provider_id:
        raise LoginFailed("provider")
    if only is not None and attempt.pk != only.pk:
        raise LoginFailed("other_login")
    return _claim(attempt, who)


def _claim(attempt: LoginAttempt, who: Who) -> LoginAttempt:
    if attempt.user != who.id or attempt.session_hash != who.session_hash:
        raise LoginFailed("session")
    if attempt.status == Status.OPEN and attempt.expires_at < timezone.now():
        raise LoginFailed("expired")
    if not LoginAttempt.objects.filter(pk=attempt.pk, status=Status.OPEN).update(status=Status.TAKEN):
        raise LoginFailed("used")
    return attempt


def _kept(attempt: LoginAttempt, work: Any) -> Connection:
    """Do the work; what became of it is written into the attempt."""
    try:
        connection: Connection = work()
    except LoginFailed as wrong:
        _end(attempt, wrong)
        raise
    LoginAttempt.objects.filter(pk=attempt.pk).update(status=Status.DONE, connection=connection)
    return connection


def _exchanged(attempt: LoginAttempt, found: redirects.Pasted) -> Connection:
    entry = registry.effective_of(attempt.provider)
    flow = flow_for(entry)
    method = flow.method(attempt.method)
    proof = {"code": found.code, "state": found.state, "redirect_uri": attempt.redirect_uri}
    talk = engine.exchange(flow, method, {**_values(flow), **_secrets(attempt), **proof})
    tokens: Tokens = calls.run(talk, proxy=_proxy(attempt), allow_private=entry.allow_private_network)
    return _finish(attempt, flow, method, tokens)


def _finish(attempt: LoginAttempt, flow: Flow, method: Method, tokens: Tokens) -> Connection:
    """Find out whose tokens these are, and store them with the connection of that account. Raises LoginFailed."""
    entry = registry.effective_of(attempt.provider)
    proxy, private = _proxy(attempt), entry.allow_private_network
    if tokens.unproven:
        values = {**_values(flow), **tokens.facts, **tokens.hidden, "refresh_token": tokens.refresh}
        talk = engine.refresh(flow, tokens.method or method.id, values)
        tokens = engine.followed(tokens, calls.run(talk, proxy=proxy, allow_private=private))
    account = calls.run(engine.identify(flow, tokens, _values(flow)), proxy=proxy, allow_private=private)
    return _stored(attempt, entry, flow, tokens, account)


@transaction.atomic
def _stored(attempt: LoginAttempt, entry: Entry, flow: Flow, tokens: Tokens, account: engine.Account) -> Connection:
    Provider.objects.select_for_update().get(pk=entry.id)  # one login at a time: no account gets two connections
    known = Grant.objects.filter(provider_id=entry.id, identity=account.key).first() if account.key else None
    before = grants.grant_of(attempt.connection) if attempt.connection else None
    if before is not None and account.key and before.identity and before.identity != account.key:
        raise LoginFailed("other_account", account.email or account.account_id)
    grant = known or before or Grant(provider_id=entry.id, flow=flow.id)
    connection = grant.connection if grant.pk else attempt.connection
    if connection is None:
        connection = Connection(provider_id=entry.id, name=_name(entry, attempt, account))
        connection.team_id, connection.tags = attempt.team_id, attempt.tags  # before anybody can use it
        _choose_proxy(connection, reveal(attempt, "proxy"))
    connection.secret, connection.origin = None, entry.origin
    connection.save()
    grant.connection, grant.flow, grant.method = connection, flow.id, tokens.method or attempt.method
    grant.accepted_by, grant.accepted_at = attempt.accepted_by, attempt.created_at
    grants.fill_in(grant, tokens, account)
    grant.save()
    return connection


def _name(entry: Entry, attempt: LoginAttempt, account: engine.Account) -> str:
    """A name that no connection of the provider has."""
    stem = (attempt.name or account.email or account.account_id or entry.name)[:90]
    taken = set(Connection.objects.filter(provider_id=entry.id).values_list("name", flat=True))
    names = (stem if number == 1 else f"{stem} {number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def _values(flow: Flow) -> dict[str, str | None]:
    client = grants.client_for(flow)
    mine = {"client_id": client.id, "client_secret": client.secret, "scope": " ".join(flow.scopes)}
    return {**grants.ourselves(), **mine}


def _secrets(attempt: LoginAttempt) -> dict[str, str]:
    found: dict[str, str] = json.loads(reveal(attempt, "secrets") or "{}")
    return found


def _proxy(attempt: LoginAttempt) -> str | None:
    """The URL of the proxy in force: for the connection, else for one that says what was said for this login."""
    if attempt.connection:
        return grants.proxy_for(attempt.connection)
    wanted = reveal(attempt, "proxy") or ""
    if "://" in wanted:
        return wanted
    draft = Connection(provider=attempt.provider)
    _choose_proxy(draft, wanted)
    return grants.proxy_for(draft)


def _choose_proxy(connection: Connection, wanted: str | None) -> None:
    try:
        proxies.choose(connection, wanted)
    except proxies.BadProxy as wrong:
        raise LoginFailed("proxy", str(wrong)) from None
