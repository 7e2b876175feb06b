"""Store a login in the installation of this environment; its token has expired already.

``python -m tests.vendors.enter PROVIDER ACCESS REFRESH``
"""

import os
import sys
from datetime import timedelta
from pathlib import Path

import django


def enter(provider_id: str, access: str, refresh: str) -> None:
    from django.utils import timezone

    from providers import grants, registry
    from providers.logins.engine import Account, Tokens
    from providers.models import Connection, Grant, Provider
    from tests.vendors.pointed import use

    folder = Path(os.environ["VENDORS"])
    use(folder / "logins", folder / "catalog")
    provider = Provider.objects.get(pk=provider_id)
    origin = registry.effective_of(provider).origin
    connection = Connection.objects.create(provider=provider, name="main", origin=origin)
    grant = Grant(connection=connection, provider=provider, flow=provider_id, method="device")
    grants.fill_in(grant, Tokens(access=access, refresh=refresh, lasts=1), Account(key="ada"))
    grant.expires_at = timezone.now() - timedelta(seconds=5)
    grant.save()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omniroute.settings")
    django.setup()
    enter(*sys.argv[1:])
