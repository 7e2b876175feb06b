"""JSON Schema ⇄ the subsets that vendors take: Gemini's ``Schema`` and OpenAI's strict mode.

Nothing here raises, whatever JSON comes in. Sources: ai.google.dev/api/caching#Schema,
platform.openai.com/docs/guides/structured-outputs (2026-11).
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from providers.wire.schema_subset import CACHED_BYTES, COUNTS, GEMINI_KEYS, MAX_DEPTH, to_gemini
from providers.wire.types import Json

__all__ = ["GEMINI_KEYS", "for_openai_strict", "from_gemini", "to_gemini"]


# -- Gemini → JSON Schema ----------------------------------------------------------------------------------------------
def from_gemini(schema: Json) -> Json:
    """A Gemini ``Schema`` (names in camelCase or snake_case, types in any case) as JSON Schema. The result may be
    shared between callers: never change it."""
    try:
        raw = msgspec.json.encode(schema)
    except (TypeError, ValueError, RecursionError, OverflowError):
        return {}
    return _read_cached(raw) if len(raw) <= CACHED_BYTES else _read_raw(raw)


def _read_raw(raw: bytes) -> Json:
    try:
        return _read(msgspec.json.decode(raw), 0)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


_read_cached = lru_cache(maxsize=512)(_read_raw)


def _read(schema: Json, depth: int) -> Json:
    if not isinstance(schema, dict) or depth > 4 * MAX_DEPTH:
        return {}
    made: dict[str, Json] = {}
    for name, value in schema.items():
        key = SPELLINGS.get(str(name), str(name))
        if key == "type" and isinstance(value, str):
            if value != "TYPE_UNSPECIFIED":
                made["type"] = value.lower()
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            made[key] = _read(value, depth + 1)
        elif key in ("properties", "$defs") and isinstance(value, dict):
            made[key] = {str(inner): _read(field, depth + 1) for inner, field in value.items()}
        elif key == "anyOf" and isinstance(value, list):
            made[key] = [_read(option, depth + 1) for option in value]
        elif key in COUNTS:
            made[key] = _counted(value)
        elif key == "example":
            made["examples"] = [value]
        elif key not in ("nullable", "propertyOrdering"):
            made[key] = value
    return _nulled(made) if schema.get("nullable") is True else made


SPELLINGS = {
    "any_of": "anyOf", "min_items": "minItems", "max_items": "maxItems", "min_length": "minLength", "defs": "$defs",
    "max_length": "maxLength", "min_properties": "minProperties", "max_properties": "maxProperties", "ref": "$ref",
    "property_ordering": "propertyOrdering", "additional_properties": "additionalProperties",
}  # fmt: skip


def _counted(value: Json) -> Json:
    """Counts are int64 in Google's JSON and so may be strings."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 18 else value


def _nulled(made: dict[str, Json]) -> dict[str, Json]:
    if isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if isinstance(made.get("enum"), list) and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
    elif isinstance(made.get("anyOf"), list):
        made["anyOf"] = [*made["anyOf"], {"type": "null"}]
    return made


# -- OpenAI's strict mode ----------------------------------------------------------------------------------------------
NOT_STRICT = (
    "oneOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "patternProperties",
    "dependentRequired",
    "dependentSchemas",
)


def for_openai_strict(schema: Json) -> Json | None:
    """The schema as OpenAI's strict mode demands it: objects closed, every property required (those that were optional
    may be null). None when it cannot be said that way (open objects, keywords that strict mode refuses)."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return None
    return _strict(schema, 0)


def _strict(node: Json, depth: int) -> dict[str, Json] | None:
    if not isinstance(node, dict) or depth > MAX_DEPTH or any(key in node for key in NOT_STRICT):
        return None
    made = dict(node)
    for key in ("properties", "$defs", "definitions"):
        if key in node and not _strict_fields(node, key, made, depth):
            return None
    for key in ("items",):
        if key in node:
            inner = _strict(node[key], depth + 1)
            if inner is None:
                return None
            made[key] = inner
    if "anyOf" in node:
        options = (
            [_strict(option, depth + 1) for option in node["anyOf"]] if isinstance(node["anyOf"], list) else [None]
        )
        if None in options:
            return None
        made["anyOf"] = options
    return _closed(made) if _may_be_object(node) else made


def _may_be_object(node: dict[str, Json]) -> bool:
    kind = node.get("type")
    return "properties" in node or kind == "object" or (isinstance(kind, list) and "object" in kind)


def _closed(made: dict[str, Json]) -> dict[str, Json] | None:
    if made.get("additionalProperties", False) is not False:
        return None
    if not isinstance(made.get("properties"), dict):
        if "additionalProperties" not in made:
            return None  # an object of any shape
        made["properties"] = {}
    return {**made, "additionalProperties": False, "required": list(made["properties"])}


def _strict_fields(node: dict[str, Json], key: str, made: dict[str, Json], depth: int) -> bool:
    fields, needed = node[key], node.get("required")
    if not isinstance(fields, dict):
        return False
    required = needed if isinstance(needed, list) else []
    made[key] = {}
    for name, field in fields.items():
        inner = _strict(field, depth + 1)
        if inner is None:
            return False
        made[key][name] = inner if key != "properties" or name in required else _or_null(inner)
    return True


def _or_null(field: dict[str, Json]) -> dict[str, Json]:
    kind = field.get("type")
    if isinstance(kind, str) and kind != "null" and "enum" not in field and "const" not in field:
        return {**field, "type": [kind, "null"]}
    if isinstance(kind, list) and "null" in kind:
        return field
    return {"anyOf": [field, {"type": "null"}]}
