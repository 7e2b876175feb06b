"""Connections: one credential of a provider each. Adding, giving a secret, testing; whether one may be used."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, NoReturn

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from providers import grants, opening, proxies, registry, renewal
from providers.addresses import AddressRefused, check_url
from providers.auth import secrets
from providers.entry import Entry
from providers.fields import reveal
from providers.models import Connection, Grant, Provider
from providers.probe import Probe, probe
from providers.proxies import Way
from providers.special import UNSPOKEN
from providers.vault import SecretUnreadable

TAG = re.compile(r"[^\W_][\w.-]{0,29}")
MOST_TAGS = 20
PACE = ("weight", "requests_per_minute", "min_gap_ms", "max_concurrent", "quota_reserve")  # how often it is asked
TESTS_AT_ONCE = 5


class BadConnection(ValueError):
    """A connection that cannot be; a sentence for the operator that never holds the secret. ``field`` as in the row."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


# -- reading ------------------------------------------------------------------------------------------------------
def secret_of(connection: Connection) -> str | None:
    """The credential in plain text, None when there is none. Raises vault.SecretUnreadable, never gives ciphertext.

    Ask :func:`usable_reason` first: a secret must not go to another address than the one it was given for.
    """
    return reveal(connection, "secret")


def values_of(connection: Connection) -> Mapping[str, str]:
    """Its parameters, and what its login told of the account: project, profile."""
    grant = grants.grant_of(connection)
    return connection.parameters if grant is None else {**grant.facts, **connection.parameters}


def proxy_of(connection: Connection) -> str | None:
    """The URL of the proxy in force, its password included; None = direct. Raises vault.SecretUnreadable, ProxyOff."""
    return proxies.url_of(proxies.way_of(connection))


@dataclass(frozen=True, slots=True)
class Bearer:
    """A credential for calls beside requests, and what is known of its account: ``account_id``, ``project`` …"""

    text: str = field(repr=False)
    account: Mapping[str, str] = field(default_factory=dict)


def bearer_of(connection: Connection) -> Bearer:
    """What the control plane calls the vendor with; a login's token is valid now. Blocking.

    Raises vault.SecretUnreadable and grants.NotRenewed.
    """
    grant = grants.grant_of(connection)
    if grant is None:
        return Bearer(secret_of(connection) or "")
    return Bearer(grants.access_token(connection), {**grant.facts, "account_id": grant.account_id})


def usable_reason(connection: Connection, entry: Entry, way: Way | None = None) -> str | None:
    """None when the connection can be used; else why not, as a sentence for people. ``way``: when it is known."""
    if not connection.enabled:
        return _("The connection is disabled.")
    return unusable_credential(connection, entry) or proxies.fault_of(way or proxies.way_of(connection))


def unusable_credential(connection: Connection, entry: Entry) -> str | None:
    """None when the credential can be used with its provider; else why not, as a sentence for people."""
    if entry.ended:
        return ended(entry)
    if entry.envelope in UNSPOKEN:
        return str(UNSPOKEN[entry.envelope])
    try:
        entry = at(entry, connection.parameters)
    except BadConnection as wrong:
        return str(wrong)
    grant = grants.grant_of(connection)
    if grant is not None:
        return _unusable_login(connection, grant, entry)
    try:
        secret = secret_of(connection)
    except SecretUnreadable:
        return _("What is stored cannot be decrypted with this installation's keys; enter the API key again.")
    if secret is None and entry.login:
        return _("Nobody has logged in yet.")
    if secret is None:
        return _("An API key is needed.") if entry.needs_secret else None
    if connection.origin != entry.origin:
        return _("The provider's address changed since the API key was entered; enter it again.")
    if entry.login_only:
        return _login_only(entry)
    if not secrets.fits(entry.auth, secret):
        return _("The provider is signed in to differently since the API key was entered; enter it again.")
    return None


def _unusable_login(connection: Connection, grant: Grant, entry: Entry) -> str | None:
    try:
        reason = grants.reason(grant)
    except SecretUnreadable:
        return _("What is stored cannot be decrypted with this installation's keys; log in again.")
    if reason is None and connection.origin != entry.origin:
        return _("The provider's address changed since the login; log in again.")
    return reason


def _login_only(entry: Entry) -> str:
    return _("%(name)s is connected by logging in; it takes no API key.") % {"name": entry.name}


def ended(entry: Entry) -> str:
    """That the vendor has ended the provider, and when."""
    return _("%(name)s ended on %(day)s.") % {
        "name": entry.name,
        "day": date_format(entry.ended or date.max, "DATE_FORMAT"),
    }


