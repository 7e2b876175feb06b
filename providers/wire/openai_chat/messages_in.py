"""Client messages → system text and canonical messages."""

from __future__ import annotations

from providers.wire.errors import Refusal
from providers.wire.openai_chat.parts_in import FAMILY, cache_of, parts_from, reasoning_from, refusal_from, texts_from
from providers.wire.reading import Fields, wrong
from providers.wire.translation import json_text
from providers.wire.types import Json, Message, Opaque, Part, Proof, Text, ToolCall, ToolResult

INSTRUCTIONS = frozenset(("system", "developer"))


class Conversation:
    """Reads messages one after the other, remembering which tools were called."""

    __slots__ = ("_calls", "_legacy", "messages", "system")

    def __init__(self) -> None:
        self.system: list[Text] = []
        self.messages: list[Message] = []
        self._calls: dict[str, ToolCall] = {}  # by id
        self._legacy: list[ToolCall] = []  # of function_call, which has no ids: answered in order

    def read(self, item: Json, where: str) -> None:
        """One message. Raises Refusal 400."""
        fields = Fields(item, where)
        role = fields.text("role")
        if role in INSTRUCTIONS:
            self._instruction(fields)
        elif role == "user":
            self._said("user", parts_from(fields.raw("content"), fields.at("content")), fields.text("name"))
        elif role == "assistant":
            self._said("assistant", self._answer(fields), fields.text("name"))
        elif role == "tool":
            self._result(fields)
        elif role == "function":
            self._function_result(fields)
        else:
            raise Refusal(
                400,
                f"Invalid value for '{fields.at('role')}': use system, developer, user, assistant or tool.",
                code="invalid_value",
                param=fields.at("role"),
            )

    def _said(self, role: str, parts: list[Part], name: str) -> None:
        self.messages.append(Message(role=role, parts=tuple(parts), name=name))

    def _instruction(self, fields: Fields) -> None:
        texts = texts_from(fields.raw("content"), fields.at("content"))
        if self.messages:
            self.messages.append(Message(role="system", parts=tuple(texts), name=fields.text("name")))
        else:
            self.system += texts

    def _answer(self, fields: Fields) -> list[Part]:
        parts = reasoning_from(fields)
        parts += parts_from(fields.raw("content"), fields.at("content"))
        refusal = refusal_from(fields)
        if refusal is not None:
            parts.append(refusal)
        audio = fields.raw("audio")
        if isinstance(audio, dict):
            parts.append(Opaque(family=FAMILY, value={"type": "audio", "audio": audio}))
        for number, item in enumerate(fields.items("tool_calls")):
            parts.append(self._call(Fields(item, f"{fields.at('tool_calls')}[{number}]"), item))
        legacy = fields.inner("function_call")
        if legacy is not None:
            call = _function(legacy, f"call_function_{len(self.messages)}", None)
            self._legacy.append(call)
            parts.append(call)
        return parts

    def _call(self, fields: Fields, item: Json) -> Part:
        kind, id = fields.text("type") or "function", fields.text("id")
        custom = fields.inner("custom")
        if kind == "custom" and custom is not None:
            call = ToolCall(id=id, name=_name(custom), arguments=custom.text("input"), custom=True)
        elif (function := fields.inner("function")) is not None:
            call = _function(function, id, google_proof(item))
        elif kind in ("function", "custom"):
            raise wrong(fields.at(kind), "an object", None)
        else:
            return Opaque(family=FAMILY, value=item)
        self._calls[id] = call
        return call

    def _result(self, fields: Fields) -> None:
        id, cache = fields.text("tool_call_id"), cache_of(fields)
        call = self._calls.get(id)
        parts = tuple(parts_from(fields.raw("content"), fields.at("content")))
        self._answered(
            ToolResult(
                id=id,
                name=call.name if call is not None else fields.text("name"),
                parts=parts,
                custom=call is not None and call.custom,
                cache=cache,
            )
        )

    def _function_result(self, fields: Fields) -> None:
        name = fields.text("name")
        call = next((call for call in self._legacy if call.name == name), None)
        if call is not None:
            self._legacy.remove(call)
        parts = tuple(parts_from(fields.raw("content"), fields.at("content")))
        self._answered(ToolResult(id=call.id if call is not None else "", name=name, parts=parts))

    def _answered(self, result: ToolResult) -> None:
        """Results of one batch of calls are one turn."""
        last = self.messages[-1] if self.messages else None
        if last is not None and last.role == "user" and all(isinstance(part, ToolResult) for part in last.parts):
            self.messages[-1] = Message(role="user", parts=(*last.parts, result))
        else:
            self.messages.append(Message(role="user", parts=(result,)))


def _name(fields: Fields) -> str:
    name = fields.text("name")
    if not name:
        raise wrong(fields.at("name"), "a non-empty string", fields.raw("name"))
    return name


def _function(fields: Fields, id: str, proof: Proof | None) -> ToolCall:
    """Arguments must be text; some clients send the object itself."""
    said = fields.raw("arguments")
    arguments = json_text(said) if isinstance(said, dict) else fields.text("arguments")
    return ToolCall(id=id, name=_name(fields), arguments=arguments, proof=proof)


def google_proof(call: Json) -> Proof | None:
    """The thought signature that Google's own Chat Completions endpoint hangs on tool calls."""
    try:
        value = call["extra_content"]["google"]["thought_signature"]
    except (KeyError, TypeError):
        return None
    return Proof(family="gemini", kind="thought", value=value) if isinstance(value, str) and value else None
