"""Output items while they are written: each opens itself, and leaves a whole item behind when it is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from providers.wire.openai_responses.vocabulary import annotation
from providers.wire.types import Citation, Json

if TYPE_CHECKING:
    from providers.wire.openai_responses.writer import Writer


class MessageBlock:
    """Words and refusals of the assistant; its parts follow each other."""

    def __init__(self, writer: Writer, phase: str) -> None:
        self.phase = phase
        self._writer, self._id = writer, writer.item_id("msg")
        self._content: list[Json] = []
        self._part: dict[str, Json] | None = None
        self._key, self._pieces = -1, [""]
        self._index = writer.opened(self._item("in_progress"))

    def text(self, text: str, block: int, logprobs: Json) -> None:
        if self._part is None or self._part["type"] != "output_text" or block != self._key:
            self._open({"type": "output_text", "text": "", "annotations": [], "logprobs": []}, block)
        self._pieces.append(text)
        if logprobs and self._part is not None:
            self._part["logprobs"] += logprobs
        if text:
            self._emit("response.output_text.delta", delta=text, logprobs=logprobs)

    def refusal(self, text: str) -> None:
        if self._part is None or self._part["type"] != "refusal":
            self._open({"type": "refusal", "refusal": ""}, -1)
        self._pieces.append(text)
        self._emit("response.refusal.delta", delta=text)

    def cite(self, citation: Citation) -> None:
        part = self._part
        if part is None or part["type"] != "output_text":
            return
        said = annotation(citation, sum(map(len, self._pieces)))
        if said is not None:
            number = len(part["annotations"])
            part["annotations"].append(said)
            self._emit("response.output_text.annotation.added", annotation_index=number, annotation=said)

    def close(self, status: str) -> None:
        self._shut()
        self._writer.closed(self._item(status))

    def _item(self, status: str) -> dict[str, Json]:
        item = {"type": "message", "id": self._id, "status": status, "role": "assistant", "content": self._content}
        return item | ({"phase": self.phase} if self.phase else {})

    def _emit(self, kind: str, **fields: Any) -> None:
        place = {"item_id": self._id, "output_index": self._index, "content_index": len(self._content)}
        self._writer.emit(kind, **place, **fields)

    def _open(self, part: dict[str, Json], key: int) -> None:
        self._shut()
        self._part, self._key = part, key
        self._emit("response.content_part.added", part=part)

    def _shut(self) -> None:
        part, self._part = self._part, None
        if part is None:
            return
        text = "".join(self._pieces)
        self._pieces.clear()
        if part["type"] == "refusal":
            part["refusal"] = text
            self._emit("response.refusal.done", refusal=text)
        else:
            part["text"] = text
            self._emit("response.output_text.done", text=text, logprobs=part["logprobs"])
        self._emit("response.content_part.done", part=part)
        self._content.append(part)


class ReasoningBlock:
    """Thinking, shown as a summary: it is where this format's clients look. ``sealed``: what proves it."""

    def __init__(self, writer: Writer, number: int, name: str) -> None:
        self.number = number
        self.sealed = ""
        self._writer, self._id = writer, name or writer.item_id("rs")
        self._pieces: list[str] = []
        self._index = writer.opened({"type": "reasoning", "id": self._id, "summary": []})

    def add(self, text: str) -> None:
        if not self._pieces:
            self._emit("part.added", part={"type": "summary_text", "text": ""})
        self._pieces.append(text)
        self._emit("text.delta", delta=text)

    def close(self, _status: str) -> None:
        summary: list[Json] = []
        if self._pieces:
            text = "".join(self._pieces)
            summary = [{"type": "summary_text", "text": text}]
            self._emit("text.done", text=text)
            self._emit("part.done", part=summary[0])
        item: dict[str, Json] = {"type": "reasoning", "id": self._id, "summary": summary}
        if self.sealed:
            item["encrypted_content"] = self.sealed
        self._writer.closed(item)

    def _emit(self, kind: str, **fields: Any) -> None:
        place = {"item_id": self._id, "output_index": self._index, "summary_index": 0}
        self._writer.emit(f"response.reasoning_summary_{kind}", **place, **fields)


class CallBlock:
    """A call of a function (JSON arguments) or of a custom tool (free text)."""

    def __init__(self, writer: Writer, index: int, call_id: str, name: str, namespace: str, *, custom: bool) -> None:
        self.index = index
        self._field = "input" if custom else "arguments"
        self._kind = "response.custom_tool_call_input" if custom else "response.function_call_arguments"
        self._writer, self._pieces = writer, [""]
        self._item: dict[str, Json] = {
            "type": "custom_tool_call" if custom else "function_call",
            "id": writer.item_id("ctc" if custom else "fc"),
            "call_id": call_id,
            "name": name,
        }
        if namespace:
            self._item["namespace"] = namespace
        self._place = writer.opened({**self._item, "status": "in_progress", self._field: ""})

    def add(self, arguments: str) -> None:
        if arguments:
            self._pieces.append(arguments)
            self._emit("delta", delta=arguments)

    def close(self, status: str) -> None:
        said = "".join(self._pieces)
        if self._field == "arguments" and not said.strip():
            said = "{}"  # a client parses it as JSON
        self._emit("done", **{self._field: said})
        self._writer.closed({**self._item, "status": status, self._field: said})

    def _emit(self, kind: str, **fields: Any) -> None:
        self._writer.emit(f"{self._kind}.{kind}", item_id=self._item["id"], output_index=self._place, **fields)


class OpaqueBlock:
    """An item of the vendor's own that came whole."""

    def __init__(self, writer: Writer, item: dict[str, Json]) -> None:
        writer.opened(item)
        writer.closed(item)