def at(entry: Entry, parameters: Mapping[str, str]) -> Entry:
    """The entry with a connection's values in its address and headers. Raises BadConnection, field ``parameters``."""
    try:
        filled = entry.at(parameters)
        if filled is not entry:
            check_url(filled.base_url, allow_private=entry.allow_private_network)
    except (AddressRefused, ValueError) as wrong:
        raise BadConnection("parameters", str(wrong)) from None
    return filled


# -- writing ------------------------------------------------------------------------------------------------------
# ``entry`` is the provider's, for those who have it already: working it out asks the database and reads every model.
def set_secret(connection: Connection, text: str | None, entry: Entry | None = None) -> None:
    """Give a connection its credential, bound to the address its provider has now; empty takes it away.

    The text is one of the provider's auth scheme (``auth.secrets``); its parameters, which are a part of the address,
    must be there before. A stored row is saved (these two columns); a new one is left to its own ``save()``. Raises
    BadConnection and BadProvider.
    """
    entry = entry or registry.effective_of(connection.provider)
    try:
        secret = secrets.normalised(entry.auth, text or "")
    except secrets.BadSecret as wrong:
        _refuse("secret", str(wrong))
    if secret and grants.grant_of(connection) is not None:
        _refuse("secret", _("This connection has a login; an API key is a connection of its own."))
    if secret and entry.login_only:
        _refuse("secret", _login_only(entry))
    connection.secret = secret or None
    connection.origin = at(entry, connection.parameters).origin if secret else ""
    if not connection._state.adding:
        connection.save(update_fields=["secret", "origin"])


def check_open(entry: Entry) -> None:
    """Whether the provider can be connected at all. Raises BadConnection when the vendor has ended it."""
    if entry.ended:
        _refuse("provider", ended(entry))


def set_parameters(connection: Connection, given: Mapping[str, str], entry: Entry | None = None) -> None:
    """Give a connection its values for the provider's placeholders; the caller saves. Empty ones count as not given.

    Raises BadConnection for a value that is missing or does not fit, a name that the provider does not have, and an
    address that the guard refuses.
    """
    entry = entry or registry.effective_of(connection.provider)
    said = {name: value.strip() for name, value in given.items() if value.strip()}
    known = {parameter.name for parameter in entry.parameters}
    if unknown := sorted(set(said) - known):
        names = ", ".join(sorted(known)) or _("none")
        _refuse(
            "parameters",
            _("%(name)s is not a parameter of this provider; it has: %(known)s.")
            % {"name": unknown[0], "known": names},
        )
    at(entry, said)
    connection.parameters = said


def set_proxy(connection: Connection, wanted: str | None) -> bool:
    """As :func:`proxies.choose`. Raises BadConnection."""
    try:
        return proxies.choose(connection, wanted)
    except proxies.BadProxy as wrong:
        _refuse("proxy", str(wrong))


def check_tags(tags: Iterable[str]) -> list[str]:
    """Tags as they are stored: small letters, each once, sorted. Raises BadConnection."""
    found = sorted({tag.strip().lower() for tag in tags if tag.strip()})
    if any(not TAG.fullmatch(tag) for tag in found):
        _refuse("tags", _("A tag is one word of at most 30 letters, digits, dots, underscores and hyphens."))
    if len(found) > MOST_TAGS:
        _refuse("tags", _("A connection has at most %(limit)s tags.") % {"limit": MOST_TAGS})
    return found


def check_opening(connection: Connection, entry: Entry | None = None) -> None:
    """Whether the opening text that the row says can be. Raises BadConnection."""
    entry = entry or registry.effective_of(connection.provider)
    if wrong := opening.fault(entry, connection.preamble, connection.adds_preamble):
        _refuse(*wrong)


def tagged(rows: QuerySet[Connection], tag: str) -> QuerySet[Connection]:
    """Those of the rows that have the tag. Looked for here: SQLite cannot be asked what a list of JSON contains."""
    having = [pk for pk, tags in Connection.objects.values_list("pk", "tags") if tag.lower() in tags]
    return rows.filter(pk__in=having)


