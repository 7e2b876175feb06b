"""Proxies: which one is in force for a call, and why. Giving one its URL, choosing one for a provider or connection.

A proxy that is away, switched off or unreadable is an error of whatever goes through it: nothing is called around it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from providers.addresses import AddressRefused, check_name
from providers.fields import reveal
from providers.models import Connection, Provider, Proxy
from providers.vault import SecretUnreadable

DIRECT: Literal["direct"] = "direct"
USUAL_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
Said = Proxy | Literal["direct"] | None  # what one level says; None: nothing


class BadProxy(ValueError):
    """A proxy that cannot be; a sentence for the operator that never repeats the URL. ``field`` as in the row."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class ProxyOff(Exception):
    """The proxy in force is switched off, so no call may be made."""


class Level(StrEnum):
    """Who says how a call leaves; the narrower one wins."""

    CONNECTION = "connection"
    PROVIDER = "provider"
    GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class Way:
    """How calls leave: through ``proxy``, or directly (None); ``level`` said so, None: nobody said anything."""

    level: Level | None = None
    proxy: Proxy | None = None

    @property
    def label(self) -> str:
        """Level and address in two words, without credentials; empty when no proxy is in force."""
        return f"{self.level} {self.proxy.address}" if self.proxy else ""


# -- which one --------------------------------------------------------------------------------------------------------
def in_force(connection: Said, provider: Said, everywhere: Proxy | None) -> Way:
    """The way of a call from what the three levels say: the narrowest that says anything decides."""
    levels = (Level.CONNECTION, connection), (Level.PROVIDER, provider), (Level.GLOBAL, everywhere)
    for level, said in levels:
        if said is not None:
            return Way(level, None if said == DIRECT else said)
    return Way()


def everywhere() -> Proxy | None:
    """The global proxy."""
    return Proxy.objects.filter(is_global=True).first()


def said_by(row: Provider | Connection) -> Said:
    """What a provider or connection says of its own."""
    return DIRECT if row.direct else row.proxy


ASK = Proxy()  # look the global proxy up


def way_of(connection: Connection, widest: Proxy | None = ASK) -> Way:
    """How a connection's calls leave. An unsaved row with a provider does as well: that is how a login begins.
    ``widest``: the global proxy, where many connections are looked at."""
    return in_force(said_by(connection), said_by(connection.provider), everywhere() if widest is ASK else widest)


def way_of_provider(provider: Provider, widest: Proxy | None = ASK) -> Way:
    """How calls of a provider leave while no connection says otherwise."""
    return in_force(None, said_by(provider), everywhere() if widest is ASK else widest)


def url_of(way: Way) -> str | None:
    """The URL in force, its password included; None = direct. Raises ProxyOff and vault.SecretUnreadable."""
    if way.proxy is None:
        return None
    if not way.proxy.enabled:
        raise ProxyOff(f"The proxy {way.proxy.name} is switched off.")
    url = reveal(way.proxy, "url")
    if url is None:
        raise SecretUnreadable(f"The proxy {way.proxy.name} has no URL.")
    return url


def fault_of(way: Way) -> str | None:
    """Why nothing can be called this way, as a sentence for people; None when it can."""
    name = {"name": way.proxy.name if way.proxy else ""}
    try:
        url_of(way)
    except ProxyOff:
        return _("The proxy %(name)s is switched off; nothing is called around it.") % name
    except SecretUnreadable:
        return _("The proxy %(name)s cannot be decrypted with this installation's keys; enter its URL again.") % name
    return None


# -- writing ----------------------------------------------------------------------------------------------------------
def check_url(url: str | None) -> str:
    """A proxy's URL, stripped. Raises BadProxy."""
    text = (url or "").strip()
    try:
        parts = urlsplit(text)
        fine = bool(
            parts.scheme in USUAL_PORTS and parts.hostname and parts.port != 0 and re.fullmatch(r"[\x21-\x7e]+", text)
        )
    except ValueError:
        fine = False
    if not fine or parts.path.strip("/") or parts.query or parts.fragment:
        raise BadProxy("url", _("A proxy is written as http://, https://, socks5:// or socks5h:// and host:port."))
    try:
        check_name(parts.hostname or "", allow_private=True)  # as before each call
    except AddressRefused:
        raise BadProxy(
            "url",
            _("A proxy may not be at a metadata, multicast or reserved address, nor at one in an unusual spelling."),
        ) from None
    return text.rstrip("/")


def shown_address(url: str) -> str:
    """host:port of a checked URL."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{parts.port or USUAL_PORTS[parts.scheme]}"


def save(proxy: Proxy, url: str | None = None) -> Proxy:
    """Store a proxy; with ``url``, its address as well, and what earlier tests said is forgotten.

    A global one takes that place from another. Raises BadProxy.
    """
    if url is not None:
        proxy.url = checked = check_url(url)
        proxy.scheme, proxy.address = urlsplit(checked).scheme, shown_address(checked)
        proxy.tested_at = proxy.test_ok = proxy.test_latency_ms = proxy.exit_address = None
        proxy.test_message = ""
    elif not proxy.address:
        raise BadProxy("url", _("A proxy needs a URL."))
    try:
        proxy.full_clean(exclude=["url"], validate_constraints=False)
    except ValidationError as wrong:
        field, errors = next(iter(wrong.message_dict.items()))
        raise BadProxy(field, " ".join(errors)) from None
    with transaction.atomic():
        if proxy.is_global:
            Proxy.objects.filter(is_global=True).exclude(pk=proxy.pk).update(is_global=False)
        proxy.save()
    return proxy


def choose(row: Provider | Connection, wanted: str | None) -> bool:
    """Make a provider or connection use a proxy, without saving the row: the name of one, ``direct``, or a URL, which
    becomes a proxy named after the row; empty: as the wider level says. Tells whether anything changed.

    Raises BadProxy. Within a transaction, for a URL is written at once."""
    text = (wanted or "").strip()
    before = (row.proxy_id, row.direct)
    row.direct = text == DIRECT
    if not text or row.direct:
        row.proxy = None
    elif "://" in text:
        row.proxy, renewed = _own(row, text)
        return renewed or before != (row.proxy_id, False)
    else:
        row.proxy = _named(text)
    return before != (row.proxy_id, row.direct)


def checked(wanted: str | None) -> str | None:
    """What :func:`choose` will take, stripped, nothing being written; None: nothing is said. Raises BadProxy."""
    text = (wanted or "").strip()
    if "://" in text:
        return check_url(text)
    if text and text != DIRECT:
        _named(text)
    return text or None


def written(row: Provider | Connection) -> str | None:
    """What :func:`choose` would take for what the row says now."""
    return DIRECT if row.direct else row.proxy.name if row.proxy else None


def _named(name: str) -> Proxy:
    found = Proxy.objects.filter(name=name).first()
    if found is None:
        raise BadProxy("proxy", _("There is no proxy %(name)s.") % {"name": name})
    return found


def _own(row: Provider | Connection, url: str) -> tuple[Proxy, bool]:
    """The proxy named after a row, with that URL, and whether it had to be written."""
    checked = check_url(url)
    name = row.pk if isinstance(row, Provider) else f"{row.provider_id}/{row.name}".replace("://", ":")
    proxy = Proxy.objects.filter(name=name).first() or Proxy(name=name)
    try:
        if not proxy._state.adding and reveal(proxy, "url") == checked:
            return proxy, False
    except SecretUnreadable:
        pass  # then it is written anew
    return save(proxy, checked), True
