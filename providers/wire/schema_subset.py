"""JSON Schema → the subset that Gemini's ``Schema`` takes. Source: ai.google.dev/api/caching#Schema (2026-11)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from providers.wire.types import Json

MAX_DEPTH: Final = 24  # levels of nesting that are kept; below, anything goes
MAX_NODES: Final = 4000  # of one schema after its references are resolved; below, anything goes
CACHED_BYTES: Final = 65_536  # tools come again with every turn: schemas up to this size are translated once

TYPES = {"string", "number", "integer", "boolean", "array", "object", "null"}
COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
NUMBERS = ("minimum", "maximum")
WORDS = ("title", "description", "pattern")
ANY_VALUE = ("default", "example")
SHAPES = ("type", "format", "nullable", "enum", "items", "properties", "required", "propertyOrdering", "anyOf")
CHOICES = ("anyOf", "oneOf", "allOf", "enum", "const")
OF_THE_WHOLE = ("title", "description", "nullable", "default", "example")  # not of one alternative
GEMINI_KEYS = frozenset((*SHAPES, *COUNTS, *NUMBERS, *WORDS, *ANY_VALUE))
# What a value may be formatted as, by type: Gemini refuses others ("only 'enum' and 'date-time' are supported").
FORMATS = {
    "STRING": {"enum", "date-time"},
    "NUMBER": {"float", "double"},
    "INTEGER": {"int32", "int64"},
}
READ_ELSEWHERE = frozenset(
    ("$ref", "$defs", "definitions", "const", "oneOf", "allOf", "exclusiveMinimum", "exclusiveMaximum")
)


def to_gemini(schema: Json) -> tuple[Json, tuple[str, ...]]:
    """The schema in Gemini's subset, and the keywords it lost, each once. References are resolved (a cycle becomes an
    object of any shape), ``const`` becomes ``enum``, ``oneOf`` ``anyOf``, ``allOf`` is merged, ``null`` in a list of
    types ``nullable``. The result may be shared between callers: never change it.
    """
    try:
        raw = msgspec.json.encode(schema)
    except (TypeError, ValueError, RecursionError, OverflowError):
        return {"type": "OBJECT"}, ("$schema",)
    return _cached(raw) if len(raw) <= CACHED_BYTES else _translated(raw)


def _translated(raw: bytes) -> tuple[Json, tuple[str, ...]]:
    try:
        schema = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"type": "OBJECT"}, ("$schema",)
    run = _ToGemini(schema)
    return run.schema(schema, 0, ()), tuple(run.lost)


_cached = lru_cache(maxsize=512)(_translated)


class _ToGemini:
    """One translation: the root for references, what was lost, and how much was written."""

    __slots__ = ("_nodes", "_root", "lost")

    def __init__(self, root: Json) -> None:
        self._root = root
        self._nodes = 0
        self.lost: dict[str, None] = {}

    def schema(self, given: Json, depth: int, seen: tuple[str, ...]) -> dict[str, Json]:
        self._nodes += 1
        if given is True:
            given = {}
        if not isinstance(given, dict) or depth > MAX_DEPTH or self._nodes > MAX_NODES:
            self.lost["depth" if isinstance(given, dict) else "false"] = None
            return {"type": "OBJECT"}
        node, seen, cut = self._resolved(given, seen)
        if cut:
            return _described({"type": "OBJECT"}, given)
        made: dict[str, Json] = {}
        kinds = self._type(node, made)
        self._enum(node, made)
        self._plain(node, made)
        self._inner(node, made, depth, seen)
        self._choices(node, made, kinds, depth, seen)
        self._note(node)
        if "type" not in made and "anyOf" not in made:  # Gemini demands one
            made["type"] = "STRING" if depth else "OBJECT"
            self.lost["type"] = None
        return _tidied(made)

    def _resolved(self, given: dict[str, Json], seen: tuple[str, ...]) -> tuple[dict[str, Json], tuple[str, ...], bool]:
        """``$ref`` followed and ``allOf`` merged; True when it leads back to itself or nowhere."""
        node = given
        for _ in range(MAX_DEPTH):
            where = node.get("$ref")
            if isinstance(where, str):
                target = None if where in seen else _lookup(self._root, where)
                if target is None:
                    self.lost["$ref"] = None
                    return {}, seen, True
                seen = (*seen, where)
                node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
            elif isinstance(node.get("allOf"), list):
                node, seen = self._merged(node, seen)
            else:
                return node, seen, False
        self.lost["$ref"] = None
        return {}, seen, True

    def _merged(self, node: dict[str, Json], seen: tuple[str, ...]) -> tuple[dict[str, Json], tuple[str, ...]]:
        whole = {key: value for key, value in node.items() if key != "allOf"}
        for part in node["allOf"]:
            if not isinstance(part, dict):
                continue
            part, seen, cut = self._resolved(part, seen)
            for key, value in () if cut else part.items():
                whole[key] = _both(key, whole[key], value) if key in whole else value
        return whole, seen

    def _type(self, node: dict[str, Json], made: dict[str, Json]) -> list[str]:
        """Write ``type`` and ``nullable``; return the types beside the first, for ``anyOf``."""
        said = node.get("type")
        kinds = [kind.lower() for kind in (said if isinstance(said, list) else [said]) if isinstance(kind, str)]
        kinds = [kind for kind in dict.fromkeys(kinds) if kind in TYPES]
        if node.get("nullable") is True or ("null" in kinds and len(kinds) > 1):
            made["nullable"] = True
            kinds = [kind for kind in kinds if kind != "null"] or kinds
        if not kinds:
            kinds = _guessed(node)
        if len(kinds) == 1:
            made["type"] = kinds[0].upper()
            return []
        return kinds

    def _enum(self, node: dict[str, Json], made: dict[str, Json]) -> None:
        """One-value or many-value enumerations. Gemini takes strings only: of others the values go to the text."""
        values = [node["const"]] if "const" in node else node.get("enum")
        if not isinstance(values, list) or not values:
            return
        if None in values and len(values) > 1:
            made["nullable"] = True
            values = [value for value in values if value is not None]
        kind = made.get("type") or ("STRING" if all(isinstance(value, str) for value in values) else "")
        if kind == "STRING" or not kind:
            made["type"] = "STRING"
            made["enum"] = list(dict.fromkeys(_word(value) for value in values))
            return
        self.lost["enum"] = None
        note = "One of: " + ", ".join(_word(value) for value in values[:50])
        made["description"] = f"{node['description']} {note}" if isinstance(node.get("description"), str) else note

    def _plain(self, node: dict[str, Json], made: dict[str, Json]) -> None:
        for key in WORDS:
            if isinstance(node.get(key), str):
                made.setdefault(key, node[key])
        for key in COUNTS:
            if isinstance(node.get(key), int) and not isinstance(node[key], bool) and node[key] >= 0:
                made[key] = node[key]
        for key in NUMBERS:
            if isinstance(node.get(key), (int, float)) and not isinstance(node[key], bool):
                made[key] = node[key]
        for key in ANY_VALUE:
            if key in node:
                made[key] = node[key]
        wanted = node.get("format")
        if isinstance(wanted, str):
            if wanted in FORMATS.get(made.get("type", ""), ()):
                made["format"] = wanted
            else:
                self.lost["format"] = None

    def _inner(self, node: dict[str, Json], made: dict[str, Json], depth: int, seen: tuple[str, ...]) -> None:
        kind = made.get("type")
        if kind == "ARRAY":
            items = node.get("items", node.get("prefixItems"))
            if isinstance(items, list):  # a tuple: any of its members
                self.lost["prefixItems"] = None
                items = {"anyOf": items} if items else {}
            made["items"] = self.schema(items if isinstance(items, dict) else {}, depth + 1, seen)
        fields = node.get("properties")
        if not isinstance(fields, dict) or kind != "OBJECT":
            return
        made["properties"] = {str(name): self.schema(field, depth + 1, seen) for name, field in fields.items()}
        for key in ("required", "propertyOrdering"):
            if isinstance(node.get(key), list):
                names = dict.fromkeys(name for name in node[key] if isinstance(name, str) and name in fields)
                if names:
                    made[key] = list(names)

    def _choices(
        self, node: dict[str, Json], made: dict[str, Json], kinds: list[str], depth: int, seen: tuple[str, ...]
    ) -> None:
        given = node.get("anyOf", node.get("oneOf"))
        options = given if isinstance(given, list) else [{**node, "type": kind} for kind in kinds]
        if "anyOf" in node and "oneOf" in node:
            self.lost["oneOf"] = None
        if not options:
            return
        real = [option for option in options if not (isinstance(option, dict) and option.get("type") == "null")]
        if len(real) < len(options) and real:
            made["nullable"] = True
        base = node.get("type") if isinstance(node.get("type"), str) else None
        inner = [self.schema(_typed(option, base), depth + 1, seen) for option in real or options]
        if "properties" not in made:
            whole = {key: made[key] for key in OF_THE_WHOLE if key in made}
            made.clear()
            made.update(inner[0] | whole if len(inner) == 1 else whole)
        if len(inner) > 1 or "properties" in made:
            made.setdefault("anyOf", inner)

    def _note(self, node: dict[str, Json]) -> None:
        for key in node:
            if key not in GEMINI_KEYS and key not in READ_ELSEWHERE and key != "prefixItems":
                self.lost[str(key)] = None
            elif key.startswith("exclusive"):
                self.lost[key] = None


def _lookup(root: Json, where: str) -> dict[str, Json] | None:
    """What a local reference (``#/$defs/x``) points to."""
    if not where.startswith("#"):
        return None
    found = root
    for step in where[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or name not in found:
            return None
        found = found[name]
    return found if isinstance(found, dict) else None


def _both(key: str, one: Json, other: Json) -> Json:
    """Two values of one keyword that must both hold, as far as one value can say it."""
    if key == "required" and isinstance(one, list) and isinstance(other, list):
        return one + [name for name in other if name not in one]
    if key in ("properties", "$defs") and isinstance(one, dict) and isinstance(other, dict):
        return {**one, **other}
    return one


def _guessed(node: dict[str, Json]) -> list[str]:
    if isinstance(node.get("properties"), dict):
        return ["object"]
    if "items" in node or "prefixItems" in node:
        return ["array"]
    return []


def _typed(option: Json, base: str | None) -> Json:
    """An alternative that says no type has that of the whole."""
    if base is None or not isinstance(option, dict) or any(key in option for key in ("type", "$ref", *CHOICES)):
        return option
    return {"type": base, **option}


def _described(made: dict[str, Json], given: dict[str, Json]) -> dict[str, Json]:
    if isinstance(given.get("description"), str):
        made["description"] = given["description"]
    return made


def _tidied(made: dict[str, Json]) -> dict[str, Json]:
    """Gemini refuses objects whose properties are an empty object."""
    if made.get("properties") == {}:
        del made["properties"]
    return made


def _word(value: Json) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
