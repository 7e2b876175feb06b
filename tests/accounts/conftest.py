"""People for these tests, a cheap password hash, an empty cache and a clock that can be turned forward."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client

from accounts import services
from accounts.models import Membership, Role, Team, User

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    cache.clear()


@pytest.fixture
def person(db) -> Callable[..., User]:
    def make(email: str, *, admin: bool = False, team: Team | None = None, role: str = Role.MEMBER) -> User:
        user = services.create_user(email=email, password=PASSWORD, site_administrator=admin, email_verified=True)
        if team is not None:
            Membership.objects.create(team=team, user=user, role=role)
        return user

    return make


@pytest.fixture
def boss(person) -> User:
    return person("boss@example.com", admin=True)


@pytest.fixture
def red(db) -> Team:
    return Team.objects.create(name="Red")


@pytest.fixture
def blue(db) -> Team:
    return Team.objects.create(name="Blue")


@pytest.fixture
def owner(person, red) -> User:
    return person("owner@example.com", team=red, role=Role.OWNER)


@pytest.fixture
def mate(person, red) -> User:
    return person("mate@example.com", team=red)


@pytest.fixture
def outsider(person, blue) -> User:
    return person("outsider@example.com", team=blue, role=Role.OWNER)


@pytest.fixture
def as_() -> Callable[[User], Client]:
    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def clock(monkeypatch) -> Callable[[float], None]:
    """Turn time.time() forward by seconds, for allauth's limiter and the cache alike. By itself it only tells one
    reading from the next; it begins five seconds after a code of an authenticator app has changed."""
    passed = 0.0
    begun = time.time() // 30 * 30 + 5
    readings = itertools.count()
    monkeypatch.setattr(time, "time", lambda: begun + passed + next(readings) / 100_000)

    def forward(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    return forward
