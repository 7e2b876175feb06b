"""What one response leaves to the next: messages as they are carried over, and the items they are shown as."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from providers.wire.openai_responses.dumping import ItemWriter
from providers.wire.openai_responses.items import Turns
from providers.wire.openai_responses.response import AsKnown
from providers.wire.openai_responses.vocabulary import FAMILY, ROLE, own
from providers.wire.traits import Traits
from providers.wire.translation import Dropped
from providers.wire.types import Json, Message, Opaque, Part, Request, Text

OURS = Traits(family=FAMILY, developer_role=True)  # input items are shown as the client could have written them
IDS = {  # item type → how its ids begin
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "function_call_output": "fco",
    "custom_tool_call_output": "ctco",
}
MARK = "_in"  # between a response's id and the number of its input item


def _from_input(text: Text) -> bool:
    """Said as a system or developer item, unlike ``instructions``, which are not carried over."""
    return own(text.proof, ROLE) is not None


def carried(request: Request) -> tuple[Message, ...]:
    """A request's messages with the system items that stood before them."""
    system = tuple(text for text in request.system if _from_input(text))
    return (Message(role="system", parts=system), *request.messages) if system else request.messages


def told_now(request: Request) -> tuple[tuple[Text, ...], tuple[Message, ...]]:
    """This turn's instructions, and its system items as a message: they come after the history."""
    instructions = tuple(text for text in request.system if not _from_input(text))
    items = tuple(text for text in request.system if _from_input(text))
    return instructions, ((Message(role="system", parts=items),) if items else ())


def leading_system(history: tuple[Message, ...]) -> tuple[tuple[Text, ...], tuple[Message, ...]]:
    """System items at the beginning of a history, where every format has a place for them, and the rest."""
    if not history or history[0].role != "system":
        return (), history
    texts = tuple(part for part in history[0].parts if isinstance(part, Text) and _from_input(part))
    return (texts, history[1:]) if len(texts) == len(history[0].parts) else ((), history)


def reference(part: Part) -> str:
    """The id an ``item_reference`` names; "" for any other part."""
    if isinstance(part, Opaque) and isinstance(part.value, dict) and part.value.get("type") == "item_reference":
        name = part.value.get("id")
        return name if isinstance(name, str) else ""
    return ""


def turn(message: Message, parts: list[Part]) -> Iterator[Message]:
    """The message with these parts instead; nothing when there are none."""
    if parts:
        yield msgspec.structs.replace(message, parts=tuple(parts))


def output_items(body: bytes) -> list[Json]:
    """The items of a response object's bytes."""
    said = msgspec.json.decode(body)
    output = said.get("output") if isinstance(said, dict) else None
    return output if isinstance(output, list) else []


def read_item(item: dict[str, Json]) -> tuple[Message, ...]:
    """One item as the message it stands for."""
    turns = Turns()
    turns.read([item])
    system = (Message(role="system", parts=tuple(turns.system)),) if turns.system else ()
    return (*system, *turns.messages)


def items_of(messages: tuple[Message, ...]) -> list[Json]:
    """Messages as input items."""
    writer = ItemWriter(OURS, AsKnown(), Dropped(), marked=True)
    leading, rest = leading_system(messages)
    writer.system(leading)
    writer.messages(rest)
    return writer.close()


def shown(item: dict[str, Json], response_id: str, number: int) -> dict[str, Json]:
    """An input item as the API lists it: with a status, and an id when it has none."""
    kind, name = item["type"], item.get("id")
    status = {"status": "completed"} if kind in IDS and kind != "reasoning" else {}
    if not isinstance(name, str):
        name = f"{IDS.get(kind, 'item')}_{response_id.removeprefix('resp_')}{MARK}{number}"
    return {**item, **status, "id": name}


def made_for(name: str) -> str:
    """The response whose input item was given this id by :func:`shown`; "" for any other id."""
    stem, mark, _ = name.rpartition(MARK)
    return f"resp_{stem.partition('_')[2]}" if mark else ""
