"""The sections ``providers`` and ``connections``: who can answer, and with which credentials."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from accounts.models import Team
from omniroute.declarative import ways
from omniroute.declarative.changes import Work, assign
from omniroute.declarative.readers import Item
from providers import catalogue, connections, grants, opening, registry
from providers.addresses import AddressRefused
from providers.auth import secrets
from providers.connections import set_secret
from providers.entry import Entry
from providers.fields import reveal
from providers.models import Connection, Provider, ProviderModel, TransportKind
from providers.overrides import MODEL_COLUMNS
from providers.vault import SecretUnreadable

log = logging.getLogger(__name__)
# What a field of a custom provider is when the file does not give it; in an override it then stays as it is.
DEFAULTS: dict[str, Any] = {
    "name": "",
    "alias": "",
    "format": "",
    "base_url": "",
    "allow_private_network": None,
    "tier": "",
    "operations": {},
    "any_model": None,
    "overrides": {},
    "transport": TransportKind.FAST.value,
    "strategy": "",
    "enabled": True,
}
# The same of a connection.
CONNECTION_DEFAULTS: dict[str, Any] = {
    "priority": 1,
    "weight": 1,
    "requests_per_minute": 0,
    "min_gap_ms": 0,
    "max_concurrent": 0,
    "quota_reserve": None,
    "enabled": True,
}
# And these stay as they are: files of earlier programs do not know them.
OPENING_DEFAULTS: dict[str, Any] = {"preamble": "", "adds_preamble": False}
CUSTOM_FORMAT = "openai_chat"


# -- providers ------------------------------------------------------------------------------------------------------
def apply_providers(items: Sequence[Item], work: Work) -> None:
    """Custom providers become what the file says; overrides of the catalogue change in the given fields."""
    rows = {row.id: row for row in Provider.objects.select_related("proxy").prefetch_related("models")}
    if work.prune:
        _prune_providers(rows, {item["id"] for item in items}, work)
    _free_aliases(rows, items)
    for item in items:
        row = rows.get(item["id"])
        if row is None:
            row = Provider(id=item["id"], custom=True)
        _provider(row, item, work)


def _free_aliases(rows: dict[str, Provider], items: Sequence[Item]) -> None:
    """Take the aliases away that the file gives to others, so that two providers can swap theirs in any order."""
    given = {item["alias"]: item["id"] for item in items if item.get("alias")}
    named = [rows[item["id"]] for item in items if item["id"] in rows]
    losers = [row.id for row in named if row.custom and row.alias and given.get(row.alias, row.id) != row.id]
    Provider.objects.filter(id__in=losers).update(alias="")


def _prune_providers(rows: dict[str, Provider], named: set[str], work: Work) -> None:
    for row in [row for row in rows.values() if row.custom and row.id not in named]:
        held = row.connections.count()
        work.removed("provider", row.id, *([f"with its {held} connections"] if held else []))
        del rows[row.id]
        row.delete()


def _provider(row: Provider, item: Item, work: Work) -> None:
    new = row._state.adding
    if row.custom and not item.get("base_url"):
        work.refuse(item, "base_url", "a custom provider needs one.")
        return
    details = assign(row, _wanted(row, item))
    if row.custom or "proxy" in item:
        details += ways.chosen(row, item, work)
    try:
        if new or details:
            registry.save_provider(row)
        models = _models(row, item, work) if item.get("models") is not None else []
        if models:
            registry.save_provider(row)  # judged again, with its models
    except registry.BadProvider as wrong:
        work.refuse(item, wrong.field if wrong.field in DEFAULTS else None, f"{wrong}{_hint(row, wrong)}")
        return
    if new:
        work.added("provider", row.id)
    else:
        work.changed("provider", row.id, details + models)


def _wanted(row: Provider, item: Item) -> dict[str, Any]:
    wanted = {name: item.get(name, default) for name, default in DEFAULTS.items() if row.custom or name in item}
    if row.custom:
        wanted["format"] = item.get("format", CUSTOM_FORMAT)
    if "base_url" in wanted:
        wanted["base_url"] = wanted["base_url"].rstrip("/")
    return wanted


def _hint(row: Provider, wrong: registry.BadProvider) -> str:
    """What the file can say about an address that was refused for being a private one."""
    entry = catalogue.entries().get(row.id) if not row.custom else None
    private = row.allow_private_network
    if private is None:
        private = entry is not None and entry.allow_private_network
    if private or not isinstance(wrong.__cause__, AddressRefused):
        return ""
    return " (allow_private_network: true opens loopback, private and link-local addresses)"


def _models(row: Provider, item: Item, work: Work) -> list[str]:
    """A custom provider has exactly the models of the list; overrides of the catalogue's go only when pruned."""
    rows = {model.model_id: model for model in row.models.all()}
    details: list[str] = []
    given = item.get("models", [])
    for each in given:
        model = rows.pop(each["id"], None)
        new = model is None
        model = model or ProviderModel(provider=row, model_id=each["id"])
        wanted = {name: each.get(name) for name in MODEL_COLUMNS} | {"enabled": each.get("enabled", True)}
        changes = assign(model, wanted)
        if new or changes:
            model.save()
        details += [f"+ model {model.model_id}"] if new else [f"model {model.model_id} {text}" for text in changes]
    if row.custom or work.prune:
        for model in rows.values():
            model.delete()
            details.append(f"- model {model.model_id}")
    return details


