"""The text of a declarative file: lines, substitution, and what no document may do. No database."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from omniroute.declarative.document import BadDocument, Node, escape, read
from omniroute.declarative.export import _Dumper

ENVIRONMENT = {"KEY": "from-the-environment", "NUMBER": "7"}


def tree(text: str) -> Any:
    return unwrapped(read(text, ENVIRONMENT.get))


def unwrapped(node: Node) -> Any:
    match node.value:
        case dict() as mapping:
            return {key: unwrapped(child) for key, child in mapping.items()}
        case list() as items:
            return [unwrapped(child) for child in items]
    return node.value


def problems(text: str) -> list[str]:
    with pytest.raises(BadDocument) as caught:
        read(text, ENVIRONMENT.get)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("null", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("off", "off"),
        ("12", 12),
        ("-3", -3),
        ("0.10", Decimal("0.10")),
        ("1e-3", Decimal("0.001")),
        ("007", "007"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("0x1F", "0x1F"),
        ("2026-01-01", "2026-01-01"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("${KEY}", "from-the-environment"),
        ('"a ${KEY} b"', "a from-the-environment b"),
        ("$${KEY}", "${KEY}"),
        ("'$$${KEY}'", "$${KEY}"),
        ("$KEY", "$KEY"),
        ("'cost $5 {x}'", "cost $5 {x}"),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(written: str, meant: object) -> None:
    found = tree(f"a: {written}")["a"]
    assert found == meant and type(found) is type(meant)


def test_every_node_knows_its_line() -> None:
    root = read("a: 1\nb:\n  - x\n  - {c: 2}\n", ENVIRONMENT.get).value
    assert isinstance(root, dict)
    items = root["b"].value
    assert isinstance(items, list)
    assert (root["a"].line, root["b"].key_line, items[0].line, items[1].line) == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: [1,\n", "line 3: not valid YAML"),
        ("a: 1\n\tb: 2\n", "line 2: not valid YAML"),
        ("a: 1\nb: 2\na: 3\n", "line 3: 'a' is written twice (first on line 1)."),
        ('{"a": 1,\n "a": 2}', "line 2: 'a' is written twice (first on line 1)."),
        ("a: 1\nb: ${MISSING}\n", "line 2: MISSING is not set in the environment."),
        ("a: 1\nb: ${not a name}\n", "line 2: ${ needs a variable's name"),
        ("a: ${KEY\n", "line 1: ${ needs a variable's name"),
        ("a: 1\nb: !!python/object/apply:os.system [id]\n", "line 2: tags (!) are not allowed."),
        ("a: !!binary aGk=\n", "line 1: tags (!) are not allowed."),
        ("a: 1\n? [x]\n: 2\n", "line 2: a key must be text."),
        ("a: 1\n---\nb: 2\n", "line 2: not valid YAML"),
        ("a: 1\nb: \x07\n", "line 2: not valid YAML: a character that is not allowed."),
        ('{"a": 1,\n "b": "\\ud800"}', "line 2: half of a character"),
        ("", "line 1: the file is empty."),
        ("# only a comment\n", "line 1: the file is empty."),
        ("a: &x [*x]\n", "line 1: nested too deeply."),
        ("[" * 5000, "line 1: nested too deeply."),
    ],
)
def test_a_bad_document_is_refused_with_its_line(text: str, expected: str) -> None:
    assert problems(text)[0].startswith(expected)


def test_several_problems_are_told_together() -> None:
    assert problems("a: ${ONE}\nb: ${TWO}\n") == [
        "line 1: ONE is not set in the environment.",
        "line 2: TWO is not set in the environment.",
    ]


def test_a_bomb_of_aliases_is_refused_quickly() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert "too large" in problems("\n".join(rows))[0]


def test_modest_aliases_are_fine() -> None:
    assert tree("a: &x {n: 1}\nb: *x\n") == {"a": {"n": 1}, "b": {"n": 1}}


def test_values_from_the_environment_are_never_quoted() -> None:
    node = read("a: ${KEY}", ENVIRONMENT.get)
    assert "from-the-environment" not in repr(node)
    assert isinstance(node.value, dict) and node.value["a"].borrowed


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcXYZ_", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON, indent=st.sampled_from([None, 2, "\t"]), ascii_only=st.booleans())
def test_json_means_itself(value: Any, indent: Any, ascii_only: bool) -> None:
    escaped = _escaped(value)
    assert tree(json.dumps({"v": escaped}, indent=indent, ensure_ascii=ascii_only)) == {"v": value}


@given(value=JSON)
def test_what_the_exporter_writes_reads_the_same(value: Any) -> None:
    assert tree(yaml.dump({"v": value}, Dumper=_Dumper, allow_unicode=True, width=10_000)) == {"v": value}


def _escaped(value: Any) -> Any:
    match value:
        case str():
            return escape(value)
        case list():
            return [_escaped(each) for each in value]
        case dict():
            return {key: _escaped(each) for key, each in value.items()}
    return value
