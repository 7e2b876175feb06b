"""Quotas of accounts: asking vendors, keeping what they and their replies say, offering it to pages and routing.

The usage call of an account replaces what is known of it; headers of replies add to it, and are written only when they
say something new. Every call goes through the account's proxy and the address guard.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from providers import catalogue, connections, grants, outward, proxies, registry
from providers.addresses import AddressRefused
from providers.entry import Entry
from providers.models import Connection, QuotaState, QuotaWindow
from providers.quota.ear import Heard
from providers.quota.table import HEADERS, USAGE, UsageCall
from providers.quota.windows import FLEETING, Left, Reading, Window
from providers.signals import quotas_changed
from providers.vault import SecretUnreadable
from providers.words import clean_words

log = logging.getLogger(__name__)

AT_ONCE = 5
EVERY = timedelta(minutes=10)  # the clock asks an account so often
LONGEST_WAIT = timedelta(hours=2)  # between two questions after failures in a row
WHOLE_TIME = 30.0  # seconds for all questions of one account
LONGEST_REPLY = 2 * 1024 * 1024  # bytes
MUCH = 1.0  # percentage points; a smaller change is not worth a write
SHIFT = timedelta(seconds=90)  # nor is a reset that moves by less
STALE = timedelta(minutes=5)  # a reading of this age is written anew even when nothing changed
HIDDEN = "The vendor does not show the quota of this account; it may work all the same."


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking for one account: what it said, or why it said nothing. ``unauthorized``: it answered 401."""

    reading: Reading | None = None
    message: str = ""
    unauthorized: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    entry: Entry
    calls: tuple[UsageCall, ...]
    bearer: connections.Bearer
    proxy: str | None = field(repr=False)


# -- asking -----------------------------------------------------------------------------------------------------------
def can_ask(provider_id: str) -> bool:
    """Whether the provider's vendor answers to questions about quotas."""
    return provider_id in USAGE


def refresh(connection: Connection) -> Asked:
    """Ask the vendor what is left, and keep it. Not from within an event loop."""
    return refresh_many([connection])[0]


def refresh_many(rows: Iterable[Connection]) -> list[Asked]:
    """As :func:`refresh` for several, at most five at a time, in the order given; those whose login's token is refused
    are asked once more with a renewed one."""
    chosen = list(rows)
    results = grants.asked_for(chosen, lambda some: asyncio.run(_run([_question(row) for row in some])))
    for row, asked in zip(chosen, results, strict=True):
        _keep_asked(row, asked)
    return results


def due(now: datetime) -> QuerySet[Connection]:
    """The connections the clock asks for: in use, with something to ask, their time come."""
    rows = Connection.objects.filter(enabled=True, provider__enabled=True, provider__in=list(USAGE))
    wrong = Q(quota_state__next_at__gt=now + 2 * LONGEST_WAIT)  # set by a clock that has gone back since
    rows = rows.filter(Q(quota_state=None) | Q(quota_state__next_at=None) | Q(quota_state__next_at__lte=now) | wrong)
    return rows.select_related("provider__proxy", "proxy", "grant").order_by("quota_state__next_at", "pk")


def _question(connection: Connection) -> Asked | _Question:
    """What asking needs, or why there can be none."""
    calls = USAGE.get(connection.provider_id)
    if calls is None:
        return Asked(message="This provider tells nothing of quotas when asked.")
    try:
        entry = registry.effective_of(connection.provider)
        way = proxies.way_of(connection)
        if reason := connections.unusable_credential(connection, entry) or proxies.fault_of(way):
            return Asked(message=reason)
        calls = tuple(call for call in calls if _own_address(call, entry))
        if not calls:
            return Asked(message="The provider has another address than its vendor's; its quota is not asked for.")
        bearer = connections.bearer_of(connection)
    except (registry.BadProvider, SecretUnreadable, grants.NotRenewed) as wrong:
        return Asked(message=str(wrong))
    return _Question(entry=entry, calls=calls, bearer=bearer, proxy=proxies.url_of(way))


def _own_address(call: UsageCall, entry: Entry) -> bool:
    """A credential for an operator's own address is not sent to the vendor's."""
    known = catalogue.entries().get(entry.id)
    return not call.url.startswith("https://") or (known is not None and known.origin == entry.origin)


