"""Names that lead to names: what never ends, or is longer than the gateway follows, is refused wherever it is saved."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from omniroute.declarative.apply import apply
from omniroute.declarative.document import BadDocument
from providers.wire.errors import Refusal
from routing import combos, publish
from routing.chains import Names, faults
from routing.forms.aliases import AliasForm
from routing.models import Alias, Combo
from routing.names import find


@pytest.mark.parametrize(
    ("steps", "aliases", "roots"),
    [
        ({"a": ["x"], "b": ["a"], "c": ["b"]}, {"n": "c", "m": "n"}, set()),
        ({"a": ["x"], "b": ["a"], "c": ["b"], "d": ["c"]}, {}, {"d"}),
        ({"a": ["x"], "b": ["to-a"], "c": ["to-b"], "d": ["to-c"]}, {f"to-{n}": n for n in "abc"}, {"d"}),
        ({"a": ["n"]}, {"n": "a"}, {"a"}),
        ({"a": ["n"]}, {"n": "m", "m": "a"}, {"a"}),
        ({}, {"n": "m", "m": "n"}, {"n", "m"}),
        ({}, {"1": "2", "2": "3", "3": "4", "4": "x"}, set()),
        ({}, {"1": "2", "2": "3", "3": "4", "4": "5", "5": "x"}, {"1"}),
        ({}, {"g*": "2", "2": "3", "3": "4", "4": "5", "5": "x"}, {"g*"}),
        ({"a": ["g-1"]}, {"g*": "a"}, set()),  # patterns are for what clients write, a step is a model's name
        ({"a": ["x", "n"]}, {"a": "n", "n": "x"}, set()),  # a combo comes before an alias of its name
    ],
)
def test_what_has_no_end(steps: dict[str, list[str]], aliases: dict[str, str], roots: set[str]) -> None:
    assert {fault.root for fault in faults(Names(steps, aliases))} == roots


def test_many_steps_on_each_level_are_walked_in_no_time() -> None:
    wide = {f"{level}-{n}": [f"{level + 1}-{m}" for m in range(40)] for level in range(3) for n in range(40)}
    assert faults(Names(wide, {})) == []


@pytest.fixture
def api(db: None) -> APIClient:
    client = APIClient()
    client.force_login(User.objects.create_superuser("admin@example.com"))
    return client


def refused(reply: Any, field: str, word: str) -> None:
    assert reply.status_code == 400, reply.content
    assert word in " ".join(reply.json()["error"]["fields"][field])


def test_a_loop_through_an_alias_is_refused_in_either_order(api: APIClient) -> None:
    alias, combo = {"pattern": "cyal", "target": "cyc1"}, {"name": "cyc1", "steps": ["cyal"]}
    made = api.post("/api/v1/aliases/", alias, format="json")
    refused(api.post("/api/v1/combos/", combo, format="json"), "steps", "cyc1 → cyal → cyc1")
    assert not Combo.objects.exists()
    api.delete(f"/api/v1/aliases/{made.json()['id']}/")
    assert api.post("/api/v1/combos/", combo, format="json").status_code == 201
    refused(api.post("/api/v1/aliases/", alias, format="json"), "target", "comes back to itself")
    harmless = api.post("/api/v1/aliases/", {**alias, "target": "acme/large"}, format="json").json()["id"]
    refused(api.patch(f"/api/v1/aliases/{harmless}/", {"target": "cyc1"}, format="json"), "target", "itself")
    assert Alias.objects.get().target == "acme/large"


def test_depth_counts_through_aliases_in_the_api_and_the_form(api: APIClient) -> None:
    for name, step in (("d1", "acme/large"), ("d2", "to-d1"), ("d3", "to-d2")):
        assert api.post("/api/v1/combos/", {"name": name, "steps": [step]}, format="json").status_code == 201
        assert api.post("/api/v1/aliases/", {"pattern": f"to-{name}", "target": name}, format="json").status_code == 201
    refused(api.post("/api/v1/combos/", {"name": "d4", "steps": ["to-d3"]}, format="json"), "steps", "3 deep")
    combos.store(Combo(name="e"), [combos.Step("later")])
    assert not AliasForm({"pattern": "later", "target": "e"}).is_valid()
    assert "target" in AliasForm({"pattern": "later", "target": "d3"}).errors  # e would be four deep
    assert AliasForm({"pattern": "later", "target": "d2"}).is_valid()


def test_what_is_accepted_is_followed_to_its_end(api: APIClient) -> None:
    """The bounds here are those that the gateway goes by: no chain that may be saved is cut short."""
    for number in (4, 3, 2, 1):
        body = {"pattern": f"n{number}", "target": f"n{number + 1}" if number < 4 else "end"}
        assert api.post("/api/v1/aliases/", body, format="json").status_code == 201
    refused(api.post("/api/v1/aliases/", {"pattern": "n0", "target": "n1"}, format="json"), "target", "in a row")
    refused(api.post("/api/v1/aliases/", {"pattern": "n?", "target": "n1"}, format="json"), "target", "in a row")
    with pytest.raises(Refusal, match="'end'"):
        find(publish.build(), "n1")


LOOPS = (
    "combos: [{name: cyc1, steps: [cyal]}]\naliases: [{pattern: cyal, target: cyc1}]",
    "aliases: [{pattern: a, target: b}, {pattern: b, target: a}]",
    "combos: [{name: d1, steps: [x/y]}, {name: d2, steps: [a1]}, {name: d3, steps: [a2]}, {name: d4, steps: [a3]}]\n"
    "aliases: [{pattern: a1, target: d1}, {pattern: a2, target: d2}, {pattern: a3, target: d3}]",
)


@pytest.mark.parametrize("text", LOOPS)
def test_the_file_refuses_them_and_changes_nothing(text: str, db: None) -> None:
    with pytest.raises(BadDocument, match=r"line \d: (combos|aliases)\[\d\]\.(steps|target): .*(itself|deep)"):
        apply(f"version: 1\n{text}")
    assert not Combo.objects.exists() and not Alias.objects.exists()


def test_a_file_with_half_of_a_loop_is_refused(db: None) -> None:
    combos.store(Combo(name="cyc1"), [combos.Step("cyal")])
    with pytest.raises(BadDocument, match=r"aliases\[1\]\.target: the combo comes back to itself: cyc1 → cyal → cyc1"):
        apply("version: 1\naliases: [{pattern: cyal, target: cyc1}]")
    apply("version: 1\ncombos: [{name: cyc1, steps: [x/y]}]\naliases: [{pattern: cyal, target: cyc1}]")
