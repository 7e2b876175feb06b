"""JSON Schema ⇄ the subsets that vendors take."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.schema import GEMINI_KEYS, for_openai_strict, from_gemini, to_gemini

LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4)
KEYWORDS = st.sampled_from(
    [
        "type", "properties", "items", "anyOf", "oneOf", "allOf", "$ref", "$defs", "const", "enum", "required",
        "nullable",
        "format", "not", "minimum", "maxItems", "description", "prefixItems", "additionalProperties",
        "exclusiveMinimum",
    ]
)  # fmt: skip
WORDS = st.sampled_from(["string", "object", "array", "null", "integer", "STRING", "#/$defs/a", "#", "date-time", "a"])
ANYTHING = st.recursive(
    LEAVES | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYWORDS | st.sampled_from("ab"), inner, max_size=6),
    max_leaves=40,
)


def allowed(node: Any) -> None:
    """Fail on anything that Gemini's Schema does not have."""
    assert isinstance(node, dict)
    assert set(node) <= GEMINI_KEYS
    assert "type" in node or "anyOf" in node
    assert node.get("type", "STRING") in {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"}
    assert all(isinstance(value, str) for value in node.get("enum", []))
    assert all(name in node.get("properties", {}) for name in node.get("required", []))
    assert ("items" in node) == (node.get("type") == "ARRAY")
    for inner in [
        *node.get("properties", {}).values(),
        *node.get("anyOf", []),
        *([node["items"]] if "items" in node else []),
    ]:
        allowed(inner)


def gemini(schema: Any) -> Any:
    return to_gemini(schema)[0]


def field(schema: Any, **more: Any) -> Any:
    return gemini({"type": "object", "properties": {"a": schema}, **more})["properties"]["a"]


class TestToGemini:
    def test_a_tools_schema(self) -> None:
        schema = {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {
                "path": {"type": "string", "description": "where", "minLength": 1},
                "count": {"type": ["integer", "null"], "minimum": 1, "default": 3},
                "tags": {"type": "array", "items": {"type": "string", "enum": ["x", "y"]}, "maxItems": 3},
                "when": {"type": "string", "format": "date-time"},
            },
            "required": ["path"],
            "additionalProperties": False,
        }
        before = copy.deepcopy(schema)
        made, lost = to_gemini(schema)
        assert made == {
            "type": "OBJECT",
            "properties": {
                "path": {"type": "STRING", "description": "where", "minLength": 1},
                "count": {"type": "INTEGER", "nullable": True, "minimum": 1, "default": 3},
                "tags": {"type": "ARRAY", "items": {"type": "STRING", "enum": ["x", "y"]}, "maxItems": 3},
                "when": {"type": "STRING", "format": "date-time"},
            },
            "required": ["path"],
        }
        assert set(lost) == {"additionalProperties", "$schema"}
        assert schema == before
        types.Schema.model_validate(made)

    @pytest.mark.parametrize(
        ("given", "made"),
        [
            ({"const": "x"}, {"type": "STRING", "enum": ["x"]}),
            ({"enum": ["a", None]}, {"type": "STRING", "enum": ["a"], "nullable": True}),
            ({"enum": [1, 2], "type": "integer"}, {"type": "INTEGER", "description": "One of: 1, 2"}),
            ({"type": ["string", "integer"]}, {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}),
            ({"type": ["null"]}, {"type": "NULL"}),
            ({"oneOf": [{"type": "string"}, {"type": "null"}]}, {"type": "STRING", "nullable": True}),
            (
                {"anyOf": [{"type": "string"}, {"type": "number"}], "description": "d"},
                {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}], "description": "d"},
            ),
            (
                {
                    "allOf": [
                        {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
                        {"properties": {"y": {"type": "boolean"}}, "required": ["y"]},
                    ]
                },
                {
                    "type": "OBJECT",
                    "properties": {"x": {"type": "STRING"}, "y": {"type": "BOOLEAN"}},
                    "required": ["x", "y"],
                },
            ),
            ({"type": "string", "format": "uri"}, {"type": "STRING"}),
            ({"type": "array"}, {"type": "ARRAY", "items": {"type": "STRING"}}),
            (
                {"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}]},
                {"type": "ARRAY", "items": {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}]}},
            ),
            ({"properties": {"x": {"type": "string"}}}, {"type": "OBJECT", "properties": {"x": {"type": "STRING"}}}),
            ({}, {"type": "STRING"}),
            (
                {"type": "object", "title": "T", "anyOf": [{"type": "array", "title": "U"}, {"type": "null"}]},
                {"type": "ARRAY", "title": "T", "nullable": True, "items": {"type": "STRING"}},
            ),
            (
                {"type": ["object", "array"], "properties": {"x": {"type": "string"}}},
                {
                    "anyOf": [
                        {"type": "OBJECT", "properties": {"x": {"type": "STRING"}}},
                        {"type": "ARRAY", "items": {"type": "STRING"}},
                    ]
                },
            ),
            (True, {"type": "STRING"}),
            ({"type": "object", "properties": {}}, {"type": "OBJECT"}),
        ],
    )
    def test_rules(self, given: Any, made: Any) -> None:
        assert field(given) == made

    def test_references_are_resolved_and_cycles_cut(self) -> None:
        node = {
            "type": "object",
            "description": "a node",
            "properties": {"next": {"$ref": "#/$defs/node"}, "name": {"$ref": "#/$defs/na~1me", "description": "own"}},
        }
        made, lost = to_gemini(
            {"$ref": "#/$defs/node", "$defs": {"node": node, "na/me": {"type": "string", "description": "theirs"}}}
        )
        assert made["properties"] == {"next": {"type": "OBJECT"}, "name": {"type": "STRING", "description": "own"}}
        assert "$ref" in lost
        assert field({"$ref": "https://elsewhere.example/x"}) == {"type": "OBJECT"}

    def test_depth_and_size_are_bounded(self) -> None:
        deep: dict[str, Any] = {"type": "string"}
        for _ in range(500):
            deep = {"type": "array", "items": deep}
        allowed(gemini(deep))
        wide = {"$defs": {"l0": {"type": "string"}}}
        for level in range(1, 20):
            ref = {"$ref": f"#/$defs/l{level - 1}"}
            wide["$defs"][f"l{level}"] = {"type": "object", "properties": dict.fromkeys("abcdefgh", ref)}  # type: ignore[dict-item]
        made, lost = to_gemini({**wide, "$ref": "#/$defs/l19"})
        assert "depth" in lost and len(str(made)) < 1_000_000

    @given(ANYTHING)
    def test_any_json_becomes_a_schema(self, schema: Any) -> None:
        made, lost = to_gemini(schema)
        allowed(made)
        assert all(isinstance(name, str) for name in lost)

    SIMPLE = st.recursive(
        st.sampled_from([{"type": "string"}, {"type": ["integer", "null"]}, {"type": "string", "enum": ["a", "b"]}]),
        lambda inner: st.one_of(
            inner.map(lambda item: {"type": "array", "items": item}),
            st.dictionaries(st.sampled_from("abc"), inner, min_size=1).map(
                lambda fields: {"type": "object", "properties": fields, "required": sorted(fields)[:1]}
            ),
            st.lists(inner, min_size=2, max_size=3).map(lambda options: {"anyOf": options}),
        ),
        max_leaves=8,
    )

    @given(SIMPLE)
    def test_what_both_can_say_comes_back(self, schema: Any) -> None:
        made, lost = to_gemini(schema)
        assert from_gemini(made) == schema and lost == ()


