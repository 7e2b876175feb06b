"""From the event loop to the service that renews tokens: threads of their own, and what the loop takes back."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from django.db import connection as database

from providers import grants
from providers.auth.oauth import Login, OAuth
from providers.entry import Entry
from providers.models import Grant
from providers.vault import SecretUnreadable
from providers.wire.errors import Kind, UpstreamFailure

if TYPE_CHECKING:
    from providers.auth.oauth import Renew

# Renewals wait for vendors: they must not take the threads that pages run in.
THREADS = ThreadPoolExecutor(max_workers=16, thread_name_prefix="renewal")


def signs(entry: Entry) -> bool:
    """Whether a login's token goes upstream as it is; else the entry's scheme exchanges it for another."""
    return entry.auth != "copilot"


def credential(grant: Grant) -> OAuth:
    """What signs a connection's requests: as a bearer token, whatever the provider does with API keys. Raises
    vault.SecretUnreadable."""
    flow = grants.flow_of(grant)
    return OAuth(
        token=grants.token_of(grant),
        renew=renewer(grant.pk),
        sends=grants.headers_of(grant),
        includes=flow.includes if flow else {},
    )


def login(grant: Grant) -> Login:
    """For schemes that exchange the login's token for another. Raises vault.SecretUnreadable."""
    return Login(grants.token_of(grant), renewer(grant.pk), grant.pk)


def renewer(pk: int) -> Renew:
    """Renews the grant of that row."""

    async def renew(generation: int, refused: bool) -> grants.Token:
        return await asyncio.get_running_loop().run_in_executor(THREADS, _renew, pk, generation, refused)

    return renew


def _renew(pk: int, generation: int, refused: bool) -> grants.Token:
    try:
        service = grants.refused if refused else grants.refresh
        return service(pk, seen=generation)
    except grants.NotRenewed as wrong:
        raise UpstreamFailure(Kind.AUTH, str(wrong)) from None
    except SecretUnreadable:
        raise UpstreamFailure(Kind.AUTH, "The login's tokens cannot be decrypted.") from None
    except Exception:
        grants.log.exception("a token could not be renewed by our own mistake")
        raise UpstreamFailure(Kind.AUTH, "The token could not be renewed.") from None
    finally:
        database.close()
