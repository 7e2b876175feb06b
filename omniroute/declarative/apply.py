"""Make the database match a document: one transaction, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db import transaction

from omniroute.declarative import keys, providing, routes, shaping, spending, ways
from omniroute.declarative.changes import Change, Work
from omniroute.declarative.document import BadDocument, Variable, read
from omniroute.declarative.schema import Document, check
from omniroute.environment import variable as from_environment
from providers import catalogue
from providers.models import Provider
from routing import chains, combos


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done, or would be. ``generated``: names and plain text of keys that were made; shown once."""

    changes: tuple[Change, ...]
    generated: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def apply(text: str, *, prune: bool = False, dry_run: bool = False, variable: Variable = from_environment) -> Applied:
    """Apply a document. A dry run does everything and takes it back. Raises BadDocument; then nothing has changed.

    ``prune`` also deletes what a section that is present does not name.
    """
    document = check(read(text, variable))
    work = Work(prune=prune)
    with transaction.atomic():
        _sections(document, work)
        if work.problems:
            raise BadDocument(work.problems)
        if dry_run:
            transaction.set_rollback(True)
    return Applied(tuple(work.changes), () if dry_run else tuple(work.generated))


def _sections(document: Document, work: Work) -> None:
    """In the order in which they lean on each other."""
    catalogue.sync()  # a fresh database has no rows yet for what the file may override or connect to
    if document.proxies is not None:
        ways.apply_proxies(document.proxies, work)
    before = set(Provider.objects.values_list("id", flat=True))
    if document.providers is not None:
        providing.apply_providers(document.providers, work)
    if document.teams is not None:
        spending.apply_teams(document.teams, work)
    if document.connections is not None:
        unlisted = before - set(Provider.objects.values_list("id", flat=True))
        providing.apply_connections(document.connections, work, unlisted)
    if document.proxies is not None and work.prune:
        ways.prune_proxies(document.proxies, work)
    faults = chains.faults(combos.stored())
    if document.combos is not None:
        routes.apply_combos(document.combos, work)
    if document.wildcards is not None:
        routes.apply_aliases(document.wildcards, work, wildcards=True)
    if document.aliases is not None:
        routes.apply_aliases(document.aliases, work, wildcards=None if document.wildcards is None else False)
    routes.refuse_faults(document, faults, work)
    if document.teams is not None and work.prune:
        spending.prune_teams(document.teams, work)
    if document.api_keys is not None:
        keys.apply_api_keys(document.api_keys, work)
    if document.limits is not None:
        spending.apply_limits(document.limits, work)
    if document.budgets is not None:
        spending.apply_budgets(document.budgets, work)
    if document.ip_rules is not None:
        spending.apply_ip_rules(document.ip_rules, work)
    if document.settings is not None:
        routes.apply_settings(document.settings, work)
    if document.resilience is not None:
        routes.apply_resilience(document.resilience, work)
    if document.policies is not None:
        shaping.apply_policies(document.policies, work)
    if document.cache is not None:
        shaping.apply_cache(document.cache, work)
