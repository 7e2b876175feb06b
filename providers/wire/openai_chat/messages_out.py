"""System text and canonical messages → messages for an upstream, calls and results paired as every vendor wants them.

Every call is answered right behind its message, by ``tool`` messages in the order of the calls: a missing result is
made up, a result without a call is left out.
"""

from __future__ import annotations

import msgspec

from providers.wire.customtools import wrap_input
from providers.wire.openai_chat.ordering import ordered
from providers.wire.openai_chat.parts_in import FAMILY
from providers.wire.openai_chat.parts_out import Parts, all_text, surely
from providers.wire.traits import Traits
from providers.wire.translation import Dropped, Names, joined, tool_id
from providers.wire.types import (
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolResult,
)

NO_RESULT = "No result of this call is known."
ELSEWHERE = "The result follows as the user's next message."
ERROR_MARK = "[Error] "
INSTRUCTIONS, USER = "[System Instructions]\n", "\n\n[User Message]\n"
NO_REASONING = " "  # where earlier reasoning must be sent and there is none; some refuse an empty text
CITED_JOIN, TEXT_JOIN = "", "\n\n"

Item = dict[str, Json]


def keeps_custom(traits: Traits) -> bool:
    """Whether free-text tools stay what they are: OpenAI's own models, and who says so."""
    return traits.developer_role or surely(traits, "custom_tools")


