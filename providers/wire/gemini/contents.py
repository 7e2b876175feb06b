"""``contents`` of a client's request → messages."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from providers.wire.errors import Refusal
from providers.wire.gemini import media
from providers.wire.reading import Fields, wrong
from providers.wire.translation import json_text
from providers.wire.types import Json, Message, Opaque, Part, Proof, Reasoning, Text, ToolCall, ToolResult

FAMILY = media.FAMILY
ROLES = {"user": "user", "function": "user", "tool": "user", "model": "assistant", "assistant": "assistant",
         "system": "system"}  # fmt: skip
CALL, RESPONSE = ("functionCall", "function_call"), ("functionResponse", "function_response")
INLINE, FILE = ("inlineData", "inline_data"), ("fileData", "file_data")
KINDS_OF_PART = {name: names for names in (CALL, RESPONSE, INLINE, FILE) for name in names}
RESULT_KEYS = ("result", "output", "content")  # the one key of a response that only wraps a value


def messages(given: Json) -> tuple[Message, ...]:
    """Raises Refusal 400. A lone content or a string is taken for a list of one, as Google's SDKs do."""
    if given is None or given == []:
        raise Refusal(400, "'contents' is missing: say at least one content.", param="contents")
    if isinstance(given, (str, dict)):
        given = [given]
    if not isinstance(given, list):
        raise wrong("contents", "an array", given)
    calls = _Calls(given)
    found = (_message(content, f"contents[{place}]", calls) for place, content in enumerate(given))
    return _merged(message for message in found if message.parts)


def _merged(given: Iterable[Message]) -> tuple[Message, ...]:
    """The SDK keeps each chunk of a stream as a content of its own: together they are one turn and one text."""
    made: list[Message] = []
    for message in given:
        if made and message.role == made[-1].role == "assistant":
            made[-1] = Message(role="assistant", parts=_joined(made[-1].parts, message.parts))
        else:
            made.append(message)
    return tuple(made)


def _joined(one: tuple[Part, ...], other: tuple[Part, ...]) -> tuple[Part, ...]:
    last, first = one[-1], other[0]
    if isinstance(last, Text) and isinstance(first, Text) and last.proof is first.proof is None:
        return (*one[:-1], Text(text=last.text + first.text), *other[1:])
    if isinstance(last, Reasoning) and isinstance(first, Reasoning) and last.proof is None:
        return (*one[:-1], Reasoning(text=last.text + first.text, proof=first.proof), *other[1:])
    return one + other


def texts(given: Json, where: str) -> tuple[Text, ...]:
    """A system instruction: a string, a content, or parts. Raises Refusal 400 for anything but text."""
    if isinstance(given, str):
        return (Text(text=given),) if given else ()
    if isinstance(given, list):
        parts, where = given, where
    else:
        fields = Fields(given, where)
        parts = fields.items("parts") if fields.raw("parts") is not None else [given]
        where = fields.at("parts")
    made = []
    for place, part in enumerate(parts):
        text = part if isinstance(part, str) else Fields(part, f"{where}[{place}]").raw("text")
        if not isinstance(text, str):
            raise wrong(f"{where}[{place}].text", "a string", text)
        if text:
            made.append(Text(text=text))
    return tuple(made)


class _Calls:
    """Ids for calls without one, and which call a response answers: by id, else by name and order."""

    def __init__(self, contents: list[Json]) -> None:
        self._contents = contents
        self._given: set[str] | None = None  # looked for when an id has to be made
        self._number = 0
        self._open: list[tuple[str, str]] = []  # (id, name) of calls not yet answered

    def asked(self, given: str, name: str) -> str:
        made = given or self._new()
        self._open.append((made, name))
        return made

    def answered(self, given: str, name: str) -> str:
        row = next((row for row in self._open if row[0] == given), None) if given else None
        if row is None:
            row = next((row for row in self._open if row[1] == name), None)
        if row is None:
            return given or self._new()
        self._open.remove(row)
        return row[0]

    def _new(self) -> str:
        if self._given is None:
            self._given = _given_ids(self._contents)
        while True:
            made = f"call_{self._number}"
            self._number += 1
            if made not in self._given:
                return made


def _given_ids(contents: list[Json]) -> set[str]:
    found = set()
    for content in contents:
        parts = content.get("parts") if isinstance(content, dict) else None
        for part in parts if isinstance(parts, list) else ():
            for key in (*CALL, *RESPONSE):
                inner = part.get(key) if isinstance(part, dict) else None
                if isinstance(inner, dict) and isinstance(inner.get("id"), str):
                    found.add(inner["id"])
    return found


