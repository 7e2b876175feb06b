"""An attempt whose credential signs each request: over a real socket, against the scripted provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from providers.auth.base import with_headers
from providers.transport.base import Outbound, Timeouts
from providers.upstream import Attempt, Upstream
from providers.wire.errors import Kind, UpstreamFailure
from tests.routing.samples import connect, entry
from tests.simulator import Simulator

BODY = b'{"model": "echo", "messages": [{"role": "user", "content": "hi"}]}'


@dataclass
class Tokens:
    """Signs with the first token; renewing takes the next one, as long as there is one."""

    left: list[str]
    refusals: list[bytes] = field(default_factory=list)

    async def sign(self, request: Outbound) -> Outbound:
        return with_headers(request, (b"authorization", f"Bearer {self.left[0]}".encode()))

    async def refused(self, request: Outbound) -> bool:
        self.refusals.append(dict(request.headers)[b"authorization"])
        if len(self.left) > 1:
            del self.left[0]
            return True
        return False


@pytest.fixture
async def sender() -> AsyncIterator[Upstream]:
    sender = Upstream()
    yield sender
    await sender.aclose()


async def ask(sender: Upstream, upstream: Simulator, tokens: Tokens) -> int:
    to = entry(base_url=upstream.url, allow_private_network=True, models=("echo",))
    attempt = Attempt(to, connect(to, secret=None, credential=tokens), "echo")
    reply = await sender.open(attempt, "chat", BODY, stream=False, timeouts=Timeouts())
    await reply.read(10_000)
    await reply.aclose()
    return reply.status


async def test_a_renewed_token_is_tried_once(sender: Upstream) -> None:
    tokens = Tokens(["old", "new"])
    async with Simulator(keys={"new"}) as upstream:
        assert await ask(sender, upstream, tokens) == 200
    assert tokens.refusals == [b"Bearer old"]
    assert [seen.key for seen in upstream.requests] == ["old", "new"]


async def test_what_cannot_be_renewed_is_a_refusal(sender: Upstream) -> None:
    async with Simulator(keys={"new"}) as upstream:
        with pytest.raises(UpstreamFailure) as told:
            await ask(sender, upstream, Tokens(["old"]))
    assert told.value.kind is Kind.AUTH and upstream.count == 1


async def test_a_second_refusal_is_final(sender: Upstream) -> None:
    async with Simulator(keys={"none of these"}) as upstream:
        with pytest.raises(UpstreamFailure):
            await ask(sender, upstream, Tokens(["old", "new", "newer"]))
    assert upstream.count == 2
