"""Which network addresses may ask: rules compiled once, one look-up per address. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
MODES = ("off", "block", "allow", "allow_first")
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Rule:
    """``until`` is Unix time; None = for good. An ended rule is none."""

    network: Network
    allow: bool
    until: float | None = None
    reason: str = ""


def network_of(text: str) -> Network:
    """An address or a network; an IPv4 one that is written as IPv6 is the IPv4 one. Raises ValueError."""
    found = ip_network(text.strip(), strict=False)
    if isinstance(found, IPv6Network) and found.prefixlen >= 96 and (mapped := found.network_address.ipv4_mapped):
        return IPv4Network((mapped, found.prefixlen - 96))
    return found


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """A client's address without zone, IPv4 where it is an IPv4 one; None for a socket that has none."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


@lru_cache(maxsize=MOST_REMEMBERED)
def subscriber(client: str) -> str:
    """Whom an address counts for at a limit: an IPv4 address for itself, one of IPv6 for its /64, of which a subscriber
    has all 2**64."""
    address = address_of(client)
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else str(address or client)


class Addresses:
    """Modes: ``block`` lets in all but the blocked; ``allow`` only the allowed; ``allow_first`` all but the blocked,
    and the allowed even if a block covers them. A ban (a block that ends) comes before everything in every mode."""

    def __init__(self, mode: str, rules: Iterable[Rule]) -> None:
        rows = list(rules)
        self._mode, self._rules = mode, tuple(rows)
        self._allowed = _Table(row for row in rows if row.allow)
        self._blocked = _Table(row for row in rows if not row.allow and row.until is None)
        self._banned = _Table(row for row in rows if not row.allow and row.until is not None)
        self._known: dict[str, IPv4Address | IPv6Address | None] = {}

    def __eq__(self, other: object) -> bool:
        """The same rules in the same mode."""
        return isinstance(other, Addresses) and (self._mode, self._rules) == (other._mode, other._rules)

    __hash__ = None  # type: ignore[assignment]  # compared, never looked up

    def refuses(self, client: str, now: float) -> Rule | bool | None:
        """The rule that keeps an address out, True when no rule lets it in, None when it may ask."""
        address = self._address(client)
        if address is None:
            return self._mode == "allow" or None
        if (ban := self._banned.find(address, now)) is not None:
            return ban
        if self._mode != "block" and self._allowed.find(address, now) is not None:
            return None
        if self._mode == "allow":
            return True
        return self._blocked.find(address, now)

    def _address(self, client: str) -> IPv4Address | IPv6Address | None:
        if client not in self._known:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[client] = address_of(client)
        return self._known[client]


class _Table:
    """Networks by version and length: as many look-ups as there are different lengths."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._found: dict[tuple[int, int], dict[int, list[Rule]]] = {}
        for rule in rules:
            shift = rule.network.max_prefixlen - rule.network.prefixlen
            table = self._found.setdefault((rule.network.version, shift), {})
            table.setdefault(int(rule.network.network_address) >> shift, []).append(rule)

    def find(self, address: IPv4Address | IPv6Address, now: float) -> Rule | None:
        number = int(address)
        for (version, shift), table in self._found.items():
            if version == address.version:
                for rule in table.get(number >> shift, ()):
                    if rule.until is None or rule.until > now:
                        return rule
        return None
