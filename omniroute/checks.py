"""Start-up checks of Django's check framework: ``manage.py check`` and CI run them, ``omniroute doctor`` shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.models)
def catalogue(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The provider catalogue and the vendors' logins parse, every word of them, and every login named is there."""
    from providers.catalogue import CatalogueError, entries
    from providers.logins.flow import BadFlow, flows

    try:
        named = {entry.login: entry.id for entry in entries().values() if entry.login}
        missing = sorted(set(named) - set(flows()))
    except (CatalogueError, BadFlow) as wrong:
        return [Error(str(wrong), id="omniroute.E001")]
    return [Error(f"{named[login]} names a login {login} that is not there.", id="omniroute.E004") for login in missing]


@register(Tags.security)
def encryption_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The key ring can be built."""
    from providers.vault import BadKey, KeyRing

    try:
        KeyRing(settings.ENCRYPTION_KEYS)
    except BadKey as wrong:
        return [Error(str(wrong), id="omniroute.E002")]
    return []


@register(Tags.translation)
def locales(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Every catalogue of translations belongs to a language that can be chosen."""
    from django.utils.translation import to_locale

    wanted = {to_locale(code) for code, _ in settings.LANGUAGES}
    return [
        Error(f"locale/{name} belongs to no row of omniroute.i18n.languages.", id="omniroute.E003")
        for name in _locale_folders(settings.LOCALE_PATHS)
        if name not in wanted
    ]


@register(Tags.security, deploy=True)
def public_url(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Links in mails and cookies' flags follow PUBLIC_URL: a deployment has one, over HTTPS."""
    if (settings.PUBLIC_URL or "").startswith("https://"):
        return []
    return [Warning("PUBLIC_URL is not an https:// address.", hint="Set it to what people type.", id="omniroute.W001")]


def _locale_folders(paths: Sequence[Path]) -> Iterator[str]:
    for path in paths:
        if Path(path).is_dir():
            yield from (entry.name for entry in Path(path).iterdir() if entry.is_dir())
