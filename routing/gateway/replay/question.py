"""What is asked, as far as two requests can be the same: who asks, for what, with which words, of which models."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from providers.wire.translation import Asked
from routing.gateway.policies import Draft
from routing.gateway.policies.texts import rewrite, texts
from routing.names import Leaf, Node
from routing.snapshot import Caching, Caller

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
# How a reply travels, and nothing of what is in it. Everything else is part of the question.
TRANSPORT = frozenset(("stream", "stream_options"))
REPEATABLE = frozenset(("chat", "completions", "embeddings", "rerank", "moderation"))
BY_CHANCE = frozenset(("chat", "completions"))  # answers differ from time to time, unless the temperature is 0
STATE = (
    "previous_response_id",
    "conversation",
    "thread",
    "container",
    "background",
    "cachedContent",
    "web_search_options",
    "mcp_servers",  # and others that a vendor asks for news itself: Anthropic, xAI, OpenRouter, Qwen
    "search_parameters",
    "plugins",
    "enable_search",
)
OWN_TOOLS = ("function", "custom", "namespace", None)  # types of tools that the client runs
LONGEST_TEXT = 8000  # characters of a question whose meaning is looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """``draft`` is as the policies left it. ``asked`` gives what a reply must know of its request; None beside chat."""

    draft: Draft
    model: str  # as asked
    name: str = ""  # where the path names the model
    stream: bool = False
    array: bool = False
    include_usage: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()
    asked: Callable[[], Asked] | None = None

    @property
    def chat(self) -> bool:
        return self.draft.operation == "chat"

    def cacheable(self, any_temperature: bool) -> bool:
        """Whether an answer to it is true tomorrow as well."""
        fields, operation = self.draft.fields, self.draft.operation
        if operation not in REPEATABLE or (self.stream and (operation != "chat" or self.array)):
            return False
        try:
            values = {name: msgspec.json.decode(raw) for name, raw in fields.items() if name in LOOKED_AT}
        except UNREADABLE:
            return False
        if any(values.get(name) not in (None, False) for name in STATE) or not _own_tools(values.get("tools")):
            return False
        stored = values.get("store")
        if stored is True or (self.draft.format == "openai_responses" and stored is not False):
            return False
        config = values.get("generationConfig", values.get("generation_config"))
        config = config if isinstance(config, dict) else {}
        if any((values | config).get(name) not in (None, 1) for name in ("n", "best_of", "candidateCount")):
            return False
        temperature = values.get("temperature", config.get("temperature"))
        return operation not in BY_CHANCE or any_temperature or (temperature == 0 and temperature is not False)

    def digest(self, *more: str) -> str:
        """The same for the same question, and for no other. Raises msgspec.MsgspecError for what is no JSON."""
        return self._digest(self.draft.fields, more)

    def meaning(self, *more: str) -> tuple[str, str] | None:
        """(a digest of everything but the last words, the last words); None when somebody else has the last word."""
        said = texts(self.draft)
        if not self.chat or not said or said[-1][0] != "user" or not 0 < len(said[-1][1]) <= LONGEST_TEXT:
            return None
        last = len(said) - 1
        count = iter(range(len(said)))
        rest = rewrite(self.draft, lambda role, text: "" if next(count) == last else text)
        return self._digest(rest, more), said[-1][1]

    def _digest(self, fields: Mapping[str, msgspec.Raw], more: tuple[str, ...]) -> str:
        body = {name: msgspec.json.decode(raw) for name, raw in fields.items() if name not in TRANSPORT}
        whole = self.draft.operation != "chat" and self.stream  # only chat is told in both ways
        parts = [self.draft.operation, self.draft.format, self.name, whole, repr(self.draft.wants), self.headers, more]
        return hashlib.sha256(msgspec.json.encode([parts, body], order="deterministic")).hexdigest()


LOOKED_AT = frozenset((
    *STATE, "store", "tools", "n", "best_of", "temperature", "generationConfig", "generation_config",
))  # fmt: skip


def _own_tools(tools: Any) -> bool:
    """Whether the client runs all of them: what a vendor's search finds is another tomorrow."""
    if tools is None:
        return True
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        return False
    return all(_is_own(tool) for tool in tools)


def _is_own(tool: dict[str, Any]) -> bool:
    if "functionDeclarations" in tool or "function_declarations" in tool:
        return len(tool) == 1
    if "type" in tool:
        return tool["type"] in OWN_TOOLS
    return "name" in tool or "function" in tool


def scope_of(caller: Caller, caching: Caching, address: str | None) -> str:
    """Within whom answers are shared. Who has no key shares with nobody at another address."""
    if caller.key_id is None:
        return f"address:{address}"
    return f"team:{caller.team_id}" if caching.per_team and caller.team_id is not None else f"key:{caller.key_id}"


def answerers(node: Node) -> str:
    """Who may answer, and who before whom: when an alias or a combo changes, its old answers are not given any more."""
    if isinstance(node, Leaf):
        return f"{node.provider.entry.id}/{node.model}"
    steps = ",".join(f"{answerers(child)}*{weight}" for child, weight in node.children)
    return f"{node.combo.strategy}({steps})"
