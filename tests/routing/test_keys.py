"""Client keys: made, shown once, stored as hashes; whose they are."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import Membership, Role, Team, User
from routing import keys
from routing.models import ApiKey

pytestmark = pytest.mark.django_db
GIVEN = "sk-brought-by-the-operator-0123456789"


@pytest.fixture
def people() -> dict[str, Any]:
    """admin; owner, member and viewer of one team; other, owner of another; gone, inactive owner of the first."""
    found: dict[str, Any] = {"admin": User.objects.create_superuser("admin@example.com")}
    for name in ("owner", "member", "viewer", "other", "gone"):
        found[name] = User.objects.create_user(f"{name}@example.com", is_active=name != "gone")
    found["team"], found["elsewhere"] = Team.objects.create(name="one"), Team.objects.create(name="two")
    roles = {"owner": Role.OWNER, "member": Role.MEMBER, "viewer": Role.VIEWER, "gone": Role.OWNER}
    for name, role in roles.items():
        Membership.objects.create(team=found["team"], user=found[name], role=role)
    Membership.objects.create(team=found["elsewhere"], user=found["other"], role=Role.OWNER)
    return {**found, "nobody": None}


class TestCreate:
    def test_only_its_hash_is_kept(self) -> None:
        row, text = keys.create(name="  ci ")
        row.refresh_from_db()
        assert text.startswith("sk-omni-") and len(text) == len("sk-omni-") + 43
        assert (row.name, row.last4, row.model_patterns) == ("ci", text[-4:], ["*"])
        assert row.key_hash == hashlib.sha256(text.encode()).hexdigest()
        stored = " ".join(str(value) for value in ApiKey.objects.values_list().get())
        assert text not in stored and text[8:30] not in stored and text not in repr(row) + str(row)

    def test_no_two_are_alike(self) -> None:
        assert len({keys.generate() for _ in range(100)}) == 100

    def test_everything_that_can_be_said(self, people: dict[str, Any]) -> None:
        until = timezone.now() + timedelta(days=1)
        row, text = keys.create(
            name="k", owner=people["member"], team=people["team"], patterns=["openai/*", " fast ", "openai/*", ""],
            expires_at=until, key=GIVEN,
        )  # fmt: skip
        row.refresh_from_db()
        assert text == GIVEN and row.last4 == "6789" and row.expires_at == until
        assert (row.owner, row.team, row.model_patterns) == (people["member"], people["team"], ["openai/*", "fast"])

    @pytest.mark.parametrize(
        ("said", "field"),
        [
            ({"name": " "}, "name"),
            ({"name": "x" * 101}, "name"),
            ({"key": "x" * 31}, "key"),
            ({"key": "x" * 31 + " x"}, "key"),
            ({"key": "x" * 31 + "\n"}, "key"),
            ({"key": "é" * 40}, "key"),
            ({"key": ""}, "key"),
            ({"patterns": ["a b"]}, "model_patterns"),
            ({"patterns": ["a\nb"]}, "model_patterns"),
            ({"patterns": [1]}, "model_patterns"),
            ({"patterns": [None]}, "model_patterns"),
            ({"patterns": ["x" * 261]}, "model_patterns"),
            ({"patterns": "openai/*"}, "model_patterns"),
        ],
    )
    def test_what_cannot_be(self, said: dict[str, Any], field: str) -> None:
        with pytest.raises(ValidationError) as caught:
            keys.create(**{"name": "k", **said})
        assert field in caught.value.message_dict and not ApiKey.objects.exists()

    def test_a_key_that_is_there_already(self) -> None:
        keys.create(name="k", key=GIVEN)
        with pytest.raises(ValidationError, match="already in use"):
            keys.create(name="other", key=GIVEN)
        assert ApiKey.objects.count() == 1

    def test_no_patterns_allow_nothing(self) -> None:
        row, _ = keys.create(name="k", patterns=[])
        assert row.model_patterns == [] and not keys.allows(row.model_patterns, "acme/large")


@pytest.mark.parametrize(
    ("patterns", "name", "may"),
    [
        (["*"], "x", True),
        (["openai/*"], "openai/gpt", True),
        (["openai/*"], "openai-x/gpt", False),
        (["a", "b"], "b", True),
        ([], "x", False),
    ],
)
def test_allows(patterns: list[str], name: str, may: bool) -> None:
    assert keys.allows(patterns, name) is may


class TestWhoMay:
    @pytest.fixture
    def rows(self, people: dict[str, Any]) -> None:
        for owner in ("nobody", "member", "viewer", "other"):
            for team in ("nobody", "team", "elsewhere"):
                keys.create(name=f"{owner}+{team}", owner=people[owner], team=people[team])

    @pytest.mark.parametrize(
        ("person", "sees"),
        [
            ("owner", {"nobody+team", "member+team", "viewer+team", "other+team"}),
            ("member", {"member+nobody", "member+team", "member+elsewhere"}),
            ("viewer", {"viewer+nobody", "viewer+team", "viewer+elsewhere"}),
            (
                "other",
                {
                    "other+nobody",
                    "other+team",
                    "other+elsewhere",
                    "nobody+elsewhere",
                    "member+elsewhere",
                    "viewer+elsewhere",
                },
            ),
            ("gone", set()),
        ],
    )
    @pytest.mark.usefixtures("rows")
    def test_visible(self, people: dict[str, Any], person: str, sees: set[str]) -> None:
        user = people[person]
        assert {row.name for row in keys.visible_to(user)} == sees == {row.name for row in keys.editable_by(user)}
        assert keys.visible_to(user).count() == len(sees), "none twice"

    @pytest.mark.usefixtures("rows")
    def test_a_site_administrator_sees_all(self, people: dict[str, Any]) -> None:
        assert keys.visible_to(people["admin"]).count() == 12

    MAY = {
        # person: (owner, team) pairs they may make keys for
        "admin": {
            (o, t) for o in ("nobody", "owner", "member", "viewer", "other") for t in ("nobody", "team", "elsewhere")
        },
        "owner": {("owner", "nobody"), ("nobody", "team"), ("owner", "team"), ("member", "team"), ("viewer", "team")},
        "member": {("member", "nobody"), ("member", "team")},
        "viewer": {("viewer", "nobody")},
        "other": {("other", "nobody"), ("other", "elsewhere"), ("nobody", "elsewhere")},
        "gone": set(),
    }

    @pytest.mark.parametrize("person", sorted(MAY))
    def test_create(self, people: dict[str, Any], person: str) -> None:
        may = {
            (owner, team)
            for owner in ("nobody", "owner", "member", "viewer", "other", *(["gone"] if person == "gone" else []))
            for team in ("nobody", "team", "elsewhere")
            if keys.may_create(people[person], owner=people[owner], team=people[team])
        }
        assert may == self.MAY[person]
