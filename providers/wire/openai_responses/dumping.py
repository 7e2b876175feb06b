"""Messages → the items of a conversation."""

from __future__ import annotations

from collections.abc import Iterable

from providers.wire.openai_responses.content import Contents
from providers.wire.openai_responses.vocabulary import ENCRYPTED, FAMILY, FROM_USER, PHASE, ROLE, annotation, own
from providers.wire.traits import Traits
from providers.wire.translation import Dropped, Names, tool_id
from providers.wire.types import Json, Message, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolResult

NO_RESULT = "No result was recorded for this call."
ERROR = "Error: "


class ItemWriter:
    """Writes one conversation. ``marked``: the client itself wrote this format, so its cache marks may go along."""

    def __init__(self, traits: Traits, names: Names, dropped: Dropped, *, marked: bool) -> None:
        self._traits, self._names, self._dropped = traits, names, dropped
        self._content = Contents(traits, dropped, marked=marked)
        self._used: set[str] = set()
        self._open: dict[str, list[tuple[str, bool, int]]] = {}  # call id → what was sent: id, custom, items before
        self.items: list[Json] = []

    def system(self, texts: Iterable[Text]) -> None:
        """Instructions as leading items, each in its own role where the client told it."""
        for text in texts:
            mark = own(text.proof, ROLE)
            role = mark.value if mark is not None else "developer"
            self._say(role if self._traits.developer_role else "system", [self._content.text(text)])

    def messages(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if message.name:
                self._dropped.add("name")
            if message.role == "assistant":
                self._assistant(message)
            elif message.role == "system":
                self._late_system(message)
            else:
                self._user(message)

    def close(self) -> list[Json]:
        """The items; calls that were never answered get a stub, for without one every vendor refuses."""
        left = [row for rows in self._open.values() for row in rows]
        for call_id, custom, place in sorted(left, key=lambda row: row[2], reverse=True):
            kind = "custom_tool_call_output" if custom else "function_call_output"
            self.items.insert(place, {"type": kind, "call_id": call_id, "output": NO_RESULT})
        return self.items

    # -- turns ---------------------------------------------------------------------------------------------------------
    def _say(self, role: str, content: list[Json], **more: Json) -> None:
        if content:
            self.items.append({"type": "message", "role": role, "content": content, **more})

    def _late_system(self, message: Message) -> None:
        if not self._traits.system_role:
            role = "user"
        else:
            role = "developer" if self._traits.developer_role else "system"
        self._say(role, self._content.inputs(message.parts))

    def _user(self, message: Message) -> None:
        content: list[Part] = []
        for part in message.parts:
            if isinstance(part, ToolResult):
                self._result(part)
            elif isinstance(part, Opaque) and (part.family != FAMILY or _kind(part) in FROM_USER):
                self._item(part)
            else:
                content.append(part)
        self._say("user", self._content.inputs(content))

    def _item(self, part: Opaque) -> None:
        if part.family == FAMILY:
            self.items.append(part.value)
        else:
            self._dropped.add(_kind(part) or "part")

    def _assistant(self, message: Message) -> None:
        words: list[Text | Refusal] = []
        calls: list[tuple[ToolCall, str]] = []
        following = _last_item(message.parts)
        for number, part in enumerate(message.parts):
            if isinstance(part, (Text, Refusal)):
                if words and _phase(words[-1]) != _phase(part):
                    self._flush(words)
                words.append(part)
                continue
            self._flush(words)
            if isinstance(part, ToolCall):
                calls.append((part, self._call(part)))
            elif isinstance(part, Reasoning):
                if number < following:  # a reasoning item without what follows from it is refused
                    self._reasoning(part)
            elif isinstance(part, Opaque):
                self._item(part)
            else:
                self._dropped.add(type(part).__name__.lower())
        self._flush(words)
        for call, sent in calls:
            self._open.setdefault(call.id, []).append((sent, call.custom, len(self.items)))

    def _flush(self, words: list[Text | Refusal]) -> None:
        if not words:
            return
        phase = _phase(words[0])
        self._say("assistant", [_output(part) for part in words], **({"phase": phase} if phase else {}))
        words.clear()

    def _reasoning(self, part: Reasoning) -> None:
        proof = own(part.proof, ENCRYPTED)
        if proof is None and not (self._traits.reasoning_in and part.text):
            return
        name = proof.id if proof is not None and proof.id else f"rs_{len(self.items)}"
        item: dict[str, Json] = {"type": "reasoning", "id": name, "summary": []}
        if part.text and (part.summary or proof is None):
            item["summary"] = [{"type": "summary_text", "text": part.text}]
        elif part.text:
            item["content"] = [{"type": "reasoning_text", "text": part.text}]
        if proof is not None:
            item["encrypted_content"] = proof.value
        self.items.append(item)

    def _call(self, call: ToolCall) -> str:
        sent = base = tool_id(call.id, self._traits.tool_id)
        number = 1
        while sent in self._used:  # weak models use one id for several calls
            number += 1
            sent = tool_id(f"{base}_{number}", self._traits.tool_id)
        self._used.add(sent)
        item: dict[str, Json] = {"type": "function_call", "call_id": sent, "name": self._names.send(call.name)}
        if call.custom:
            item |= {"type": "custom_tool_call", "input": call.arguments}
        else:
            item["arguments"] = call.arguments if call.arguments.strip() else "{}"
        if call.namespace:
            item["namespace"] = call.namespace
        self.items.append(item)
        return sent

    def _result(self, result: ToolResult) -> None:
        waiting = self._open.get(result.id)
        if not waiting:
            self._dropped.add("tool_result")
            return
        sent, custom, _ = waiting.pop(0)
        parts = list(result.parts)
        if result.error:  # this format has no other word for it
            first = parts[0].text if parts and isinstance(parts[0], Text) else ""
            parts[: bool(first)] = [Text(text=f"{ERROR}{first}")]
        output: Json = self._content.inputs(parts)
        if not parts:
            output = ""
        elif len(parts) == 1 and isinstance(parts[0], Text) and not parts[0].cache:
            output = parts[0].text
        kind = "custom_tool_call_output" if custom else "function_call_output"
        self.items.append({"type": kind, "call_id": sent, "output": output})


def _last_item(parts: tuple[Part, ...]) -> int:
    """Where the last part is that reasoning can lead to; -1 when there is none."""
    return max((number for number, part in enumerate(parts) if not isinstance(part, Reasoning)), default=-1)


def _phase(part: Text | Refusal) -> str:
    proof = own(part.proof, PHASE) if isinstance(part, Text) else None
    return proof.value if proof is not None else ""


def _kind(part: Opaque) -> str:
    kind = part.value.get("type") if isinstance(part.value, dict) else None
    return kind if isinstance(kind, str) else ""


def _output(part: Text | Refusal) -> Json:
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    shown = [said for citation in part.citations if (said := annotation(citation, len(part.text))) is not None]
    return {"type": "output_text", "text": part.text, "annotations": shown}
