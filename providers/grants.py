"""Grants: the tokens that vendors' logins gave, kept fresh, each renewed by one at a time over all processes.

Whoever renews takes a lease on the row, so that others wait for the result instead of asking the vendor again; the
lease ends by itself. What is stored must follow on the generation it began with, so a process that was overtaken while
it slept never overwrites a newer token. A rotated token is committed before anybody uses it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from providers import proxies, registry
from providers.fields import reveal
from providers.logins import calls, engine
from providers.logins.engine import Account, LoginFailed, Tokens
from providers.logins.flow import Client, Flow, client_of, flows
from providers.models import Connection, Grant, VaultCanary
from providers.vault import SecretUnreadable

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=70)  # longer than calls.WHOLE_TIME: it ends while its holder works only if that one is stuck
WAIT = 65.0  # seconds one waits for another's renewal
LOOK = 0.05  # seconds between two looks at the row
YOUNG = timedelta(seconds=30)  # a token that was refused at this age is not renewed: the refusal has another reason
EARLY = timedelta(seconds=45)  # a token is as good as expired so long before its end
BACKOFF, LONGEST_BACKOFF = 5, 300  # seconds until a renewal that failed in passing is tried again
# What a vendor says of the client that asks, not of the token. Ours may be mended in the environment.
CLIENT_REFUSED = frozenset(("invalid_client", "unauthorized_client"))


@dataclass(frozen=True, slots=True)
class Token:
    """An access token as it is used. ``expires_at`` is Unix time, None: until it is refused."""

    text: str = field(repr=False)
    generation: int
    expires_at: float | None = None


class NotRenewed(Exception):
    """There is no token to use. ``ended``: somebody has to log in again; else it may pass. English, no secrets."""

    def __init__(self, message: str, *, ended: bool = False) -> None:
        super().__init__(message)
        self.ended = ended


# -- reading ------------------------------------------------------------------------------------------------------
def grant_of(connection: Connection) -> Grant | None:
    """The connection's login, if it has one. One query unless it was selected along."""
    try:
        return connection.grant
    except Grant.DoesNotExist:
        return None


def flow_of(grant: Grant) -> Flow | None:
    """None when this version knows the vendor's login no more."""
    return flows().get(grant.flow)


def token_of(grant: Grant) -> Token:
    """The stored access token. Raises vault.SecretUnreadable."""
    flow, text = flow_of(grant), reveal(grant, "access_token") or ""
    form = flow.bearer if flow else "{access_token}"
    prefix, _hole, suffix = form.partition("{access_token}")
    whole = text if prefix and text.startswith(prefix) else f"{prefix}{text}{suffix}"
    return Token(whole, grant.generation, grant.expires_at.timestamp() if grant.expires_at else None)


def reason(grant: Grant) -> str | None:
    """Why the grant cannot be used, as a sentence for people; None when it can. Raises vault.SecretUnreadable."""
    reveal(grant, "access_token")
    reveal(grant, "refresh_token")
    if grant.state == Grant.State.ENDED:
        return _("The login has ended; log in again.")
    return None


def access_token(connection: Connection) -> str:
    """A token that is valid now, renewed if it has to be: for calls beside requests. Blocking.

    Raises NotRenewed and vault.SecretUnreadable.
    """
    grant = grant_of(connection)
    if grant is None:
        raise NotRenewed("The connection has no login.", ended=True)
    if _runs_out(grant):
        return refresh(grant.pk).text
    if grant.state == Grant.State.ENDED:
        raise NotRenewed("The login has ended.", ended=True)
    return token_of(grant).text


def headers_of(grant: Grant) -> dict[str, str]:
    """What requests upstream carry beside the token, as templates: only ``{session}`` is left to fill in."""
    flow = flow_of(grant)
    values = {**grant.facts, **ourselves(), "account_id": grant.account_id, "session": "{session}"}
    return engine.filled(flow.sends, values) if flow else {}


def probe_headers(grant: Grant) -> dict[str, str]:
    """The same for one call that belongs to no conversation."""
    flow = flow_of(grant)
    told = {name: value for name, value in headers_of(grant).items() if "{session}" not in value}
    return {**(flow.includes if flow else {}), **told}


def ended() -> int:
    """How many connections in use need a new login."""
    return Grant.objects.filter(state=Grant.State.ENDED, connection__enabled=True).count()


# -- renewing -----------------------------------------------------------------------------------------------------
def refresh(pk: int, *, seen: int | None = None) -> Token:
    """A token newer than the one of generation ``seen`` (None: than the stored one), asked of the vendor at most once
    over all processes. Blocking; not within a transaction. Raises NotRenewed and vault.SecretUnreadable."""
    until = time.monotonic() + WAIT
    first = _read(pk)
    seen = first.generation if seen is None else seen
    while True:
        grant = _read(pk)
        if grant.generation != seen:
            return token_of(grant)
        _check(grant)
        if _lease(grant):
            return _renew(grant)
        if time.monotonic() > until:
            raise NotRenewed("Another process is renewing the token and does not come to an end.")
        time.sleep(LOOK)