async def _run(questions: Sequence[Asked | _Question]) -> list[Asked]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(question: Asked | _Question) -> Asked:
        if isinstance(question, Asked):
            return question
        async with gate:
            return await _ask(question)

    return list(await asyncio.gather(*map(one, questions)))


class _Refused(Exception):
    """The vendor answered, but not with what was asked for."""


class _Unauthorized(_Refused):
    """It does not take the credential."""


async def _ask(question: _Question) -> Asked:
    secrets = (question.bearer.text, question.proxy)
    readings = []
    try:
        async with asyncio.timeout(WHOLE_TIME):
            for call in question.calls:
                readings.append(call.read(await _document(call, question), timezone.now().timestamp()))
    except AddressRefused as refused:
        return Asked(message=str(refused))
    except _Refused as refused:
        return Asked(message=clean_words(str(refused), secrets), unauthorized=isinstance(refused, _Unauthorized))
    except (TimeoutError, httpx.TimeoutException):
        return Asked(message="No answer in time.")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as wrong:
        words = clean_words(str(wrong), secrets)
        return Asked(message=f"No connection: {words}" if words else "No connection.")
    windows = tuple(window for reading in readings for window in reading.windows)
    if not windows:
        return Asked(message="The vendor's answer holds no quota that this version can read.")
    return Asked(Reading(windows, next((reading.plan for reading in readings if reading.plan), "")))


async def _document(call: UsageCall, question: _Question) -> Any:
    """The vendor's JSON. Raises _Refused for another answer."""
    entry, account = question.entry, question.bearer.account
    url = _url(call.url, entry)
    own = _filled(call.headers, {"client": settings.USER_AGENT, **account})
    headers = {"user-agent": settings.USER_AGENT, "accept": "application/json", **own}
    body = None if call.body is None else _filled(call.body, account)
    client = outward.client(url, headers, allow_private=entry.allow_private_network, proxy=question.proxy)
    async with client:
        for form in call.forms:
            authorization = {"authorization": form.format(question.bearer.text)}
            status, raw = await _sent(client, call.method, url, authorization, body)
            if status not in (401, 403):
                break
    if status in call.hidden:
        return {}
    if not 200 <= status < 300:
        raise (_Unauthorized if status == 401 else _Refused)(f"HTTP {status}: the vendor does not tell the quota.")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise _Refused("The vendor's answer is not JSON.") from None


async def _sent(
    client: httpx.AsyncClient, method: str, url: str, headers: Mapping[str, str], body: Mapping[str, str] | None
) -> tuple[int, bytes]:
    raw = bytearray()
    async with client.stream(method, url, headers=dict(headers), json=body) as response:
        async for chunk in response.aiter_bytes():
            raw += chunk
            if len(raw) > LONGEST_REPLY:
                raise _Refused("The vendor's answer is too long to be one.")
    return response.status_code, bytes(raw)


def _url(url: str, entry: Entry) -> str:
    if url.startswith("/"):
        return entry.origin + url
    return entry.base_url.rstrip("/") + url[1:] if url.startswith("~/") else url


def _filled(templates: Mapping[str, str], account: Mapping[str, str]) -> dict[str, str]:
    """Templates with what is known of the account; those that ask for more are left out."""
    found = {}
    for name, template in templates.items():
        try:
            found[name] = template.format_map(account)
        except KeyError:
            continue
    return found


# -- keeping ----------------------------------------------------------------------------------------------------------
def _keep_asked(connection: Connection, asked: Asked) -> None:
    now = timezone.now()
    state = QuotaState.objects.filter(connection=connection).first() or QuotaState(connection=connection)
    state.asked_at, state.message = now, asked.message[:500]
    state.failures = 0 if asked.reading else min(state.failures + 1, 1000)
    state.next_at = now + min(EVERY * 2 ** min(state.failures, 10), LONGEST_WAIT)
    if asked.reading:
        state.plan = asked.reading.plan or state.plan
    with transaction.atomic():
        state.save()
        if asked.reading:
            _store(connection.pk, asked.reading.windows, now, QuotaWindow.Source.USAGE)
            if asked.reading.plan:
                grants.set_plan(connection.pk, asked.reading.plan)


