"""Headers → who is asking."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.errors import Refusal
from routing.gateway.callers import identify, key_in
from routing.snapshot import ANYBODY, Access, Caller, Snapshot, Switches

KEY = "sk-omni-test-key"
NOW = 1000.0


def known(key: str = KEY, *, required: bool = True, **said: object) -> Snapshot:
    caller = Caller(key_id=1, key_name="k", **said)  # type: ignore[arg-type]
    return Snapshot(
        callers={hashlib.sha256(key.encode()).hexdigest(): caller}, switches=Switches(require_api_key=required)
    )


@pytest.mark.parametrize(
    ("headers", "query", "key"),
    [
        ([(b"authorization", b"Bearer k1")], b"", "k1"),
        ([(b"authorization", b"bearer   k1  ")], b"", "k1"),
        ([(b"authorization", b"BEARER k1")], b"", "k1"),
        ([(b"x-api-key", b"k2")], b"", "k2"),
        ([(b"x-goog-api-key", b"k2")], b"", "k2"),
        ([(b"api-key", b" k2 ")], b"", "k2"),
        ([], b"key=k3", "k3"),
        ([], b"alt=sse&key=k%2D3", "k-3"),
        ([(b"x-api-key", b"k2"), (b"authorization", b"Bearer k1")], b"key=k3", "k1"),
        ([(b"x-api-key", b"k2"), (b"api-key", b"k4")], b"key=k3", "k2"),
        ([(b"authorization", b"Basic k1"), (b"x-api-key", b"k2")], b"", "k2"),
        ([(b"authorization", b"Bearer "), (b"x-api-key", b"k2")], b"", "k2"),
        ([(b"authorization", b"Basic k1")], b"", None),
        ([(b"authorization", b"Bearer")], b"", None),
        ([(b"authorization", b"k1")], b"", None),
        ([(b"x-api-key", b"")], b"", None),
        ([], b"apikey=k3", None),
        ([], b"key=", None),
        ([], b"", None),
        ([(b"cookie", b"key=k1")], b"", None),
    ],
)
def test_where_a_key_may_be(headers: list[tuple[bytes, bytes]], query: bytes, key: str | None) -> None:
    assert key_in(headers, query) == key


def bearer(key: bytes = KEY.encode()) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", b"Bearer " + key)]


def refused(snapshot: Snapshot, headers: list[tuple[bytes, bytes]]) -> str | None:
    with pytest.raises(Refusal) as caught:
        identify(snapshot, headers, b"", NOW)
    assert caught.value.status == 401 and KEY not in caught.value.message
    return caught.value.code


def test_a_known_key() -> None:
    caller = identify(known(access=Access(models=("a",)), team_id=7), bearer(), b"", NOW)
    assert (caller.key_id, caller.access.models, caller.team_id) == (1, ("a",), 7)


@pytest.mark.parametrize(
    ("said", "headers", "code"),
    [
        ({}, [], "missing_api_key"),
        ({}, bearer(b"sk-omni-other"), "invalid_api_key"),
        ({}, bearer(KEY.upper().encode()), "invalid_api_key"),
        ({}, bearer(b"\xff\xfe"), "invalid_api_key"),
        ({"enabled": False}, bearer(), "api_key_disabled"),
        ({"expires_at": NOW}, bearer(), "api_key_expired"),
        ({"expires_at": NOW - 1}, bearer(), "api_key_expired"),
    ],
)
def test_refused(said: dict[str, object], headers: list[tuple[bytes, bytes]], code: str) -> None:
    assert refused(known(**said), headers) == code


def test_a_key_that_has_not_expired() -> None:
    assert identify(known(expires_at=NOW + 0.1), bearer(), b"", NOW).key_id == 1


OTHER = b"a-vendors-own-key"


@pytest.mark.parametrize(
    ("headers", "query", "code"),
    [
        ([(b"authorization", b"Bearer " + OTHER), (b"x-api-key", KEY.encode())], b"", None),
        ([(b"x-api-key", OTHER), (b"api-key", KEY.encode())], b"", None),
        ([(b"x-api-key", OTHER), (b"authorization", b"Bearer " + KEY.encode())], b"", None),
        ([(b"authorization", b"Bearer " + OTHER), (b"x-goog-api-key", OTHER)], b"key=" + KEY.encode(), None),
        ([(b"authorization", b"Bearer " + OTHER), (b"authorization", b"Bearer " + KEY.encode())], b"", None),
        ([(b"authorization", b"Bearer " + OTHER), (b"x-api-key", OTHER)], b"key=x", "invalid_api_key"),
        # Ours, but gone: no other key takes its place.
        ([(b"authorization", b"Bearer sk-omni-gone"), (b"x-api-key", KEY.encode())], b"", "invalid_api_key"),
        ([(b"authorization", b"Bearer x"), (b"x-api-key", b"sk-omni-gone")], b"key=" + KEY.encode(), "invalid_api_key"),
    ],
)
def test_of_several_keys_ours_counts(headers: list[tuple[bytes, bytes]], query: bytes, code: str | None) -> None:
    if code is None:
        assert identify(known(), headers, query, NOW).key_id == 1
        return
    with pytest.raises(Refusal) as caught:
        identify(known(), headers, query, NOW)
    assert (caught.value.status, caught.value.code) == (401, code)


def test_a_key_that_an_operator_brought_counts_beside_another() -> None:
    brought = "a-key-of-the-operators-own-making-0001"
    headers = [(b"authorization", b"Bearer " + OTHER), (b"x-api-key", brought.encode())]
    assert identify(known(brought), headers, b"", NOW).key_id == 1


class TestWithoutRequiredKeys:
    def test_anybody_may_ask(self) -> None:
        assert identify(known(required=False), [], b"", NOW) is ANYBODY
        assert identify(known(required=False), bearer(b"whatever-a-client-insists-on"), b"", NOW) is ANYBODY

    def test_a_known_key_is_still_known(self) -> None:
        assert identify(known(required=False), bearer(), b"", NOW).key_id == 1
        beside = [*bearer(OTHER), (b"x-api-key", KEY.encode())]
        assert identify(known(required=False), beside, b"", NOW).key_id == 1

    def test_a_key_that_was_switched_off_stays_off(self) -> None:
        assert refused(known(required=False, enabled=False), bearer()) == "api_key_disabled"


@given(
    st.lists(st.tuples(st.sampled_from([b"authorization", b"x-api-key"]), st.binary(max_size=20))),
    st.binary(max_size=30),
)
def test_no_headers_do_more_than_be_refused(headers: list[tuple[bytes, bytes]], query: bytes) -> None:
    with pytest.raises(Refusal):
        identify(known(), headers, b"key=" + query, NOW)
