"""An entry and a model → the traits that a format's writer goes by."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache

import msgspec

from providers.entry import Entry
from providers.wire.traits import Traits

# What a format's own vendor is known to take, before the entry says anything: patterns over model ids, later ones win.
# Facts: the vendors' documentation as of 2026-11.
USUAL: dict[str, tuple[tuple[str, dict[str, object]], ...]] = {
    "anthropic": (
        ("*", {"thinking": "budget"}),
        ("claude-mythos*", {"thinking": "adaptive", "prefill": False, "sampling": False}),
        ("claude-*-[5-9]*", {"thinking": "adaptive", "prefill": False, "sampling": False}),
        # Names of older models end like those of newer ones: claude-3-5-sonnet, claude-opus-4-5.
        ("claude-[1-4]*", {"thinking": "budget", "prefill": True, "sampling": True}),
        ("claude-*-4-[0-5]*", {"thinking": "budget", "prefill": True, "sampling": True}),
        ("claude-*-4-6*", {"thinking": "both", "prefill": False, "sampling": True}),
        ("claude-*-4-[789]*", {"thinking": "adaptive", "prefill": False, "sampling": False}),
    ),
    "gemini": (
        ("*", {"thinking": "none"}),
        ("*gemini-flash-latest", {"thinking": "level"}),
        ("*gemini-flash-lite-latest", {"thinking": "level"}),
        ("*gemini-pro-latest", {"thinking": "level"}),
        ("*gemini-2.5*", {"thinking": "budget"}),
        ("*gemini-[3-9]*", {"thinking": "level"}),
        ("*gemini-3.5-flash-lite*", {"sampling": False}),
        ("*gemini-3.[678]-flash*", {"sampling": False}),
    ),
    "openai_responses": (
        ("*", {"developer_role": True}),
        ("o[1-9]*", {"sampling": False}),
        ("gpt-[5-9]*", {"sampling": False}),
    ),
    "openai_chat": (
        ("ernie*", {"system_role": False}),
        ("glm*", {"system_role": False}),  # up to 5.0; hosts write 5.1 as 5p1 as well
        ("glm-5[.p][1-9]*", {"system_role": True}),
        ("glm-[6-9]*", {"system_role": True}),
    ),
}
MOST_KEPT = 2000  # models whose traits an entry remembers: names may be a client's invention
CLAUDE = re.compile(r"(?:^|\.anthropic\.|^anthropic\.)(claude-.*)")


@lru_cache(maxsize=4096)
def _patterned(format: str, model: str) -> tuple[tuple[str, object], ...]:
    said: dict[str, object] = {}
    name = _plain(model)
    for pattern, traits in USUAL.get(format, ()):
        if fnmatchcase(name, pattern):
            said |= traits
    return tuple(said.items())


def _plain(model: str) -> str:
    """A model's name as its vendor writes it: without what hosts put in front of it (``us.anthropic.``), and Claude's
    versions with dashes, which some hosts write with a dot."""
    name = model.lower().rpartition("/")[2]
    claude = CLAUDE.search(name)
    return claude[1].replace(".", "-") if claude is not None else name


def traits_of(entry: Entry, model: str) -> Traits:
    """The traits of one model of a provider: usual ones of the format, the entry's, those of the model's pattern, and
    what is listed of the model. Remembered by the entry: every request asks."""
    found = entry.tailored.get(model)
    if found is None:
        found = _traits_of(entry, model)
        if len(entry.tailored) < MOST_KEPT:
            entry.tailored[model] = found
    return found


def _traits_of(entry: Entry, model: str) -> Traits:
    said: dict[str, object] = {"family": entry.format, "stream_usage": entry.stream_usage}
    said["takes_developer"] = entry.custom  # who knows what is behind it: the client's own word goes through
    said |= dict(_patterned(entry.format, model))
    known = entry.models.get(model)
    if said.get("thinking") == "none" and known is not None and "reasoning" in known.capabilities:
        said["thinking"] = "budget"  # Gemini's models, where the name does not tell how
    said |= entry.traits
    for pattern, traits in entry.model_traits:
        if fnmatchcase(model, pattern):
            said |= traits
    if known is not None:
        if known.capabilities:
            said["capabilities"] = known.capabilities
        if known.max_output:
            said.setdefault("max_output", known.max_output)
        if known.efforts:
            said["efforts"] = known.efforts
    return msgspec.convert(said, Traits)
