"""The menu: one table of rows, the same for the dashboard's pages and the admin's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from providers.grants import ended

Allowed = Callable[[Any], bool]


def anyone(user: Any) -> bool:
    """Everybody who is signed in."""
    return bool(user.is_authenticated)


def may(permission: str) -> Allowed:
    """People with a Django permission; site administrators have all."""
    return lambda user: bool(user.is_active and user.has_perm(permission))


def may_in_admin(permission: str) -> Allowed:
    return lambda user: bool(user.is_active and user.is_staff and user.has_perm(permission))


class Row(NamedTuple):
    label: str | Promise
    icon: str  # a name of the Material Symbols font
    url: str
    allowed: Allowed
    badge: Callable[[], int] | None = None  # how many things behind it need somebody; 0 shows nothing


class Group(NamedTuple):
    label: str | Promise
    rows: Sequence[Row]


GROUPS = (
    Group(
        "",
        (
            Row(_("Overview"), "dashboard", "omniroute:overview", anyone),
            Row(_("Endpoint"), "code", "omniroute:endpoint", anyone),
            Row(_("Client keys"), "key", "routing:keys", anyone),
            Row(_("Budgets"), "savings", "analytics_budgets:list", anyone),
            Row(_("Requests"), "receipt_long", "analytics:requests", anyone),
            Row(_("Try a name"), "manage_search", "routing:preview", anyone),
        ),
    ),
    Group(
        _("Gateway"),
        (
            Row(_("Providers"), "hub", "providers:list", may("providers.view_provider"), ended),
            Row(_("Quotas"), "data_usage", "quotas:list", may("providers.view_quotawindow")),
            Row(_("Proxies"), "vpn_lock", "proxies:list", may("providers.view_proxy")),
            Row(_("Combos"), "route", "routing:combos", may("routing.view_combo")),
            Row(_("Aliases"), "label", "routing:aliases", may("routing.view_alias")),
            Row(_("Health"), "monitor_heart", "routing:health", may("routing.view_healthstate")),
            Row(_("Limits"), "speed", "routing:limits", may("routing.view_limit")),
            Row(_("Address rules"), "block", "routing:addresses", may("routing.view_iprule")),
            Row(_("Policies"), "shield", "policies:list", may("routing.view_policy")),
            Row(_("Cache"), "cached", "cache:page", may("routing.view_cachesettings")),
            Row(
                _("Settings"),
                "tune",
                "admin:routing_gatewaysettings_changelist",
                may_in_admin("routing.view_gatewaysettings"),
            ),
        ),
    ),
    Group(
        _("People"),
        (
            Row(_("Users and teams"), "group", "accounts:people", anyone),
            Row(_("Management keys"), "api", "accounts:management_keys", anyone),
            Row(
                _("Identity providers"),
                "passkey",
                "admin:accounts_identityprovider_changelist",
                may_in_admin("accounts.view_identityprovider"),
            ),
        ),
    ),
    Group(
        _("Administration"),
        (
            Row(
                _("Provider settings"),
                "dns",
                "admin:providers_provider_changelist",
                may_in_admin("providers.view_provider"),
            ),
            Row(
                _("Models"),
                "neurology",
                "admin:providers_providermodel_changelist",
                may_in_admin("providers.view_providermodel"),
            ),
            Row(
                _("Connections"),
                "cable",
                "admin:providers_connection_changelist",
                may_in_admin("providers.view_connection"),
            ),
            Row(
                _("All client keys"), "vpn_key", "admin:routing_apikey_changelist", may_in_admin("routing.view_apikey")
            ),
            Row(
                _("Usage records"),
                "database",
                "admin:analytics_usagerecord_changelist",
                may_in_admin("analytics.view_usagerecord"),
            ),
            Row(_("Audit"), "history", "admin:admin_logentry_changelist", may_in_admin("admin.view_logentry")),
        ),
    ),
)


def rows(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups and entries this person may open, as Unfold's sidebar takes them; empty groups are left out."""
    found = [(group, [_entry(row, request) for row in group.rows if row.allowed(request.user)]) for group in GROUPS]
    groups = [(group, [entry for entry in entries if entry]) for group, entries in found]
    return [
        {"title": group.label, "separator": position > 0, "items": entries}
        for position, (group, entries) in enumerate(groups)
        if entries
    ]


def current(groups: list[dict[str, Any]]) -> str:
    """The label of the entry that is open; empty when the page is none of them."""
    return next((str(entry["title"]) for group in groups for entry in group["items"] if entry["active"]), "")


def _entry(row: Row, request: HttpRequest) -> dict[str, Any] | None:
    try:
        link = reverse(row.url)
    except NoReverseMatch:
        return None  # the page is not part of this installation
    active = request.path == link or (request.path.startswith(link) and row.url != "omniroute:overview")
    entry = {"title": row.label, "icon": row.icon, "link": link, "active": active}
    count = row.badge() if row.badge is not None else 0
    return {**entry, "badge": str(count), "badge_variant": "danger"} if count else entry
