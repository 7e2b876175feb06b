"""Golden bytes of what is written: each client's rich request to each upstream, and one answer to each client.

What stands in ``tests/golden/written`` has been read by people. To change it on purpose, write the new bytes there
(``python -m tests.providers.wire.test_written``) and read the difference.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from providers.wire.assemble import events_of
from providers.wire.formats import FORMATS
from providers.wire.traits import Traits
from providers.wire.translation import Asked
from providers.wire.types import (
    Choice,
    Citation,
    Json,
    Message,
    Proof,
    Reasoning,
    Reply,
    Request,
    Text,
    ToolCall,
    Usage,
)
from tests.fuzz.seeds import CHAT, GEMINI, MESSAGES, RESPONSES

GOLDEN = Path(__file__).parents[2] / "golden" / "written"
REQUESTS: dict[str, dict[str, Any]] = {
    "openai_chat": CHAT,
    "openai_responses": RESPONSES,
    "anthropic": MESSAGES,
    "gemini": GEMINI,
}
TRAITS = {
    "openai_chat": Traits(family="openai_chat", developer_role=True, max_tokens_field="max_completion_tokens"),
    "openai_responses": Traits(family="openai_responses", developer_role=True),
    "anthropic": Traits(family="anthropic", thinking="adaptive", prefill=False),
    "gemini": Traits(family="gemini", thinking="level"),
}
ANSWER = Reply(
    id="reply_1",
    model="m",
    created=1_700_000_000,
    choices=(
        Choice(
            parts=(
                Reasoning(text="They want Rome.", proof=Proof(family="anthropic", kind="signature", value="c2ln")),
                Text(text="Grüße 🐌", citations=(Citation(url="https://a.example", title="A", start=0, end=5),)),
                ToolCall(id="call_1", name="weather", arguments='{"city":"Rome"}'),
                ToolCall(id="call_2", name="now"),
            ),
            finish="tool_calls",
        ),
    ),
    usage=Usage(input=100, cached=60, cache_write=10, output=40, reasoning=15),
)
ASKED = Asked(
    request=Request(model="p/m", include_usage=True, messages=(Message(role="user", parts=(Text(text="Hello"),)),)),
    model="p/m",
    id="0123456789abcdef0123456789abcdef",
    created=1_700_000_000,
)


def request(client: str, upstream: str) -> bytes:
    """The body that the upstream gets, and what it could not carry."""
    body = copy.deepcopy(REQUESTS[client])
    if client == "openai_responses":
        body["input"] = [item for item in body["input"] if item.get("type") != "item_reference"]
    if upstream == "anthropic":  # it refuses sound
        body = _without_sound(body)
    dumped = FORMATS[upstream].dump(FORMATS[client].parse(body), TRAITS[upstream])
    return _lines({"body": dumped.body, "dropped": dumped.dropped, "headers": dumped.headers})


def _without_sound(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _without_sound(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_sound(item) for item in value if "UklGRg" not in msgspec.json.encode(item).decode()[:120]]
    return value


def _lines(value: Json) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def reply(client: str) -> bytes:
    return FORMATS[client].dump_reply(ANSWER, ASKED) + b"\n"


def stream(client: str) -> bytes:
    writer = FORMATS[client].writer(ASKED)
    return b"".join(writer.write(event) for event in events_of(ANSWER)) + writer.end(ANSWER.usage)


def written() -> Iterator[tuple[str, bytes]]:
    for client in FORMATS:
        for upstream in FORMATS:
            yield f"{client}-to-{upstream}.json", request(client, upstream)
        yield f"{client}-reply.json", reply(client)
        yield f"{client}-stream.sse", stream(client)


@pytest.mark.parametrize(("name", "made"), list(written()), ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_written_is_what_was_read_by_people(name: str, made: bytes) -> None:
    assert made == (GOLDEN / name).read_bytes()


def test_nothing_golden_is_left_over() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {name for name, _ in written()}


if __name__ == "__main__":
    for name, made in written():
        (GOLDEN / name).write_bytes(made)