# -- connections ----------------------------------------------------------------------------------------------------
def apply_connections(items: Sequence[Item], work: Work, unlisted: set[str]) -> None:
    """Connections by provider and name. A credential that the file does not give stays as it is; null removes it.

    ``unlisted``: custom providers the file leaves out and ``--prune`` just deleted, for a message that says so.
    """
    entries = registry.effective_all()
    rows = {(row.provider_id, row.name): row for row in Connection.objects.select_related("proxy", "team", "grant")}
    teams = {team.name: team for team in Team.objects.all()}
    if work.prune:
        named = {(item["provider"], item["name"]) for item in items}
        for key in [key for key in rows if key not in named]:
            work.removed("connection", "/".join(key))
            rows.pop(key).delete()
    for item in items:
        entry = entries.get(item["provider"])
        if entry is None:
            why = (
                " any more: --prune deletes it, for providers does not name it" if item["provider"] in unlisted else ""
            )
            work.refuse(item, "provider", f"there is no usable provider {item['provider']!r}{why}.")
            continue
        if entry.ended:
            work.refuse(item, "provider", f"{entry.name} ended on {entry.ended}; nothing connects to it any more.")
            continue
        team = teams.get(item.get("team") or "")
        if item.get("team") and team is None:
            work.refuse(item, "team", f"there is no team {item['team']!r}.")
            continue
        row = rows.get((item["provider"], item["name"]))
        _connection(row or Connection(provider_id=item["provider"], name=item["name"]), item, entry, team, work)


def _connection(row: Connection, item: Item, entry: Entry, team: Team | None, work: Work) -> None:
    new, name = row._state.adding, f"{row.provider_id}/{row.name}"
    if fault := _auth_fault(row, item, entry):
        work.refuse(item, *fault)
        return
    adds = row.adds_preamble
    wanted = {field: item.get(field, default) for field, default in CONNECTION_DEFAULTS.items()}
    wanted |= {field: item[field] for field in OPENING_DEFAULTS if field in item}
    details = assign(row, {**wanted, "tags": item.get("tags", []), "team": team})
    try:
        connections.check_opening(row, entry)
        details += _parameters(row, item, entry)
        secret = secrets.normalised(entry.auth, item.get("api_key") or "") or None
        if "api_key" in item and not _is(row, secret, connections.at(entry, row.parameters).origin):
            details.append("secret changed" if secret else "secret removed")
            set_secret(row, secret, entry)
    except (connections.BadConnection, secrets.BadSecret) as bad:
        field = "secret" if isinstance(bad, secrets.BadSecret) else bad.field
        work.refuse(item, "api_key" if field == "secret" else field, str(bad))
        return
    if "proxy" in item:
        details += ways.chosen(row, item, work)
    if new or details:
        row.save()
    if row.adds_preamble is not adds:
        said = opening.told(row.adds_preamble)
        transaction.on_commit(lambda: log.warning("connection %s: %s", name, said))  # not of a dry run
    if new:
        work.added("connection", name)
    else:
        work.changed("connection", name, details)


def _parameters(row: Connection, item: Item, entry: Entry) -> list[str]:
    """What changed. The file says all of them: those that it leaves out are gone. Raises BadConnection."""
    before = row.parameters
    connections.set_parameters(row, dict(item.get("parameters", ())), entry)
    names = sorted({*before, *row.parameters})
    return [
        f"parameters.{name}: {before.get(name, '')!r} → {row.parameters.get(name, '')!r}"
        for name in names
        if before.get(name) != row.parameters.get(name)
    ]


def _auth_fault(row: Connection, item: Item, entry: Entry) -> tuple[str, str] | None:
    """``auth: oauth`` only refers to a login: nothing but a person at the vendor's page can make one."""
    if item.get("auth") and not entry.login:
        return "auth", f"{entry.id} has no login of its own."
    if item.get("api_key") and grants.grant_of(row) is not None:
        return "api_key", "this connection has a login; an API key is a connection of its own."
    return None


def _is(row: Connection, wanted: str | None, origin: str) -> bool:
    """Whether this is stored already, and for this address. What cannot be opened is nothing that one could want."""
    try:
        stored = reveal(row, "secret")
    except SecretUnreadable:
        return False
    return stored == wanted and (not wanted or row.origin == origin)
