"""Which addresses the rules let in."""

from __future__ import annotations

import pytest

from routing.addresses import Addresses, Rule, network_of, subscriber

NOW = 1000.0


def rule(network: str, *, allow: bool = False, until: float | None = None) -> Rule:
    return Rule(network_of(network), allow, until, "because")


RULES = [
    rule("10.0.0.0/8"),
    rule("10.1.0.0/16", allow=True),
    rule("2001:db8::/32"),
    rule("::ffff:192.0.2.0/120"),
    rule("198.51.100.7", until=NOW + 1),
    rule("10.1.1.1", until=NOW + 1),
    rule("198.51.100.8", until=NOW),
]


@pytest.mark.parametrize(
    ("mode", "address", "let_in"),
    [
        ("block", "10.2.0.1", False),
        ("block", "10.1.0.1", False),
        ("block", "8.8.8.8", True),
        ("block", "::ffff:10.2.0.1", False),
        ("block", "2001:db8::1", False),
        ("block", "2001:db9::1", True),
        ("block", "fe80::1%eth0", True),
        ("block", "192.0.2.9", False),
        ("block", "198.51.100.7", False),
        ("block", "198.51.100.8", True),
        ("block", "", True),
        ("allow", "10.1.0.1", True),
        ("allow", "::ffff:10.1.0.1", True),
        ("allow", "10.2.0.1", False),
        ("allow", "8.8.8.8", False),
        ("allow", "10.1.1.1", False),
        ("allow", "", False),
        ("allow_first", "10.1.0.1", True),
        ("allow_first", "10.2.0.1", False),
        ("allow_first", "8.8.8.8", True),
        ("allow_first", "10.1.1.1", False),
    ],
)
def test_modes(mode: str, address: str, let_in: bool) -> None:
    assert (not Addresses(mode, RULES).refuses(address, NOW)) is let_in


@pytest.mark.parametrize(
    ("client", "counts_for"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1%eth0", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("testclient", "testclient"),
    ],
)
def test_whom_an_address_counts_for(client: str, counts_for: str) -> None:
    assert subscriber(client) == counts_for


@pytest.mark.parametrize("word", ["10.0.0.0/33", "x", "", "10.0.0", "10.*"])
def test_what_is_no_network(word: str) -> None:
    with pytest.raises(ValueError):
        network_of(word)