def _read(pk: int) -> Grant:
    try:
        return Grant.objects.select_related("connection__provider").get(pk=pk)
    except Grant.DoesNotExist:
        raise NotRenewed("The login is gone.", ended=True) from None


def _check(grant: Grant) -> None:
    """Raises NotRenewed when asking the vendor would be of no use now."""
    if grant.state == Grant.State.ENDED:
        raise NotRenewed("The login has ended; somebody has to log in again.", ended=True)
    if grant.state == Grant.State.FAILING and grant.renew_at is not None and _ahead(grant.renew_at, LONGEST_BACKOFF):
        raise NotRenewed(f"The token could not be renewed: {grant.message}")


def _ahead(moment: datetime, longest: float) -> bool:
    """Whether it is still to come. What lies further ahead than it was ever set was set by a clock that was wrong."""
    return 0 < (moment - timezone.now()).total_seconds() <= longest


def _runs_out(grant: Grant) -> bool:
    return grant.expires_at is not None and grant.expires_at - timezone.now() < EARLY


def _lease(grant: Grant) -> bool:
    now = timezone.now()
    free = Q(leased_until=None) | Q(leased_until__lt=now) | Q(leased_until__gt=now + 2 * LEASE)  # the clock went back
    rows = Grant.objects.filter(free, pk=grant.pk, generation=grant.generation, state=grant.state)
    taken: int = rows.update(leased_until=now + LEASE)
    return taken == 1


def _renew(grant: Grant) -> Token:
    """With the lease: ask the vendor, and store before anything else."""
    try:
        tokens = _ask(grant)
    except LoginFailed as wrong:
        return _failed(grant, wrong)
    except BaseException:
        Grant.objects.filter(pk=grant.pk).update(leased_until=None)
        raise
    return token_of(store(grant, tokens, None, follows=grant.generation))


def _ask(grant: Grant) -> Tokens:
    flow = flow_of(grant)
    if flow is None:
        raise LoginFailed("unknown_login", final=True)
    entry = registry.effective_of(grant.connection.provider)
    hidden = hidden_of(grant)
    client = client_for(flow)
    values = {
        **ourselves(),
        **grant.facts,
        "client_id": hidden.get("client_id") or client.id,
        "client_secret": hidden.get("client_secret") or client.secret,
        "refresh_token": reveal(grant, "refresh_token"),
    }
    talk = engine.refresh(flow, grant.method, values)
    tokens: Tokens = calls.run(talk, proxy=proxy_for(grant.connection), allow_private=entry.allow_private_network)
    return tokens


def _failed(grant: Grant, wrong: LoginFailed) -> Token:
    """What follows from a refusal. Somebody else may have renewed meanwhile: the row is read again before the login is
    declared ended. Raises NotRenewed unless it was."""
    fresh = _read(grant.pk)
    if fresh.generation != grant.generation:
        return token_of(fresh)
    words = wrong.words or wrong.code
    if wrong.final or _client_ended(fresh, wrong):
        end(fresh, words)
        raise NotRenewed(f"The login has ended: {words}", ended=True)
    wait = min(BACKOFF * 2**fresh.failures, LONGEST_BACKOFF)
    Grant.objects.filter(pk=grant.pk, generation=grant.generation).update(
        state=Grant.State.FAILING,
        message=words[:500],
        failures=F("failures") + 1,
        renew_at=timezone.now() + timedelta(seconds=wait),
        leased_until=None,
    )
    log.warning("the token of %s could not be renewed: %s", fresh.connection, words)
    raise NotRenewed(f"The token could not be renewed: {words}")


def _client_ended(grant: Grant, wrong: LoginFailed) -> bool:
    """Whether the refusal is of a client that was made for this login alone: AWS ends those after some 90 days."""
    return wrong.code in CLIENT_REFUSED and "client_id" in hidden_of(grant)


def end(grant: Grant, words: str) -> None:
    """The login is over: the connection is left out until somebody logs in again, and administrators are told."""
    from providers import notices

    with transaction.atomic():
        row = Grant.objects.select_for_update().get(pk=grant.pk)
        if row.generation != grant.generation or row.state == Grant.State.ENDED:
            return
        row.state, row.message, row.renew_at, row.leased_until = Grant.State.ENDED, words[:500], None, None
        row.save(update_fields=["state", "message", "renew_at", "leased_until"])
        transaction.on_commit(lambda: notices.login_ended(grant.pk))
    log.warning("the login of %s has ended: %s", grant.connection, words)


def refused(pk: int, *, seen: int) -> Token:
    """As :func:`refresh`, after the vendor refused the token of that generation; what cannot be renewed ends."""
    grant = _read(pk)
    flow = flow_of(grant)
    renewable = flow is not None and flow.refresh_of(grant.method) is not None and grant.refresh_token is not None
    if grant.generation == seen and not renewable and grant.state != Grant.State.ENDED:
        end(grant, _("The provider refuses the token, and it cannot be renewed."))
        raise NotRenewed("The token was refused and cannot be renewed.", ended=True)
    if grant.generation == seen and abs(timezone.now() - grant.obtained_at) < YOUNG and not _runs_out(grant):
        raise NotRenewed("The token was refused although it is new.")
    return refresh(pk, seen=seen)


