"""The section ``proxies``, and ``proxy`` of providers and connections: how calls leave."""

from __future__ import annotations

from collections.abc import Sequence

from omniroute.declarative.changes import Work, assign, shown
from omniroute.declarative.readers import Item
from providers import proxies
from providers.fields import reveal
from providers.models import Connection, Provider, Proxy
from providers.vault import SecretUnreadable


def apply_proxies(items: Sequence[Item], work: Work) -> None:
    """Proxies by name. A URL that the file does not give stays as it is; the place of the global one moves."""
    rows = {row.name: row for row in Proxy.objects.all()}
    for item in items:
        _proxy(rows.get(item["name"]) or Proxy(name=item["name"]), item, work)


def _proxy(row: Proxy, item: Item, work: Work) -> None:
    new = row._state.adding
    wanted = {
        "enabled": item.get("enabled", True),
        "is_global": item.get("global", False),
        "note": item.get("note", ""),
    }
    details = assign(row, wanted)
    url = item.get("url")
    if url is not None and _stored(row) == url:
        url = None
    if url is not None:
        details.append("url changed")
    try:
        if new or details:
            proxies.save(row, url)
    except proxies.BadProxy as wrong:
        work.refuse(item, wrong.field if wrong.field in item else None, str(wrong))
        return
    if new:
        work.added("proxy", row.name)
    else:
        work.changed("proxy", row.name, details)


def _stored(row: Proxy) -> str | None:
    """What cannot be opened is nothing that one could want."""
    try:
        return reveal(row, "url")
    except SecretUnreadable:
        return None


def prune_proxies(items: Sequence[Item], work: Work) -> None:
    """Delete what the section does not name, but for proxies that somebody still goes through. Comes last."""
    named = {item["name"] for item in items}
    for row in Proxy.objects.filter(connections=None, providers=None).exclude(name__in=named):
        work.removed("proxy", row.name)
        row.delete()


def chosen(row: Provider | Connection, item: Item, work: Work) -> list[str]:
    """Let a row use what its ``proxy`` names; what changed, told without addresses."""
    before = proxies.written(row)
    try:
        if not proxies.choose(row, item.get("proxy")):
            return []
    except proxies.BadProxy as wrong:
        work.refuse(item, "proxy", str(wrong))
        return []
    after = proxies.written(row)
    return ["proxy changed"] if before == after else [f"proxy {shown(before)} → {shown(after)}"]
