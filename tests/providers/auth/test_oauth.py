"""A login's token in the hands of requests: whose clock says what."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from providers.auth.oauth import PAUSE, OAuth
from providers.transport.base import Outbound, Route, Timeouts
from providers.wire.errors import Kind, UpstreamFailure

REQUEST = Outbound("POST", "/", (), b"{}", Route("http", "127.0.0.1", 9, True), Timeouts())


@dataclass
class Text:
    text: str = "token"
    generation: int = 1
    expires_at: float | None = None


@pytest.mark.parametrize("jump", [-86_400, -3600, 3600, 86_400])
async def test_a_renewal_that_failed_is_tried_again_after_its_pause_wherever_the_clock_jumps(jump: float) -> None:
    asked = 0
    wall, ticks = 1_800_000_000.0, 100.0

    async def renew(generation: int, refused: bool) -> Text:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise UpstreamFailure(Kind.AUTH, "not now")
        return Text("newer", generation + 1)

    oauth = OAuth(Text(expires_at=0.0), renew, now=lambda: wall, clock=lambda: ticks)
    with pytest.raises(UpstreamFailure):
        await oauth.sign(REQUEST)
    wall += jump
    with pytest.raises(UpstreamFailure):
        await oauth.sign(REQUEST)
    assert asked == 1, "the pause is no matter of the wall clock"
    ticks += PAUSE
    assert (b"authorization", b"Bearer newer") in (await oauth.sign(REQUEST)).headers
