"""How a proxy in force is shown."""

from __future__ import annotations

from django import template
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from providers.proxies import Level

register = template.Library()
LOOKS: dict[str, tuple[str, str | Promise]] = {
    Level.GLOBAL: ("o-pill-good", _("Proxy for everything")),
    Level.PROVIDER: ("o-pill-warn", _("Proxy of the provider")),
    Level.CONNECTION: ("o-pill-info", _("Proxy of the connection")),
}


@register.inclusion_tag("parts/proxy.html")
def proxy_badge(label: str) -> dict[str, object]:
    """A badge for ``Way.label``; nothing for an empty one."""
    level, _space, address = label.partition(" ")
    look, words = LOOKS.get(level, ("", ""))
    return {"address": address, "look": look, "words": words}