class Messages:
    """Writes the messages of one request."""

    __slots__ = ("_dropped", "_family", "_names", "_parts", "_traits")

    def __init__(self, traits: Traits, names: Names, dropped: Dropped) -> None:
        self._traits, self._names, self._dropped = traits, names, dropped
        self._parts = Parts(traits, dropped)
        self._family = ""

    def write(self, request: Request, more_system: tuple[Text, ...] = ()) -> list[Item]:
        """All messages, the system text first. ``more_system`` is what other fields became."""
        self._family = request.family
        found: list[Item] = []
        results = _results(request.messages)
        for number, message in enumerate(request.messages):
            if message.role == "assistant":
                found += self._assistant(message, results.get(number, []))
            elif message.role == "system":
                found += self._late(message)
            else:
                found += self._user(message)
        self._no_orphans(request.messages)
        if found and found[-1]["role"] == "assistant" and not self._traits.prefill:
            self._dropped.add("prefill")
            found.pop()
        return ordered(self._with_system((*request.system, *more_system), found), self._traits.turns)

    # -- instructions --------------------------------------------------------------------------------------------------
    def _with_system(self, texts: tuple[Text, ...], found: list[Item]) -> list[Item]:
        content = self._parts.content(texts)
        if not content:
            return found
        if self._traits.system_role:
            return [{"role": self._system_word(), "content": content}, *found]
        return _folded(joined(text.text for text in texts), found)

    def _system_word(self) -> str:
        return "developer" if self._traits.developer_role else "system"

    def _late(self, message: Message) -> list[Item]:
        content = self._parts.content(message.parts)
        if not content:
            return []
        if self._traits.system_role:
            return [self._named({"role": self._system_word(), "content": content}, message)]
        text = joined(part.text for part in message.parts if isinstance(part, Text))
        return [{"role": "user", "content": INSTRUCTIONS + text}]

    def _named(self, item: Item, message: Message) -> Item:
        if message.name and self._family == FAMILY:
            item["name"] = message.name
        elif message.name:
            self._dropped.add("name")
        return item

    # -- turns ---------------------------------------------------------------------------------------------------------
    def _user(self, message: Message) -> list[Item]:
        rest = tuple(part for part in message.parts if not isinstance(part, ToolResult))
        if not rest and message.parts:
            return []
        return [self._named({"role": "user", "content": self._parts.content(rest)}, message)]

    def _assistant(self, message: Message, results: list[ToolResult]) -> list[Item]:
        item: Item = {"role": "assistant", "content": self._answer(message)}
        refusals = joined(part.text for part in message.parts if isinstance(part, Refusal))
        if refusals and self._traits.developer_role:
            item["refusal"] = refusals
        self._audio(message, item)
        calls = [part for part in message.parts if isinstance(part, ToolCall)]
        ids = _unique([tool_id(call.id, self._traits.tool_id) for call in calls], self._traits.tool_id)
        if calls:
            item["tool_calls"] = [self._call(call, id) for call, id in zip(calls, ids, strict=True)]
        self._reasoning(message, item)
        if not item["content"] and item.keys() <= {"role", "content"}:
            return self._answers([], [], results)
        if not item["content"]:
            item["content"] = None if self._traits.developer_role else ""
        return [self._named(item, message), *self._answers(calls, ids, results)]

    def _answer(self, message: Message) -> Json:
        """Text only: what else an assistant's turn may hold is nobody's input here."""
        found: list[Item] = []
        cited = False
        for part in message.parts:
            if isinstance(part, Text):
                cited = cited or bool(part.citations)
                found += self._parts.one(part)
            elif self._is_said(part):
                found += self._parts.one(part)
            elif isinstance(part, (Image, Document)):
                self._dropped.add(type(part).__name__.lower())
        if all_text(found):
            return CITED_JOIN.join(item["text"] for item in found) if cited else self._parts.plain(found)
        return found

    def _is_said(self, part: Part) -> bool:
        if isinstance(part, Refusal):
            return not self._traits.developer_role  # which have a field for it
        return isinstance(part, Opaque) and not _is_audio(part)

    def _audio(self, message: Message, item: Item) -> None:
        for part in message.parts:
            if isinstance(part, Opaque) and _is_audio(part):
                item["audio"] = part.value["audio"]

    def _call(self, call: ToolCall, id: str) -> Item:
        name = self._names.send(call.name, call.namespace)
        if call.custom and keeps_custom(self._traits):
            return {"id": id, "type": "custom", "custom": {"name": name, "input": call.arguments}}
        arguments = wrap_input(call.arguments) if call.custom else call.arguments or "{}"
        item: Item = {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
        if call.proof is not None and call.proof.family == "gemini" == self._traits.family:
            item["extra_content"] = {"google": {"thought_signature": call.proof.value}}
        return item

    def _reasoning(self, message: Message, item: Item) -> None:
        thoughts = [part for part in message.parts if isinstance(part, Reasoning)]
        if self._traits.family == "openrouter":
            proofs = [part.proof for part in thoughts if part.proof is not None and part.proof.family == "openrouter"]
            if proofs:
                item["reasoning_details"] = [msgspec.json.decode(proof.value) for proof in proofs]
        elif self._traits.reasoning_in:
            text = joined(part.text for part in thoughts)
            if text or "tool_calls" in item:
                item["reasoning_content"] = text or NO_REASONING

    # -- results -------------------------------------------------------------------------------------------------------
    def _answers(self, calls: list[ToolCall], ids: list[str], results: list[ToolResult]) -> list[Item]:
        left = list(results)
        found: list[Item] = []
        media: list[Part] = []
        for call, id in zip(calls, ids, strict=True):
            result = next((result for result in left if result.id == call.id), None)
            if result is None:
                found.append({"role": "tool", "tool_call_id": id, "content": NO_RESULT})
                continue
            left.remove(result)
            shown = [part for part in result.parts if isinstance(part, (Image, Document)) and self._parts.one(part)]
            found.append({"role": "tool", "tool_call_id": id, "content": self._result(result, bool(shown))})
            if shown:
                media += [Text(text=f"[From the result of {result.name or 'the tool'}]"), *shown]
        if left:
            self._dropped.add("tool_result")
        if media:  # a tool message is text only
            found.append({"role": "user", "content": self._parts.content(tuple(media))})
        return found

    def _result(self, result: ToolResult, shown: bool) -> Json:
        mark: tuple[Part, ...] = (Text(text=ERROR_MARK),) if result.error else ()
        texts = tuple(part for part in result.parts if not isinstance(part, (Image, Document)))
        content = self._parts.content(texts)
        if result.error:
            content = self._parts.content((*mark, *texts)) if isinstance(content, list) else ERROR_MARK + content
        if not content and shown:
            return ELSEWHERE
        return content or self._parts.content(tuple(part for part in result.parts if part not in texts))

    def _no_orphans(self, messages: tuple[Message, ...]) -> None:
        """Note results that stand before every call: they were not written."""
        for message in messages:
            if message.role == "assistant":
                return
            if any(isinstance(part, ToolResult) for part in message.parts):
                self._dropped.add("tool_result")


def _is_audio(part: Opaque) -> bool:
    """Earlier audio of the assistant, which is a field of the message and not a part."""
    return part.family == FAMILY and isinstance(part.value, dict) and part.value.get("type") == "audio"


def _results(messages: tuple[Message, ...]) -> dict[int, list[ToolResult]]:
    """By the number of an assistant's message: the results given until the assistant speaks again."""
    found: dict[int, list[ToolResult]] = {}
    asked = -1
    for number, message in enumerate(messages):
        if message.role == "assistant":
            asked = number
        elif asked >= 0:
            found.setdefault(asked, []).extend(part for part in message.parts if isinstance(part, ToolResult))
    return found


def _unique(ids: list[str], rule: str) -> list[str]:
    """Weak models give the same id twice."""
    seen: set[str] = set()
    for number, id in enumerate(ids):
        turn = 1
        while ids[number] in seen:
            turn += 1
            ids[number] = tool_id(f"{id} {turn}", rule)
        seen.add(ids[number])
    return ids


def _folded(text: str, found: list[Item]) -> list[Item]:
    """The system text in front of the first user message; its images and files stay."""
    for number, item in enumerate(found):
        if item["role"] == "user":
            content = item["content"]
            if isinstance(content, list):
                content = [{"type": "text", "text": INSTRUCTIONS + text + USER}, *content]
            else:
                content = INSTRUCTIONS + text + USER + content
            return [*found[:number], {**item, "content": content}, *found[number + 1 :]]
    return [{"role": "user", "content": INSTRUCTIONS + text}, *found]
