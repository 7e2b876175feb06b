"""What several pages need."""

from __future__ import annotations

from django.http import HttpRequest

from accounts.models import User


def person(request: HttpRequest) -> User:
    """Who is signed in; behind ``login_required``."""
    assert isinstance(request.user, User)
    return request.user