class TestFromGemini:
    def test_everything(self) -> None:
        assert from_gemini(
            {
                "type": "OBJECT",
                "properties": {
                    "a": {"type": "STRING", "nullable": True, "enum": ["x"]},
                    "b": {"any_of": [{"type": "NUMBER"}, {"type": "BOOLEAN"}], "nullable": True},
                    "c": {"type": "ARRAY", "items": {"type": "INTEGER"}, "min_items": "2", "example": [1, 2]},
                },
                "propertyOrdering": ["a"],
                "required": ["a"],
            }
        ) == {
            "type": "object",
            "properties": {
                "a": {"type": ["string", "null"], "enum": ["x", None]},
                "b": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "null"}]},
                "c": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "examples": [[1, 2]]},
            },
            "required": ["a"],
        }

    @given(ANYTHING)
    def test_any_json_is_taken(self, schema: Any) -> None:
        assert isinstance(from_gemini(schema), dict)


class TestStrict:
    def test_objects_are_closed_and_everything_required(self) -> None:
        schema = {
            "type": "object",
            "properties": {
                "a": {"type": "string"},
                "b": {"type": "integer"},
                "c": {"type": "array", "items": {"type": "object", "properties": {"d": {"enum": ["x"]}}}},
            },
            "required": ["a"],
        }
        before = copy.deepcopy(schema)
        assert for_openai_strict(schema) == {
            "type": "object",
            "properties": {
                "a": {"type": "string"},
                "b": {"type": ["integer", "null"]},
                "c": {
                    "type": ["array", "null"],
                    "items": {
                        "type": "object",
                        "properties": {"d": {"anyOf": [{"enum": ["x"]}, {"type": "null"}]}},
                        "additionalProperties": False,
                        "required": ["d"],
                    },
                },
            },
            "required": ["a", "b", "c"],
            "additionalProperties": False,
        }
        assert schema == before

    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "string"},
            {"type": "object"},
            {"type": "object", "properties": {}, "additionalProperties": True},
            {"type": "object", "properties": {"a": {"oneOf": []}}},
            {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": {"type": "string"}}}},
            {"type": "object", "properties": {"a": {"not": {}}}},
            {"type": "object", "properties": []},
            {"type": "object", "properties": {"a": {"anyOf": [1]}}},
        ],
    )
    def test_what_cannot_be_strict(self, schema: Any) -> None:
        assert for_openai_strict(schema) is None

    @given(ANYTHING)
    def test_any_json_is_taken(self, schema: Any) -> None:
        made = for_openai_strict(schema)
        assert made is None or made["required"] == list(made["properties"])