class Told(Protocol):
    """What came of a call beside requests; ``unauthorized``: the vendor answered 401."""

    @property
    def unauthorized(self) -> bool: ...


T = TypeVar("T", bound=Told)


def asked_for(rows: Sequence[Connection], ask: Callable[[Sequence[Connection]], list[T]]) -> list[T]:
    """What came of asking for each row. Those whose login's token was refused are asked for once more, with a renewed
    one; a login that cannot be renewed ends."""
    results = ask(rows)
    again = [at for at, told in enumerate(results) if told.unauthorized and _renewed(rows[at])]
    if again:
        for at, told in zip(again, ask([rows[at] for at in again]), strict=True):
            results[at] = told
    return results


def _renewed(connection: Connection) -> bool:
    """Whether the connection's login has another token than the refused one now."""
    grant = grant_of(connection)
    if grant is None:
        return False
    try:
        refused(grant.pk, seen=grant.generation)
    except (NotRenewed, SecretUnreadable) as wrong:
        log.info("the token of %s was refused: %s", connection, wrong)
        return False
    grant.refresh_from_db()
    return True


# -- storing ------------------------------------------------------------------------------------------------------
def store(grant: Grant, tokens: Tokens, account: Account | None, *, follows: int) -> Grant:
    """Commit tokens that follow on generation ``follows``; returns the row as it is then. When something newer was
    stored meanwhile, that stays and comes back."""
    with transaction.atomic():
        row = Grant.objects.select_for_update().get(pk=grant.pk)
        if row.generation != follows:
            return row
        fill_in(row, tokens, account)
        row.save()
    return row


def set_plan(connection_id: int, plan: str) -> None:
    """What a usage call or a reply said of the account's plan. No new configuration: requests do not go by it."""
    Grant.objects.filter(connection_id=connection_id).exclude(plan=plan[:100]).update(plan=plan[:100])


def fill_in(row: Grant, tokens: Tokens, account: Account | None) -> None:
    """Put tokens into an unsaved state of the row; what the vendor left out stays."""
    flow = flows()[row.flow]
    now = timezone.now()
    row.access_token = tokens.access
    row.refresh_token = tokens.refresh or row.refresh_token
    row.id_token = tokens.id or row.id_token
    assumed = flow.lifetime if row.refresh_token and flow.lifetime else None
    lasts = tokens.lasts if tokens.lasts is not None else assumed
    row.scope = tokens.scope or row.scope
    if account is None:
        row.plan = engine.told_by(flow, tokens).plan or row.plan  # the account is the same, its plan may be another
    else:
        row.identity, row.email, row.account_id = account.key, account.email, account.account_id
        row.plan, row.facts = account.plan, dict(account.facts)
        row.hidden = json.dumps(dict(tokens.hidden)) if tokens.hidden else None
    row.generation = row.generation + 1 if row.pk else 1
    row.obtained_at, row.expires_at = now, now + timedelta(seconds=lasts) if lasts is not None else None
    renewable = row.refresh_token is not None and flow.refresh_of(row.method) is not None
    row.renew_at = _renewal(row, flow.lead) if renewable else None
    row.state, row.message, row.failures, row.leased_until = Grant.State.GOOD, "", 0, None


def _renewal(row: Grant, lead: int) -> datetime | None:
    """When the clock renews it: ``lead`` seconds before its end and up to as much earlier, so that accounts which log
    in together do not renew together. By the row's own id, so that it is the same wherever it is worked out."""
    if row.expires_at is None:
        return None
    life = (row.expires_at - row.obtained_at).total_seconds()
    lead_now = min(lead, life / 2)
    part = int.from_bytes(hashlib.sha256(row.uid.bytes).digest()[:4], "big") / 2**32
    return row.expires_at - timedelta(seconds=lead_now + part * min(lead_now, life / 4))


def hidden_of(grant: Grant) -> Mapping[str, str]:
    """Further secrets of the login. Raises vault.SecretUnreadable."""
    text = reveal(grant, "hidden")
    found: Mapping[str, str] = json.loads(text) if text else {}
    return found


def proxy_for(connection: Connection) -> str | None:
    """The proxy of everything the connection calls, its login included; None = direct. An unsaved row does as well.
    Raises LoginFailed("proxy") when the one in force cannot be used: nothing is called around it."""
    way = proxies.way_of(connection)
    if fault := proxies.fault_of(way):
        raise LoginFailed("proxy", fault)
    return proxies.url_of(way)


def client_for(flow: Flow) -> Client:
    """Which application we log in as."""
    return client_of(flow, settings.OAUTH_CLIENT_VARIABLE)


def ourselves() -> dict[str, str]:
    """What vendors may know of us: version and installation."""
    return {"version": settings.USER_AGENT.partition("/")[2], "installation": installation()}


def installation() -> str:
    """A stable id of this installation, for vendors that want one per device; "" before the first start is done."""
    uid = VaultCanary.objects.values_list("uid", flat=True).first()
    return str(uid or "")
