"""The inverse of ``apply``: the installation as a document that would make it again."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from itertools import chain, count
from typing import Any

import yaml
from modeltranslation.utils import build_localized_fieldname

from omniroute.declarative import shaping, spending
from omniroute.declarative.changes import shown
from omniroute.declarative.document import escape, plain
from omniroute.declarative.providing import CONNECTION_DEFAULTS, DEFAULTS, OPENING_DEFAULTS
from omniroute.declarative.schema import RESILIENCE, SWITCHES
from omniroute.i18n.languages import LANGUAGES
from providers import grants, proxies, registry
from providers.fields import reveal
from providers.models import Connection, Provider, Proxy
from providers.overrides import MODEL_COLUMNS
from providers.vault import SecretUnreadable
from routing import combos
from routing.models import Alias, ApiKey, Combo, GatewaySettings, Strategy
from routing.patterns import is_plain

UNQUOTED = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
WORDS = ("yes", "no", "on", "off", "y", "n")  # text to us, switches to other readers of YAML
Section = list[dict[str, Any]]


class Reference(str):
    """``${NAME}``: text that must not be escaped, for it is meant to be taken from the environment."""


def export(*, with_secrets: bool = False) -> str:
    """The document as YAML, with a comment on what it leaves out. Raises vault.SecretUnreadable (with secrets only)."""
    names = _Names(with_secrets)
    client_keys, left_out = _api_keys()
    sections: dict[str, Any] = {
        "proxies": [_proxy(row, names) for row in Proxy.objects.all()],
        "providers": _providers(),
        "connections": [_connection(row, names) for row in Connection.objects.select_related("proxy", "team", "grant")],
        "combos": _combos(),
        "aliases": _aliases(wildcards=False),
        "wildcards": _aliases(wildcards=True),
        "teams": spending.teams(),
        "api_keys": client_keys,
        "limits": spending.limits(),
        "budgets": spending.budgets(),
        "ip_rules": spending.ip_rules(),
        "settings": _settings(),
        "resilience": _resilience(),
        "policies": shaping.policies(),
        "cache": shaping.cache(),
    }
    header = _header(names.given, len(client_keys), left_out)
    body = {"version": 1, **{name: section for name, section in sections.items() if section}}
    return header + yaml.dump(body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)


def _header(references: list[str], client_keys: int, left_out: list[str]) -> str:
    lines = ["# OmniRoute: read by `omniroute apply FILE`."]
    if references:
        lines += [
            "# Secrets are left out. Before applying, set in the environment:",
            *(f"#   {name}" for name in references),
        ]
    if client_keys:
        lines += [
            "# Client keys are stored as hashes only, so api_keys has no `key`: here they stay as they are,",
            "# in another installation new ones are made and shown once.",
        ]
    lines += [f"# Left out, for another key of the same name, user and team is there: {name}." for name in left_out]
    return "\n".join(lines) + "\n"


class _Names:
    """How secrets are written: as they are, or as references by unique names."""

    def __init__(self, with_secrets: bool) -> None:
        self.with_secrets, self.given = with_secrets, list[str]()
        self.logins = {entry.id for entry in registry.effective_all().values() if entry.login}

    def secret(self, row: Connection | Proxy, column: str, what: str) -> str:
        if self.with_secrets:
            return _revealed(row, column) or ""
        stem = re.sub(r"[^A-Z0-9]+", "_", what.upper()).strip("_")
        stem = stem if not stem[0].isdigit() else f"_{stem}"
        numbered = (f"{stem}_{number}" for number in count(2))
        name = next(name for name in chain([stem], numbered) if name not in self.given)
        self.given.append(name)
        return Reference(f"${{{name}}}")


def _revealed(row: Connection | Proxy, column: str) -> str | None:
    """The secret. Raises SecretUnreadable that names the row: there may be thousands."""
    try:
        return reveal(row, column)
    except SecretUnreadable as wrong:
        raise SecretUnreadable(f"{row._meta.verbose_name} {row}: {wrong}") from None


# -- sections ---------------------------------------------------------------------------------------------------------
def _providers() -> Section:
    """Custom providers, and of the catalogue's what the operator overrides."""
    found = []
    for row in Provider.objects.select_related("proxy").prefetch_related("models"):
        fields = {name: getattr(row, name) for name, default in DEFAULTS.items() if getattr(row, name) != default}
        models = [_model(model) for model in row.models.all()]
        if row.custom or models:
            fields["models"] = models
        if row.proxy or row.direct:
            fields["proxy"] = proxies.written(row)
        if row.custom or fields:
            found.append({"id": row.id, **fields})
    return found


def _model(row: Any) -> dict[str, Any] | str:
    given = {name: getattr(row, name) for name in MODEL_COLUMNS if getattr(row, name) is not None}
    if not row.enabled:
        given["enabled"] = False
    return {"id": row.model_id, **given} if given else row.model_id


