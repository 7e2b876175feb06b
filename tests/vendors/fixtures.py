"""Fixtures of the fake vendors, for tests of logins anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.simulator import closed_port
from tests.vendors import Vendors, catalogue_at, entries_at, flows_at, running

SECRETS = ("GEMINI_CLI_OAUTH_CLIENT_SECRET", "ANTIGRAVITY_OAUTH_CLIENT_SECRET", "IFLOW_OAUTH_CLIENT_SECRET")


@pytest.fixture
def login_vendors(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendors]:
    """The fake vendors; logins and the catalogue point at them. Its ``codex_port`` is free."""
    with _pointed(tmp_path, monkeypatch, catalogue_at) as found:
        yield found


@pytest.fixture
def whole_vendors(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendors]:
    """As ``login_vendors``, with the catalogue's own entries: each vendor is asked in its own envelope, and for its
    quotas. What vendors have ended is open here."""
    with _pointed(tmp_path, monkeypatch, entries_at, revived=True) as found:
        yield found


@contextmanager
def _pointed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, entries: Callable[[Path, str], Path], *, revived: bool = False
) -> Iterator[Vendors]:
    from providers import catalogue, lists, quotas
    from providers.auth import schemes
    from providers.logins import flow

    port = closed_port()
    with running() as found:
        found.codex_port = port  # type: ignore[attr-defined]
        at = flows_at(folder / "logins", found.url, codex_port=port, revived=revived)
        made = entries(folder / "catalog", found.url)
        monkeypatch.setattr(flow, "FOLDER", at)
        flow.flows.cache_clear()
        # A reader of its own: a thread of the gateway's that reads the real folder just now would fill the usual one's
        # cache after it was cleared.
        monkeypatch.setattr(catalogue, "FOLDER", made)
        monkeypatch.setattr(catalogue, "entries", cache(lambda: catalogue.load(catalogue.FOLDER)))
        monkeypatch.setattr(schemes, "TOKEN_URL", schemes.TOKEN_URL.replace("https://", f"{found.url}/"))
        asked = {
            id: tuple(replace(call, url=call.url.replace("https://", f"{found.url}/")) for call in calls)
            for id, calls in quotas.USAGE.items()
        }
        monkeypatch.setattr(quotas, "USAGE", asked)
        for id, call in lists.LISTS.items():
            here = replace(call, url=call.url.replace("https://", f"{found.url}/"))
            monkeypatch.setitem(lists.LISTS, id, here)  # type: ignore[arg-type]
        for name in SECRETS:
            monkeypatch.setenv(name, "not-a-real-secret")
        catalogue.sync()
        yield found
    flow.flows.cache_clear()


@pytest.fixture
def logged_in(login_vendors: Vendors) -> Callable[..., Any]:
    """logged_in("claude", email="a@example.com", lasts=-1) → the Grant of a connection that has a login."""
    from datetime import timedelta

    from django.utils import timezone

    from providers import grants, registry
    from providers.logins import engine
    from providers.models import Connection, Grant, Provider

    def make(
        provider_id: str, *, email: str = "ada@example.com", lasts: float = 3600, method: str = "browser"
    ) -> Grant:
        provider = Provider.objects.get(pk=provider_id)
        family = login_vendors.accounts.log_in({"email": email, "id": f"id-{email}", "plan": "max"})
        connection = Connection(provider=provider, name=email, origin=registry.effective_of(provider).origin)
        connection.save()
        grant = Grant(connection=connection, provider=provider, flow=provider_id, method=method)
        tokens = engine.Tokens(access=family.access, refresh=family.refresh, lasts=max(lasts, 1))
        grants.fill_in(grant, tokens, engine.Account(key=email, email=email, account_id=f"id-{email}"))
        grant.expires_at = timezone.now() + timedelta(seconds=lasts)
        grant.obtained_at = timezone.now() - timedelta(hours=1)
        grant.save()
        return grant

    return make
