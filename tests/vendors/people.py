"""Who has logged in at the fake vendors, with which tokens: rotation, and what happens when an old one comes back."""

from __future__ import annotations

import base64
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any


def jwt(**claims: Any) -> str:
    """A token that looks like a JWT; nobody here checks its signature."""
    parts = ({"alg": "none"}, claims)
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return f"{head}.{body}.sig"


@dataclass
class Family:
    """All tokens that one login led to."""

    number: int
    account: dict[str, Any]
    rotates: bool = True
    access: str = ""
    refresh: str = ""
    old: set[str] = field(default_factory=set)
    revoked: bool = False


class Accounts:
    """``account`` is who logs in next. ``refreshes`` counts successful renewals by family, ``asked`` every one."""

    def __init__(self) -> None:
        self.account: dict[str, Any] = {"email": "ada@example.com", "id": "acc-1", "plan": "max"}
        self.families: list[Family] = []
        self.refreshes: list[int] = []
        self.asked = self.reused = self.running = self.most_at_once = 0
        self.lasts: float = 3600
        self.rotates = True
        self.held = threading.Event()  # renewals wait until it is set
        self.held.set()
        self.fails: list[tuple[int, dict[str, Any]]] = []  # answers to the next renewals
        self._lock = threading.Condition()

    def log_in(self, account: dict[str, Any] | None = None) -> Family:
        with self._lock:
            family = Family(len(self.families), dict(account or self.account), self.rotates)
            self.families.append(family)
            self._issue(family)
            return family

    def _issue(self, family: Family) -> None:
        stamp = f"{family.number}-{len(family.old)}-{time.monotonic_ns()}"
        family.access = jwt(sub=family.account["id"], n=stamp)
        if family.refresh:
            family.old.add(family.refresh)
        if family.rotates or not family.refresh:
            family.refresh = f"refresh-{stamp}"

    def renew(self, token: str) -> tuple[int, Family | dict[str, Any]]:
        """The family with new tokens, or a refusal. A rotated token that comes back ends its whole family."""
        with self._lock:
            self.asked += 1
            self.running += 1
            self.most_at_once = max(self.most_at_once, self.running)
            self._lock.notify_all()
        try:
            self.held.wait(20)
            with self._lock:
                if self.fails:
                    return self.fails.pop(0)
                for family in self.families:
                    if token in family.old:
                        self.reused += 1
                        family.revoked = True
                        return 400, {"error": "invalid_grant", "error_description": "This token was used before."}
                    if token == family.refresh and not family.revoked:
                        self._issue(family)
                        self.refreshes.append(family.number)
                        return 200, family
                return 400, {"error": "invalid_grant", "error_description": "No such token."}
        finally:
            with self._lock:
                self.running -= 1

    def wait_for(self, count: int) -> None:
        """Until so many renewals are waiting for their answer at once."""
        with self._lock:
            assert self._lock.wait_for(lambda: self.running >= count, 20), f"{self.running} of {count} came"

    def let_go_at(self, count: int) -> None:
        """Answer the renewals once so many of them are waiting."""
        self.wait_for(count)
        self.held.set()

    def opens(self, token: str) -> Family | None:
        """The family whose current access token this is."""
        return next((f for f in self.families if f.access == token and not f.revoked), None)