def _message(content: Json, where: str, calls: _Calls) -> Message:
    if isinstance(content, str):
        return Message(role="user", parts=(Text(text=content),) if content else ())
    fields = Fields(content, where)
    said = fields.text("role")
    role = ROLES.get(said.lower(), "") if said else "user"
    if not role:
        raise Refusal(400, f"'{where}.role' must be user or model, not {said[:40]!r}.", param=f"{where}.role")
    given = fields.raw("parts")
    given = [given] if isinstance(given, (dict, str)) else fields.items("parts")
    made = (_part(part, f"{where}.parts[{place}]", calls) for place, part in enumerate(given))
    parts = tuple(part for part in made if part is not None)
    if not said and any(isinstance(part, ToolCall) for part in parts):
        role = "assistant"
    return Message(role=role, parts=parts)


def _part(given: Json, where: str, calls: _Calls) -> Part | None:
    """One part; None when it says nothing."""
    if isinstance(given, str):
        return Text(text=given) if given else None
    if isinstance(given, dict) and len(given) == 1 and isinstance(given.get("text"), str):
        return Text(text=given["text"]) if given["text"] else None  # most parts
    fields = Fields(given, where)
    for key, value in given.items():
        if key in KINDS_OF_PART and value is not None:
            return _special(KINDS_OF_PART[key], fields, given, calls)
    proof = _proof(fields)
    thought, text = fields.switch("thought"), fields.text("text")
    if fields.rest() and fields.raw("text") is None:
        return Opaque(family=FAMILY, value=given)
    if thought:
        return Reasoning(text=text, proof=proof) if text or proof else None
    return Text(text=text, proof=proof) if text or proof else None


def _special(names: tuple[str, str], fields: Fields, given: Json, calls: _Calls) -> Part:
    inner = fields.inner(*names)
    assert inner is not None
    match names[0]:
        case "functionCall":
            return _call(inner, _proof(fields), calls)
        case "functionResponse":
            return _result(inner, calls)
        case "inlineData":
            return media.inline(inner, given)
        case _:
            return media.by_address(inner, given)


def _proof(fields: Fields) -> Proof | None:
    value = fields.text("thoughtSignature", "thought_signature")
    return Proof(family=FAMILY, kind="thought", value=value) if value else None


def _call(fields: Fields, proof: Proof | None, calls: _Calls) -> ToolCall:
    name, given = fields.text("name"), fields.raw("args")
    if not name:
        raise Refusal(400, f"'{fields.at('name')}' is missing.", param=fields.at("name"))
    if given is not None and not isinstance(given, dict):
        raise wrong(fields.at("args"), "an object", given)
    made = calls.asked(fields.text("id"), name)
    return ToolCall(id=made, name=name, arguments=json_text(given or {}), proof=proof)


def _result(fields: Fields, calls: _Calls) -> ToolResult:
    name, response = fields.text("name"), fields.raw("response")
    if response is not None and not isinstance(response, dict):
        raise wrong(fields.at("response"), "an object", response)
    made = calls.answered(fields.text("id"), name)
    words, error = _said(response or {})
    parts: list[Part] = [Text(text=words)] if words else []
    for place, part in enumerate(fields.items("parts")):
        inner = Fields(part, f"{fields.at('parts')}[{place}]")
        data, file = inner.inner(*INLINE), inner.inner(*FILE)
        if data is not None:
            parts.append(media.inline(data, part))
        elif file is not None:
            parts.append(media.by_address(file, part))
    return ToolResult(id=made, name=name, parts=tuple(parts), error=error)


def _said(response: dict[str, Json]) -> tuple[str, bool]:
    """What a response object says, as text, and whether it is an error."""
    if len(response) == 1:
        key, value = next(iter(response.items()))
        if key == "error" or key in RESULT_KEYS:
            return (value if isinstance(value, str) else json_text(value)), key == "error"
    return (json_text(response) if response else ""), False


def response_of(text: str, error: bool, *, unwrap: bool) -> dict[str, Json]:
    """Text of a result as the object that Gemini demands. ``unwrap``: text that is an object of the client's own
    (a Gemini client wrote it as one) goes as that object."""
    if error:
        return {"error": text}
    if unwrap and text.startswith("{"):
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {"result": text}
        if isinstance(value, dict) and value and _said(value) == (text, False):
            return value
    return {"result": text}
