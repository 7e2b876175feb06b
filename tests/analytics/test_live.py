"""Stored requests reach the pages of those who may see them, and nobody else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from channels.layers import channel_layers
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser

from accounts.models import Membership, Role, Team, User
from analytics import live
from routing.gateway.outcome import Outcome
from tests.analytics.outcomes import outcome
from tests.fixtures import PATIENCE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def attached() -> AsyncIterator[None]:
    channel_layers.backends.clear()
    live.attach(asyncio.get_running_loop())
    yield
    live.detach()


def page(user: Any) -> WebsocketCommunicator:
    found = WebsocketCommunicator(URLRouter(live.websocket_urlpatterns), "/ws/requests/")
    found.scope["user"] = user
    return found


async def opened(user: Any) -> WebsocketCommunicator:
    found = page(user)
    connected, _ = await found.connect(PATIENCE)
    assert connected
    return found


def notify(*outcomes: Outcome) -> None:
    """As the outbox does: from a thread of its own."""
    thread = threading.Thread(target=live.notify, args=(outcomes,))
    thread.start()
    thread.join()


async def test_each_hears_of_the_requests_they_may_see(attached: None) -> None:
    admin = User.objects.create_superuser("admin@example.com")
    member, owner = User.objects.create_user("m@example.com"), User.objects.create_user("o@example.com")
    team = Team.objects.create(name="team")
    Membership.objects.create(team=team, user=member, role=Role.MEMBER)
    Membership.objects.create(team=team, user=owner, role=Role.OWNER)
    pages = {user: await opened(user) for user in (admin, member, owner)}
    mine = outcome(user_id=member.pk, team_id=team.pk)

    notify(mine)

    for listener in pages.values():
        assert await listener.receive_json_from(PATIENCE) == {
            "type": "request",
            "id": mine.request_id,
            "result": "ok",
            "model": "gpt-5.2",
            "count": 1,
        }
    theirs = outcome(user_id=987, team_id=654)
    notify(theirs)
    assert (await pages[admin].receive_json_from(PATIENCE))["id"] == theirs.request_id
    assert await pages[member].receive_nothing()
    assert await pages[owner].receive_nothing()
    for listener in pages.values():
        await listener.disconnect(timeout=PATIENCE)


@pytest.mark.parametrize("user", [None, AnonymousUser(), User(email="gone@example.com", is_active=False)])
async def test_strangers_are_refused(user: Any) -> None:
    connected, _ = await page(user).connect(PATIENCE)
    assert not connected


async def test_many_requests_become_few_messages(attached: None) -> None:
    listener = await opened(User.objects.create_superuser("admin@example.com"))
    started = asyncio.get_running_loop().time()
    for _ in range(50):
        notify(outcome(), outcome())
    counts: list[int] = []
    while sum(counts) < 100:
        counts.append((await listener.receive_json_from(PATIENCE))["count"])
    took = asyncio.get_running_loop().time() - started
    assert len(counts) <= took / live.PAUSE + 2
    await listener.disconnect(timeout=PATIENCE)


async def test_a_page_has_to_come_back_after_a_while(attached: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LIFETIME", 0.05)
    listener = await opened(User.objects.create_superuser("admin@example.com"))
    assert (await listener.receive_output(PATIENCE))["code"] == live.RECONNECT


async def test_a_broken_channel_layer_does_no_harm(
    attached: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Away:
        async def group_send(self, *_: object) -> None:
            raise ConnectionError("no Redis")

    monkeypatch.setattr(live, "get_channel_layer", Away)
    notify(outcome())
    await asyncio.sleep(0)  # the hand-over
    assert live._board.sending
    await live._board.sending
    assert "no Redis" in caplog.text
    monkeypatch.undo()
    listener = await opened(User.objects.create_superuser("admin@example.com"))
    notify(outcome(request_id="later"))
    assert (await listener.receive_json_from(PATIENCE))["id"] == "later"
    await listener.disconnect(timeout=PATIENCE)


def test_nobody_listens_is_no_error() -> None:
    live.detach()
    live.notify([outcome()])
    ended = asyncio.new_event_loop()
    live.attach(ended)
    ended.close()
    live.notify([outcome()])
    live.detach()
