"""A team's own connections: used for keys of that team, and for nobody else."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from providers.models import Connection
from providers.wire.errors import Refusal
from routing.board import Board
from routing.gateway.listing import listed
from routing.plan import plan
from routing.resolve import offered, resolve
from routing.snapshot import ANYBODY, Caller, Provider, with_views
from tests.routing.samples import connect, entry, provider, snapshot

RED, BLUE = Caller(key_id=1, key_name="red", team_id=1), Caller(key_id=2, key_name="blue", team_id=2)


def owned(id: str, *teams: int | None, first: int = 1) -> Provider:
    known = entry(id)
    links = tuple(connect(known, number, team_id=team) for number, team in enumerate(teams, start=first))
    return Provider(entry=known, links=links)


COMBOS = {"both": ["beta/large", "acme/large"], "red": ["beta/large"]}
MIXED = with_views(snapshot(owned("acme", 1, None), owned("beta", 1, first=11), combos=COMBOS))


def connections(caller: Caller, name: str) -> list[str]:
    found = plan(resolve(MIXED, name, caller), Board())
    return [f"{attempt.entry.id} {attempt.link.connection_id}" for attempt in found]


def test_attempts_go_over_everyones_connections_and_the_callers_teams() -> None:
    assert connections(RED, "acme/large") == ["acme 1", "acme 2"]
    assert connections(BLUE, "acme/large") == connections(ANYBODY, "acme/large") == ["acme 2"]
    assert connections(RED, "both") == ["beta 11", "acme 1", "acme 2"]
    assert connections(BLUE, "both") == ["acme 2"]


@pytest.mark.parametrize("caller", [BLUE, ANYBODY])
def test_a_provider_of_other_teams_only_is_refused_and_not_listed(caller: Caller) -> None:
    with pytest.raises(Refusal) as told:
        resolve(MIXED, "beta/large", caller)
    assert (told.value.status, told.value.code) == (403, "no_connection_for_key")
    with pytest.raises(Refusal) as told:
        resolve(MIXED, "red", caller)
    assert told.value.code == "no_usable_step"
    names = {name for name, _ in offered(MIXED, caller)}
    assert names == {"acme/large", "acme/small", "both"}
    with pytest.raises(Refusal):
        listed(MIXED, caller, "openai_chat", "beta/large")
    assert b"beta" not in listed(MIXED, caller, "gemini")


def test_a_bare_name_means_the_provider_that_the_caller_reaches() -> None:
    assert connections(BLUE, "large") == ["acme 2"]
    with pytest.raises(Refusal, match="ambiguous"):
        resolve(MIXED, "large", RED)


def test_a_provider_without_any_connection_is_still_told_as_such() -> None:
    with pytest.raises(Refusal) as told:
        resolve(snapshot(provider("dead", connections=())), "dead/large", RED)
    assert (told.value.status, told.value.code) == (503, "no_connection")


def test_through_the_gateway(gateway: Any, upstream: Any, team: Any, make_provider: Any, make_key: Any) -> None:
    make_provider("acme", upstream.url)
    Connection.objects.update(team=team)
    ours, others = make_key(team=team), make_key()
    gateway.settle()
    body = {"model": "acme/large", "messages": [{"role": "user", "content": "Hello"}]}

    def ask(key: str) -> httpx.Response:
        return httpx.post(f"{gateway.url}/chat/completions", json=body, headers={"x-api-key": key})

    assert ask(ours).status_code == 200
    assert ask(others).json()["error"]["code"] == "no_connection_for_key" and upstream.count == 1
    team.delete()
    assert not Connection.objects.exists()  # what a team gave does not become everybody's
