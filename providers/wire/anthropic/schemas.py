"""JSON Schema → the part of it that the vendor takes for structured output and strict tools.

What it does not check is told to the model in the description instead, as the vendor's own SDKs do.
Source: docs.anthropic.com/en/docs/build-with-claude/structured-outputs (2026-11).
"""

from __future__ import annotations

from providers.wire.translation import joined, json_text
from providers.wire.types import Json

KEPT = ("type", "title", "description", "enum", "const", "default", "format", "required", "$ref", "nullable")
OF_SCHEMAS = ("anyOf", "allOf", "oneOf")
NAMED = ("properties", "$defs", "definitions")
FORMATS = (
    "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid",
)  # fmt: skip
IGNORED = ("$schema", "$id", "additionalProperties", "items", *KEPT, *OF_SCHEMAS, *NAMED)


def strict(schema: Json) -> Json:
    """The same schema with closed objects and without unsupported limits."""
    if not isinstance(schema, dict):
        return {} if isinstance(schema, bool) else schema
    result = {key: schema[key] for key in KEPT if key in schema}
    told = {key: value for key, value in schema.items() if key not in IGNORED}
    if told.get("minItems") in (0, 1):
        result["minItems"] = told.pop("minItems")
    if "format" in result and result["format"] not in FORMATS:
        told["format"] = result.pop("format")
    if told:
        result["description"] = joined([_text(schema.get("description")), json_text(told)], "\n")
    for key in NAMED:
        if isinstance(schema.get(key), dict):
            result[key] = {name: strict(inner) for name, inner in schema[key].items()}
    for key in OF_SCHEMAS:
        if isinstance(schema.get(key), list):
            result["anyOf" if key == "oneOf" else key] = [strict(inner) for inner in schema[key]]
    if "items" in schema:
        result["items"] = strict(schema["items"])
    if schema.get("type") == "object" or "properties" in schema:
        result["additionalProperties"] = False
    return result


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