def _connection(row: Connection, names: _Names) -> dict[str, Any]:
    fields: dict[str, Any] = {"provider": row.provider_id, "name": row.name, "priority": row.priority}
    fields |= {
        name: getattr(row, name)
        for name, usual in (CONNECTION_DEFAULTS | OPENING_DEFAULTS).items()
        if name not in ("priority", "enabled") and getattr(row, name) != usual
    }
    if row.parameters:
        fields["parameters"] = row.parameters
    if grants.grant_of(row) is not None or (not row.secret and row.provider_id in names.logins):
        fields["auth"] = "oauth"  # a reference: tokens are never part of the file
    if row.secret:
        fields["api_key"] = names.secret(row, "secret", f"{row.provider_id} {row.name} api key")
    if row.proxy or row.direct:
        fields["proxy"] = proxies.written(row)
    if row.team:
        fields["team"] = row.team.name
    if row.tags:
        fields["tags"] = row.tags
    return fields if row.enabled else fields | {"enabled": False}


def _proxy(row: Proxy, names: _Names) -> dict[str, Any]:
    """Without secrets, a URL that holds no credentials is written all the same."""
    try:
        url = _revealed(row, "url") or ""
    except SecretUnreadable:
        if names.with_secrets:
            raise
        url = ""
    open_url = url if url and "@" not in url else names.secret(row, "url", f"proxy {row.name} url")
    fields: dict[str, Any] = {"name": row.name, "url": open_url}
    if row.is_global:
        fields["global"] = True
    if row.note:
        fields["note"] = row.note
    return fields if row.enabled else fields | {"enabled": False}


def _combos() -> Section:
    found = []
    for row in Combo.objects.prefetch_related("steps"):
        steps = [s.model if s.weight == 1 else {"model": s.model, "weight": s.weight} for s in combos.steps_of(row)]
        fields: dict[str, Any] = {"name": row.name}
        if row.strategy != Strategy.PRIORITY:
            fields["strategy"] = row.strategy
        if not row.enabled:
            fields["enabled"] = False
        if row.sticky != 1:
            fields["sticky"] = row.sticky
        if not row.grants_steps:
            fields["grants_steps"] = False
        found.append(fields | {"steps": steps})
    return found


def _aliases(*, wildcards: bool) -> Section:
    rows = [row for row in Alias.objects.all() if is_plain(row.pattern) is not wildcards]
    return [{"pattern": row.pattern, "target": row.target} for row in rows]


def _api_keys() -> tuple[Section, list[str]]:
    """The keys, and the names of those that an earlier one hides (the oldest stands for them all)."""
    found: Section = []
    seen: Counter[tuple[str, int | None, int | None]] = Counter()
    left_out = []
    for row in ApiKey.objects.select_related("owner", "team").order_by("pk"):
        seen[identity := (row.name, row.owner_id, row.team_id)] += 1
        if seen[identity] > 1:
            left_out.append(f"{row.name} (…{row.last4})")
            continue
        fields: dict[str, Any] = {"name": row.name, "models": row.model_patterns}
        if row.owner:
            fields["user"] = row.owner.email
        if row.team:
            fields["team"] = row.team.name
        if not row.enabled:
            fields["enabled"] = False
        if row.combo_patterns is not None:
            fields["combos"] = row.combo_patterns
        fields |= {name: getattr(row, name) for name in ("providers", "endpoints") if getattr(row, name)}
        if row.expires_at:
            fields["expires_at"] = shown(row.expires_at)
        found.append(fields)
    return found, left_out


def _settings() -> dict[str, Any]:
    row = GatewaySettings.load()
    found: dict[str, Any] = {name: getattr(row, name) for name in SWITCHES}
    columns = {language.code: build_localized_fieldname("notice", language.code) for language in LANGUAGES}
    notice = {code: words for code, column in columns.items() if (words := getattr(row, column))}
    return found | ({"notice": notice} if notice else {})


def _resilience() -> dict[str, Any]:
    row = GatewaySettings.load()
    return {name: getattr(row, name) for name in RESILIENCE}


# -- YAML -------------------------------------------------------------------------------------------------------------
class _Dumper(yaml.SafeDumper):
    """Text is quoted wherever a reader could take it for something else; nothing is written as an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    text = value if isinstance(value, Reference) else escape(value)
    bare = UNQUOTED.fullmatch(text) and plain(text) == text and text.lower() not in WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if bare else '"')


def _number(dumper: yaml.SafeDumper, value: Decimal) -> yaml.Node:
    text = shown(value)
    return dumper.represent_scalar(f"tag:yaml.org,2002:{'float' if '.' in text else 'int'}", text)


_Dumper.add_multi_representer(str, _text)
_Dumper.add_representer(str, _text)
_Dumper.add_representer(Decimal, _number)
