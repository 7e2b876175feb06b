"""Small predicates on JSON values, for the tables of what a vendor takes."""

import base64
import binascii
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

Check = Callable[[Any], bool]


def boolean(value: Any) -> bool:
    return isinstance(value, bool)


def integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def positive(value: Any) -> bool:
    return integer(value) and value >= 1


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def text(value: Any) -> bool:
    return isinstance(value, str)


def obj(value: Any) -> bool:
    return isinstance(value, dict)


def anything(_: Any) -> bool:
    return True


def between(low: float, high: float) -> Check:
    return lambda value: number(value) and low <= value <= high


def whole_between(low: int, high: int) -> Check:
    return lambda value: integer(value) and low <= value <= high


def one_of(values: Collection[str]) -> Check:
    return lambda value: isinstance(value, str) and value in values


def matching(pattern: str) -> Check:
    form = re.compile(pattern)
    return lambda value: isinstance(value, str) and form.fullmatch(value) is not None


def list_of(check: Check, low: int = 0, high: int = 100_000) -> Check:
    return lambda value: isinstance(value, list) and low <= len(value) <= high and all(map(check, value))


def either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def record(**fields: Check) -> Check:
    """An object with these fields and no others; none is required."""
    return lambda value: obj(value) and all(name in fields and fields[name](it) for name, it in value.items())


def base64_text(value: Any) -> bool:
    """Standard or URL-safe base64, padded or not, not empty."""
    return unbase64(value) is not None if isinstance(value, str) and value else False


def unbase64(value: str) -> bytes | None:
    """The bytes of base64 in either alphabet; None when it is none."""
    plain = value.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


SCHEMA_TYPES = {"object", "array", "string", "number", "integer", "boolean", "null"}


def json_schema(value: Any) -> bool:
    """An object that can be a JSON schema, as far as vendors look."""
    return obj(value) and all(name not in KEYWORDS or KEYWORDS[name](it) for name, it in value.items())


def _schema(value: Any) -> bool:
    return boolean(value) or json_schema(value)


def _schemas(value: Any) -> bool:
    return obj(value) and all(map(_schema, value.values()))


KEYWORDS: dict[str, Check] = {
    "type": either(one_of(SCHEMA_TYPES), list_of(one_of(SCHEMA_TYPES), 1)),
    **dict.fromkeys(("properties", "patternProperties", "$defs", "definitions"), _schemas),
    **dict.fromkeys(("anyOf", "oneOf", "allOf"), list_of(_schema, 1)),
    **dict.fromkeys(("items", "additionalProperties", "not"), either(_schema, list_of(_schema))),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), number),
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength"), whole_between(0, 2**31)),
    **dict.fromkeys(("$ref", "title", "description", "pattern", "format"), text),
    "required": list_of(text),
    "enum": lambda value: isinstance(value, list) and bool(value),
}


def loose_objects(schema: Any, at: str = "") -> Iterator[str]:
    """Where a JSON schema has objects that do not say `additionalProperties: false`, which structured output needs."""
    if isinstance(schema, list):
        for number_, it in enumerate(schema):
            yield from loose_objects(it, f"{at}[{number_}]")
    elif isinstance(schema, dict):
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
            yield at or "()"
        for name, it in schema.items():
            yield from loose_objects(it, f"{at}.{name}" if at else name)


def optional_properties(schema: Any) -> Iterator[str]:
    """Properties that their object does not require, which strict schemas of OpenAI forbid."""
    if isinstance(schema, list):
        for it in schema:
            yield from optional_properties(it)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield from (name for name in schema["properties"] if name not in schema.get("required", ()))
        for it in schema.values():
            yield from optional_properties(it)
