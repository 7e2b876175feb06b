"""The key ring: what opens, what must not, and what never shows."""

from __future__ import annotations

import base64
import secrets
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.vault import BadKey, KeyRing, Sealed, SecretUnreadable

OLD, NEW = "old-key-" + "o" * 40, "new-key-" + "n" * 40
PLACE = "providers_connection.secret:1"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_what_is_sealed_opens_again(text: str) -> None:
    ring = KeyRing([OLD])
    assert ring.open(ring.seal(text, PLACE), PLACE) == text


def test_sealing_twice_gives_different_values() -> None:
    ring = KeyRing([OLD])
    assert ring.seal("same", PLACE) != ring.seal("same", PLACE)


def test_the_first_key_seals_and_every_key_opens() -> None:
    sealed_before = KeyRing([OLD]).seal("hunter2", PLACE)
    both = KeyRing([NEW, OLD])
    assert both.open(sealed_before, PLACE) == "hunter2"
    sealed_now = both.seal("hunter2", PLACE)
    assert Sealed(sealed_now).key_id == KeyRing([NEW]).primary
    assert KeyRing([NEW]).open(sealed_now, PLACE) == "hunter2"


def test_a_key_that_is_not_in_the_ring_opens_nothing() -> None:
    token = KeyRing([OLD]).seal("hunter2", PLACE)
    with pytest.raises(SecretUnreadable, match="not in ENCRYPTION_KEYS"):
        KeyRing([NEW]).open(token, PLACE)


def test_a_value_under_a_borrowed_key_id_does_not_open() -> None:
    old, both = KeyRing([OLD]), KeyRing([NEW, OLD])
    token = old.seal("hunter2", PLACE).replace(old.primary, both.primary)
    with pytest.raises(SecretUnreadable):
        both.open(token, PLACE)


def test_every_altered_character_is_noticed() -> None:
    ring = KeyRing([OLD])
    token = ring.seal("hunter2", PLACE)
    for position, letter in enumerate(token):
        for other in "AB9-_.=+/é\n":
            if other == letter:
                continue
            with pytest.raises(SecretUnreadable):
                ring.open(token[:position] + other + token[position + 1 :], PLACE)


def test_cut_and_foreign_values_do_not_open() -> None:
    ring = KeyRing([OLD])
    token = ring.seal("hunter2", PLACE)
    for wrong in ["", "og1", "og1..", "sk-plain-text", f"og1.{ring.primary}.", token + "=", " " + token, token * 2]:
        with pytest.raises(SecretUnreadable):
            ring.open(wrong, PLACE)
    for length in range(len(token)):
        with pytest.raises(SecretUnreadable):
            ring.open(token[:length], PLACE)


@pytest.mark.parametrize(
    "elsewhere", ["providers_connection.secret:2", "providers_connection.proxy:1", "other.secret:1", ""]
)
def test_a_value_is_bound_to_its_place(elsewhere: str) -> None:
    ring = KeyRing([OLD])
    with pytest.raises(SecretUnreadable, match="altered or moved"):
        ring.open(ring.seal("hunter2", PLACE), elsewhere)


@pytest.mark.parametrize("keys", [[], [""], ["x" * 31], [OLD, "short"]])
def test_short_or_missing_keys_are_refused(keys: list[str]) -> None:
    with pytest.raises(BadKey) as refused:
        KeyRing(keys)
    assert "short" not in str(refused.value) and "xxx" not in str(refused.value)


def test_one_key_in_its_spellings_is_one_key() -> None:
    raw = secrets.token_bytes(32)
    spellings = [raw.hex(), raw.hex().upper(), base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()]
    assert len({KeyRing([text]).primary for text in spellings}) == 1


def test_sixty_four_characters_that_are_less_than_a_key_stay_a_passphrase() -> None:
    spaced = ("aa " * 16 + "bb" * 8).ljust(64)[:64]  # hex digits and spaces: 24 bytes, a weaker cipher if believed
    ring = KeyRing([spaced])
    assert ring.open(ring.seal("hunter2", PLACE), PLACE) == "hunter2"
    assert ring.primary != KeyRing([bytes.fromhex(spaced).hex().ljust(64, "0")]).primary


def test_nothing_that_is_printed_tells_a_secret() -> None:
    ring = KeyRing([OLD, NEW])
    sealed = Sealed(ring.seal("hunter2", PLACE))
    shown = f"{ring!r} {ring} {sealed!r} {sealed} {[sealed]} {ring.fingerprint}"
    for hidden in (OLD, NEW, "hunter2", sealed.token, sealed.token[15:]):
        assert hidden not in shown
    try:
        ring.open(sealed.token[:-4] + "AAAA", PLACE)
    except SecretUnreadable:
        told = traceback.format_exc()
    assert "hunter2" not in told and sealed.token[20:60] not in told and "InvalidTag" not in told
