"""generateContent requests: a client's body → canonical → a body for an upstream."""

from __future__ import annotations

from typing import Any

from providers.wire.gemini import config, contents, options, turns
from providers.wire.reading import Fields
from providers.wire.traits import Traits
from providers.wire.translation import Dropped, Dumped, Names, self_contained
from providers.wire.types import Json, Request

FAMILY = contents.FAMILY
GENERATION, TOOL_CONFIG = ("generationConfig", "generation_config"), ("toolConfig", "tool_config")
CACHED = ("cachedContent", "cached_content")
CALLING = ("functionCallingConfig", "function_calling_config")


def parse(body: dict[str, Json], *, model: str = "", stream: bool | None = None) -> Request:
    """Names may be written in camelCase or snake_case. ``model`` and ``stream`` come from the path.

    Raises Refusal 400 naming the place of what is wrong.
    """
    fields = Fields(body)
    named = fields.text("model").removeprefix("models/")
    generation, tool_config = fields.inner(*GENERATION), fields.inner(*TOOL_CONFIG)
    made = config.generation(generation) if generation is not None else {}
    choice = config.choice(tool_config.inner(*CALLING)) if tool_config is not None else None
    system = fields.raw("systemInstruction", "system_instruction")
    made |= {
        "system": contents.texts(system, "systemInstruction") if system is not None else (),
        "messages": contents.messages(fields.raw("contents")),
        "tools": config.tools(_listed(fields, "tools")),
        "tool_choice": choice,
        "safety": fields.items("safetySettings", "safety_settings") or None,
        "service_tier": fields.text("serviceTier", "service_tier"),
        "store": fields.switch("store"),
    }
    extra = fields.rest()
    rests = {"generationConfig": made.pop("rest", None), "toolConfig": tool_config.rest() if tool_config else None}
    extra |= {name: rest for name, rest in rests.items() if rest}
    made["leans_on"] = next((name for name in CACHED if name in extra), "")
    return Request(model=model or named, stream=bool(stream), extra=extra, family=FAMILY, **made)


def _listed(fields: Fields, name: str) -> list[Any]:
    """An array, or the one object that would be in it."""
    given = fields.raw(name)
    return [given] if isinstance(given, dict) else fields.items(name)


def dump(request: Request, traits: Traits) -> Dumped:
    """The body for ``:generateContent`` and ``:streamGenerateContent``; the model's name goes into the path.

    Raises Refusal 400 for what changes the meaning and cannot be said (another vendor's file).
    """
    self_contained(request, FAMILY)
    dropped, names = Dropped(), Names()
    said = options.Options(request, traits, names, dropped)
    system = said.system()
    first = () if traits.system_role else system
    body: dict[str, Json] = {"contents": turns.Turns(request, traits, names, dropped, first).contents()}
    if system and traits.system_role:
        body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
    body |= said.tools()
    generation = said.generation()
    body |= said.top_level()
    if generation:
        body["generationConfig"] = generation
    return Dumped(body=body, dropped=dropped.names(), names=names)