def keep_heard(heard: Sequence[Heard]) -> None:
    """Keep what replies said, the newest of each account last; accounts that are gone are left out."""
    known = set(Connection.objects.filter(pk__in={each.connection_id for each in heard}).values_list("pk", flat=True))
    newest = {(each.connection_id, each.model): each for each in sorted(heard, key=lambda each: each.at)}
    for each in newest.values():
        reader = HEADERS.get(each.provider)
        if reader is None or each.connection_id not in known:
            continue
        reading = reader.read(each.headers, each.model, each.at)
        with transaction.atomic():
            at = datetime.fromtimestamp(each.at, UTC)
            _store(each.connection_id, reading.windows, at, QuotaWindow.Source.HEADERS)
            if reading.plan:
                _keep_plan(each.connection_id, reading.plan)


def _keep_plan(connection_id: int, plan: str) -> None:
    state, made = QuotaState.objects.get_or_create(connection_id=connection_id, defaults={"plan": plan})
    if not made and state.plan != plan:
        QuotaState.objects.filter(pk=state.pk).update(plan=plan)
    grants.set_plan(connection_id, plan)


def _store(connection_id: int, windows: Iterable[Window], at: datetime, source: str) -> None:
    """Write what is new. A usage call is the whole truth: windows it does not name any more are gone."""
    stored = {
        (row.window, row.family): row
        for row in QuotaWindow.objects.select_for_update().filter(connection_id=connection_id)
    }
    changed = False
    named = {(window.id[:30], window.family[:200]): window for window in windows}
    for key, window in named.items():
        row = stored.get(key) or QuotaWindow(connection_id=connection_id, window=key[0], family=key[1])
        if row.pk and at < row.measured_at <= timezone.now():  # later than now: by a clock that has gone back since
            continue
        values = _values(window)
        news = _is_news(row, values)
        if not news and row.pk and at - row.measured_at < STALE and source == row.source:
            continue
        for name, value in values.items():
            setattr(row, name, value)
        row.measured_at, row.source = at, source
        row.save()
        changed |= news and row.window not in FLEETING
    if source == QuotaWindow.Source.USAGE:
        for key, row in stored.items():
            if key not in named and row.source == source:
                row.delete()
                changed = True
    if changed:
        quotas_changed.send(sender=QuotaWindow)


def _values(window: Window) -> dict[str, Any]:
    used = window.used_percent
    return {
        "used_percent": None if used is None else round(used, 2),
        "used": _decimal(window.used),
        "limit": _decimal(window.limit),
        "remaining": _decimal(window.remaining),
        "unit": window.unit[:30],
        "unlimited": window.unlimited,
        "uncertain": window.uncertain,
        "resets_at": datetime.fromtimestamp(window.resets_at, UTC) if window.resets_at else None,
    }


def _decimal(value: float | None) -> Decimal | None:
    return None if value is None or abs(value) >= 1e15 else Decimal(str(value)).quantize(Decimal("0.0001"))


def _is_news(row: QuotaWindow, values: Mapping[str, Any]) -> bool:
    if row.pk is None:
        return True
    old, new = row.used_percent, values["used_percent"]
    if (old is None) != (new is None) or (old is None and row.remaining != values["remaining"]):
        return True
    if old is not None and new is not None and (abs(old - new) >= MUCH or (new >= 100) != (old >= 100)):
        return True
    before, after = row.resets_at, values["resets_at"]
    if before is None or after is None:
        return before is not after
    return bool(abs(after - before) > SHIFT)


# -- offering ---------------------------------------------------------------------------------------------------------
def standings() -> dict[int, tuple[Left, ...]]:
    """What is left, by connection: for the snapshot that routing reads. Windows of a minute are left out."""
    found: dict[int, list[Left]] = defaultdict(list)
    rows = QuotaWindow.objects.filter(connection__enabled=True, used_percent__isnull=False, unlimited=False)
    for row in rows.exclude(window__in=FLEETING):
        resets_at = row.resets_at.timestamp() if row.resets_at else None
        share = max(0.0, 1 - (row.used_percent or 0.0) / 100)
        found[row.connection_id].append(Left(row.window, row.family, share, row.measured_at.timestamp(), resets_at))
    return {pk: tuple(windows) for pk, windows in found.items()}
