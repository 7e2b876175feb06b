"""The sections ``policies`` and ``cache``: applied, refused with line and reason, exported and applied again."""

from __future__ import annotations

import pytest
import yaml

from accounts.models import Team, User
from omniroute.declarative.apply import apply
from omniroute.declarative.document import BadDocument
from omniroute.declarative.export import export
from routing import keys
from routing.models import CacheSettings, Policy

pytestmark = pytest.mark.django_db
FILE = """\
version: 1
policies:
  - {kind: system_prompt, settings: {before: "House rules.\\nBe kind."}}
  - {kind: guard, scope: team, name: Red, settings: {mode: block, patterns: [{name: own, pattern: "x+"}]}}
  - {kind: max_tokens, scope: key, name: ci, user: ci@example.com, enabled: false, settings: {tokens: 100}}
cache: {exact: true, ttl_seconds: 60, idempotency_seconds: 0}
"""


def plan(text: str, **options: bool) -> list[str]:
    return [str(change) for change in apply(text, variable={}.get, **options).changes]


@pytest.fixture
def people() -> None:
    Team.objects.create(name="Red")
    keys.create(name="ci", owner=User.objects.create_user("ci@example.com"))


def test_the_sections_are_made_once_and_exported_as_they_are(people: None) -> None:
    assert plan(FILE) == [
        "+ policy system_prompt global",
        "+ policy guard team Red",
        "+ policy max_tokens key ci",
        "~ settings cache (exact false → true, ttl_seconds 3600 → 60, idempotency_seconds 5 → 0)",
    ]
    assert plan(FILE) == []
    exported = yaml.safe_load(export())
    said = yaml.safe_load(FILE)
    assert exported["policies"] == said["policies"] and exported["cache"].items() >= said["cache"].items()
    assert plan(export()) == []
    text = export()
    Policy.objects.all().delete()
    CacheSettings.objects.all().delete()
    assert len(plan(text)) == 4


def test_an_export_sets_back_what_is_as_at_the_start() -> None:
    text = export()
    plan("cache: {exact: true, max_mb: 8}")
    assert plan(text) == ["~ settings cache (exact true → false, max_mb 8 → 64)"]
    assert export() == text and "semantic_model: null" in text


def test_pruning_deletes_what_is_not_named(people: None) -> None:
    plan(FILE)
    assert plan("policies: [{kind: max_tokens, settings: {tokens: 5}}]", prune=True) == [
        "+ policy max_tokens global",
        "- policy guard team Red",
        "- policy max_tokens key ci",
        "- policy system_prompt global",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("policies: [{kind: guard, settings: {mode: stop}}]", "policies[1].settings: Invalid enum value 'stop'"),
        ("policies: [{kind: guard, scope: team, name: No}]", "there is no team 'No'"),
        ("policies: [{kind: nothing}]", "must be one of"),
        ("policies: [{kind: guard}, {kind: guard}]", "is there twice"),
        ("cache: {semantic: true}", "need kept answers"),
        ("cache: {ttl_seconds: 0}", "from 1 to 2592000"),
        ("cache: {exactly: true}", "unknown key"),
    ],
)
def test_what_is_wrong_is_told(text: str, words: str) -> None:
    with pytest.raises(BadDocument) as told:
        plan(text)
    assert words in str(told.value.problems[0])
