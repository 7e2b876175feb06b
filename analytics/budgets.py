"""Budgets as people see them: what is spent of each in its current period, and the notice when a share is reached."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Role, User
from accounts.permissions import is_site_admin, owned_team_ids
from analytics import ledger
from analytics.models import BudgetNotice, LedgerLine
from providers import audit
from routing.gateway.purses import purse_key
from routing.models import Budget
from routing.money import plain, span, units, usd
from routing.snapshot import Budget as LiveBudget

log = logging.getLogger(__name__)
YEARS = range(2000, 9000)  # in which a period may be asked for: its ends are dates as well
Reserved = Callable[[Sequence[str]], Sequence[int] | None]  # keys of purses → units of each; None: not known


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget in its current period. ``share`` is whole percent of the limit, 100 for a limit of nothing.
    ``reserved`` is what running requests may still cost; None where nobody asked or it is not known."""

    budget: Budget
    spent: Decimal
    begin: datetime
    end: datetime | None
    reserved: Decimal | None = None

    @property
    def share(self) -> int:
        limit = self.budget.limit_usd
        return int(self.spent * 100 / limit) if limit else 100

    @property
    def left(self) -> Decimal:
        """USD that a new request may cost."""
        return max(self.budget.limit_usd - self.spent - (self.reserved or 0), Decimal(0))

    @property
    def noticed(self) -> bool:
        """Whether the share to notify at is reached."""
        return self.budget.notify_at is not None and self.share >= self.budget.notify_at


def standing(budget: Budget, at: datetime | None = None) -> Standing:
    """In the period around a moment; now."""
    begin, end = span(budget.period, ZoneInfo(budget.time_zone), at or timezone.now())
    return Standing(budget, ledger.spent(budget.pk, begin, end), begin, end)


def with_lines(budget: Budget, at: datetime | None = None, before: int | None = None) -> tuple[Standing, ledger.Page]:
    """The standing in a period and a page of its lines, which always sum to it."""
    now = standings([budget])[0] if at is None else standing(budget, at)
    page = ledger.page(budget.pk, now.begin, now.end, before=before)
    if page.newest and page.entries:
        now = replace(now, spent=page.entries[0].balance)
    return now, page


def adjust(budget: Budget, amount: Decimal, note: str, by: User) -> LedgerLine:
    """Correct what is spent by a line of the ledger, and note who did it. ``amount`` is USD, see ``ledger.adjust``."""
    with transaction.atomic():
        line = ledger.adjust(budget.pk, amount, note, timezone.now())
        audit.note(by, budget, f"Adjusted what is spent by {plain(line.amount)} USD: {note}")
    return line


def standings(rows: Iterable[Budget]) -> list[Standing]:
    """Several, with what is reserved of each where this process serves the gateway and its state answers."""
    found = [standing(row) for row in rows]
    amounts = _reserved([purse_key(now.budget.pk, now.budget.period, now.begin) for now in found]) if found else None
    if amounts is None:
        return found
    return [replace(now, reserved=usd(amount)) for now, amount in zip(found, amounts, strict=True)]


def spent_now(budget: LiveBudget, begin: datetime, end: datetime | None) -> tuple[int, int | None]:
    """As ``routing.till.Spent``."""
    held = _reserved([purse_key(budget.id, budget.period, begin)])
    return units(ledger.spent(budget.id, begin, end)), held[0] if held is not None else None


def seen_by(user: User) -> set[int]:
    """Ids of the budgets whose figures a person may see."""
    return set(visible_to(user).values_list("pk", flat=True))


def watch(reserved: Reserved | None) -> None:
    """Where to ask what is reserved; None: nowhere. Called by the process that serves the gateway."""
    global _reserved
    _reserved = reserved or _unknown


def _unknown(purses: Sequence[str]) -> None:
    return None


_reserved: Reserved = _unknown


def visible_to(user: User) -> QuerySet[Budget]:
    """All for a site administrator; else one's own, those of one's keys, and of teams one owns."""
    rows = Budget.objects.select_related("api_key", "user", "team")
    if is_site_admin(user):
        return rows
    teams = owned_team_ids(user)
    mine = Q(user=user) | Q(team__in=teams) | Q(api_key__owner=user) | Q(api_key__team__in=teams)
    return rows.filter(mine).distinct()


def notify() -> int:
    """Tell of budgets that reached their share: once per period. Returns how many."""
    told = 0
    for budget in Budget.objects.filter(enabled=True, notify_at__isnull=False):
        now = standing(budget)
        if now.noticed:
            _, made = BudgetNotice.objects.get_or_create(
                budget_id=budget.pk, period_start=now.begin, defaults={"spent": now.spent}
            )
            if made:
                _tell(now)
                told += 1
    return told


def _tell(now: Standing) -> None:
    """A log line, and a mail to whom it concerns where mail is set up. A mail that fails is no reason to tell twice."""
    budget, share = now.budget, now.share
    log.warning("budget %s: %d %% spent, %s of %s USD", budget, share, plain(now.spent), plain(budget.limit_usd))
    subject = _("Budget %(budget)s: %(share)d %% spent") % {"budget": budget, "share": share}
    words = _("%(spent)s of %(limit)s USD are spent.") % {
        "spent": plain(now.spent),
        "limit": plain(budget.limit_usd),
    }
    try:
        send_mail(subject, words, settings.DEFAULT_FROM_EMAIL, _people(budget), fail_silently=False)
    except OSError as wrong:
        log.error("the mail about budget %s was not sent: %s", budget, wrong)


def _people(budget: Budget) -> list[str]:
    """Whose budget it is; of a key its owner, of a team its owners; of everything else the site administrators. The
    banner of the overview goes by the same rule: see :func:`reached`."""
    users = User.objects.filter(is_active=True)
    owner = budget.user_id or (budget.api_key.owner_id if budget.api_key else None)
    team = budget.team_id or (budget.api_key.team_id if budget.api_key else None)
    if owner:
        found = users.filter(pk=owner)
    elif team:
        found = users.filter(memberships__team=team, memberships__role=Role.OWNER)
    else:
        found = users.filter(is_superuser=True)
    return list(found.values_list("email", flat=True))


def reached(user: User) -> list[Standing]:
    """The budgets of a person's concern that are at their share or over it, the fullest first."""
    teams = owned_team_ids(user)
    mine = Q(user=user) | Q(api_key__owner=user) | Q(team__in=teams) | Q(api_key__owner=None, api_key__team__in=teams)
    if is_site_admin(user):
        mine |= Q(user=None, team=None, api_key=None) | Q(
            api_key__isnull=False, api_key__owner=None, api_key__team=None
        )
    rows = Budget.objects.filter(mine, enabled=True, notify_at__isnull=False).select_related("api_key", "user", "team")
    found = [now for now in map(standing, rows) if now.noticed]
    return sorted(found, key=lambda now: -now.share)