def add(
    provider: Provider,
    name: str,
    secret: str | None = None,
    *,
    priority: int = 1,
    proxy: str | None = None,
    enabled: bool = True,
    parameters: Mapping[str, str] | None = None,
    tags: Iterable[str] = (),
    team: Any = None,
    preamble: str = "",
    adds_preamble: bool = False,
    **pace: int | None,
) -> Connection:
    """A new, saved connection; ``pace`` as in PACE, the opening text as in ``opening``. Raises
    BadConnection (name taken or empty, key, parameter or proxy malformed) and BadProvider."""
    entry = registry.effective_of(provider)
    check_open(entry)
    connection = Connection(provider=provider, name=name.strip(), priority=priority, enabled=enabled, team=team, **pace)
    connection.tags = check_tags(tags)
    connection.preamble, connection.adds_preamble = preamble, adds_preamble
    check_opening(connection, entry)
    set_parameters(connection, parameters or {}, entry)
    set_secret(connection, secret, entry)
    try:
        connection.full_clean(exclude=["secret"])
    except ValidationError as wrong:
        field, errors = next(iter(wrong.message_dict.items()))
        _refuse("name" if field == "__all__" else field, " ".join(errors))
    with transaction.atomic():
        set_proxy(connection, proxy)
        connection.save()
    return connection


# -- testing ------------------------------------------------------------------------------------------------------
def test(connection: Connection) -> Probe:
    """Ask the provider whether the credential works, and keep the result on the row. Not from within an event loop."""
    return test_many([connection])[0]


test.__test__ = False  # type: ignore[attr-defined]  # pytest: a service, not a test


def test_many(connections: Iterable[Connection]) -> list[Probe]:
    """As :func:`test` for several, at most five at a time, in the order given; disabled ones are tested as well. Those
    whose login's token is refused are tested once more with a renewed one."""
    rows = list(connections)
    results: list[Probe] = []
    for first in range(0, len(rows), TESTS_AT_ONCE):  # stored as they come, for those who watch
        some = rows[first : first + TESTS_AT_ONCE]
        results += grants.asked_for(some, lambda these: asyncio.run(_run([prepared(row) for row in these])))
        for row, result in zip(some, results[first:], strict=True):
            _store(row, result)
    return results


test_many.__test__ = False  # type: ignore[attr-defined]

Prepared = Probe | tuple[Entry, str | None, str | None, Mapping[str, str]]


def prepared(connection: Connection) -> Prepared:
    """What asking the provider needs (entry, secret, proxy), or why it cannot be asked."""
    try:
        entry = registry.effective_of(connection.provider)
    except registry.BadProvider as wrong:
        return Probe(ok=False, message=str(wrong))
    way = proxies.way_of(connection)
    if reason := unusable_credential(connection, entry) or proxies.fault_of(way):
        return Probe(ok=False, message=reason)
    entry, values = at(entry, connection.parameters), values_of(connection)
    grant = grants.grant_of(connection)
    if grant is None:
        return entry, secret_of(connection), proxies.url_of(way), values
    try:
        token = grants.access_token(connection)
    except grants.NotRenewed as wrong:
        return Probe(ok=False, message=str(wrong))
    auth = "bearer" if renewal.signs(entry) else entry.auth  # as requests carry it
    entry = replace(entry, auth=auth, headers={**entry.headers, **grants.probe_headers(grant)})
    return entry, token, proxies.url_of(way), values


async def _run(prepared: Sequence[Prepared]) -> list[Probe]:
    async def one(item: Prepared) -> Probe:
        return item if isinstance(item, Probe) else await probe(*item)

    return list(await asyncio.gather(*map(one, prepared)))


def test_soon(connections: QuerySet[Connection]) -> int:
    """Have them tested in the background; how many. Until a result comes, each says since when it waits."""
    chosen = list(connections.values_list("pk", flat=True))
    connections.update(testing_since=timezone.now())
    transaction.on_commit(lambda: _queue(chosen))
    return len(chosen)


test_soon.__test__ = False  # type: ignore[attr-defined]


def _queue(chosen: list[int]) -> None:
    from providers.tasks import test_connections  # Celery is loaded by the first who needs it

    test_connections.delay(chosen)


def _store(connection: Connection, result: Probe) -> None:
    connection.tested_at, connection.test_ok = timezone.now(), result.ok
    connection.test_message, connection.test_latency_ms = result.message[:500], result.latency_ms
    connection.testing_since = None
    names = ("testing_since", "tested_at", "test_ok", "test_message", "test_latency_ms")
    # Not save(): a test changes nothing the hot path reads, so the configuration's version stays.
    Connection.objects.filter(pk=connection.pk).update(**{name: getattr(connection, name) for name in names})


def _refuse(field: str, sentence: str) -> NoReturn:
    raise BadConnection(field, sentence)
