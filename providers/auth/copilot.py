"""GitHub Copilot: a GitHub token is exchanged for a short-lived one that the model API takes.

Source: shared knowledge of several open clients (2026-11); GitHub documents no such interface.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from providers.addresses import AddressRefused, check_url
from providers.auth.exchange import Exchanged, Token, Way, no_token, route_of
from providers.auth.oauth import EARLY, Login
from providers.transport.base import Outbound
from providers.wire.errors import UpstreamFailure

TOKEN_URL = "https://api.github.com/copilot_internal/v2/token"  # noqa: S105
LIFE_SECONDS = 1500  # when the reply does not tell


class Copilot(Exchanged):
    """``scheme``: that of the provider's base URL, which the address in the reply must have as well. ``login``: whose
    token ``github`` is, where it is one of a login: it is renewed when it runs out or is refused, or the login ends."""

    __slots__ = ("_github", "_login", "_scheme", "_url")

    def __init__(
        self,
        github: str,
        way: Way,
        *,
        url: str = TOKEN_URL,
        scheme: str = "https",
        login: Login | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(way, (github,), clock=clock)
        self._github, self._url, self._scheme, self._login = github, url, scheme, login

    async def _fetch(self) -> Token:
        said = await self._exchange()
        token, ends = said.get("token"), said.get("expires_at")
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise no_token()
        expires_at = float(ends) if isinstance(ends, (int, float)) else self._clock() + LIFE_SECONDS
        return Token(token, expires_at, self._address(said.get("endpoints")))

    async def _exchange(self) -> dict[str, Any]:
        """The reply to the GitHub token. A 401 means the token itself; an account without Copilot gets a 403."""
        if self._login is not None and self._login.ends_before(self._clock() + EARLY):
            await self._log_in_again(refused=False)
        try:
            return await self._asked()
        except UpstreamFailure as failure:
            if failure.status != 401 or self._login is None:
                raise
        await self._log_in_again(refused=True)
        return await self._asked()

    async def _asked(self) -> dict[str, Any]:
        return await self._ask("GET", self._url, (b"authorization", f"token {self._github}".encode()))

    async def _log_in_again(self, *, refused: bool) -> None:
        assert self._login is not None
        self._login = await self._login.renewed(refused=refused)
        self._github = self._login.token.text
        self._secrets = (*self._secrets, self._github)

    def _address(self, endpoints: Any) -> str:
        """The model API of this account's plan; "" when the reply names none that may be called."""
        url = endpoints.get("api") if isinstance(endpoints, dict) else None
        if not isinstance(url, str) or urlsplit(url).scheme != self._scheme:
            return ""
        try:
            check_url(url, allow_private=self._way.allow_private)
        except AddressRefused:
            return ""
        return url

    def _with(self, request: Outbound, token: Token) -> Outbound:
        signed = super()._with(request, token)
        if not token.base_url:
            return signed
        route = route_of(token.base_url, request.route.allow_private, request.route.proxy)
        return signed if route == request.route else replace(signed, route=route)
