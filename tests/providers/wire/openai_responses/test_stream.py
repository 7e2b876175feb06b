"""Streams of the Responses format: read from golden bytes, written by the grammar, accepted by the official SDK."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response

from providers.wire.assemble import Assembly
from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.frames import EventSplitter, payload
from providers.wire.openai_responses.stream import KEEP_ALIVE, Reader, Writer
from providers.wire.translation import Asked, Names
from providers.wire.types import (
    Citation,
    CitationAdded,
    Event,
    Finish,
    HostedTool,
    Opaque,
    OpaqueAdded,
    Output,
    Proof,
    Reasoning,
    ReasoningDelta,
    ReasoningProof,
    RefusalDelta,
    Request,
    Start,
    Text,
    TextDelta,
    Thinking,
    Tool,
    ToolCall,
    ToolDelta,
    ToolEnd,
    ToolStart,
    Usage,
    UsageSeen,
)
from providers.wire.types import Refusal as RefusalPart
from tests.providers.wire.grammar_openai_responses import check

GOLDEN = Path(__file__).parents[3] / "golden" / "openai_responses"
WHOLE = ("text", "tools", "refusal", "incomplete", "web_search", "whole_items", "no_indexes")
USAGE = Usage(input=120, cached=64, output=50, reasoning=32)
SEALED = Proof(family="openai_responses", kind="encrypted", value="gAAAAABsealed==", id="rs_0c1")
FOREIGN = Proof(family="anthropic", kind="signature", value="c2ln")


def asked(**fields: Any) -> Asked:
    return Asked(
        request=Request(model="up", family="openai_responses", **fields), model="acme/m", id="ab12", created=99
    )


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.sse").read_bytes()


def read(chunks: Iterable[bytes], names: Names | None = None) -> list[Event]:
    splitter, reader = EventSplitter(), Reader(names or Names())
    events = [event for chunk in chunks for frame in splitter.feed(chunk) for event in reader.frame(payload(frame))]
    return events + reader.end()


def assembled(events: Iterable[Event]) -> Assembly:
    assembly = Assembly()
    for event in events:
        assembly.add(event)
    return assembly


def written(events: Iterable[Event], usage: Usage | None = None, **fields: Any) -> bytes:
    writer = Writer(asked(**fields))
    return b"".join([*(writer.write(event) for event in events), writer.end(usage)])


# -- reading ----------------------------------------------------------------------------------------------------------
class TestReader:
    def test_text(self) -> None:
        events = read([golden("text")])
        assert events == [
            Start(id="resp_0a1", model="gpt-5.2-2025-12-11"),
            TextDelta(text="Hel"),
            TextDelta(text="lo"),
            TextDelta(text=", wörld 🌍"),
            UsageSeen(usage=USAGE),
            Finish(reason="stop"),
        ]

    def test_reasoning_and_tools(self) -> None:
        assembly = assembled(read([golden("tools")]))
        assert assembly.parts() == (
            Reasoning(text="**Planning**\n\nThen act", proof=SEALED, summary=True),
            Text(text="I will look.", proof=Proof(family="openai_responses", kind="phase", value="commentary")),
            ToolCall(id="call_A1", name="exec_command", arguments='{"cmd":"ls"}'),
            ToolCall(id="call_A2", name="now", arguments="", namespace="clock"),
            ToolCall(id="call_A3", name="apply_patch", arguments="*** Begin\n*** End", custom=True),
        )
        assert assembly.finish == "tool_calls"

    def test_every_call_starts_before_its_arguments_and_ends(self) -> None:
        events = read([golden("tools")])
        for index in range(3):
            own = [e for e in events if isinstance(e, (ToolStart, ToolDelta, ToolEnd)) and e.index == index]
            assert isinstance(own[0], ToolStart)
            assert isinstance(own[-1], ToolEnd)
            assert all(isinstance(e, ToolDelta) for e in own[1:-1])

    def test_the_id_of_a_reasoning_item_comes_before_its_words(self) -> None:
        events = [event for event in read([golden("tools")]) if isinstance(event, (ReasoningDelta, ReasoningProof))]
        begun = Proof(family="openai_responses", kind="encrypted", value="", id="rs_0c1")
        assert events[0] == ReasoningProof(proof=begun)
        assert events[-1] == ReasoningProof(proof=SEALED)

    def test_refusal(self) -> None:
        assembly = assembled(read([golden("refusal")]))
        assert (assembly.parts(), assembly.finish) == ((RefusalPart(text="I cannot."),), "refusal")

    def test_incomplete(self) -> None:
        assembly = assembled(read([golden("incomplete")]))
        assert (assembly.finish, assembly.usage) == ("length", USAGE)

    def test_hosted_calls_are_kept_and_citations_come_once(self) -> None:
        call, text = assembled(read([golden("web_search")])).parts()
        assert isinstance(call, Opaque)
        assert (call.family, call.value["id"]) == ("openai_responses", "ws_1")
        assert isinstance(text, Text)
        assert text.text == "Sunny today."
        assert [(c.url, c.start, c.end) for c in text.citations] == [("https://weather.example/today", 0, 5)]

    def test_whole_items_make_up_for_missing_deltas(self) -> None:
        assembly = assembled(read([golden("whole_items")]))
        assert assembly.parts() == (
            Reasoning(text="hmm", proof=Proof(family="openai_responses", kind="encrypted", value="gAAAA9", id="rs_9")),
            Text(text="Done."),
            ToolCall(id="call_9", name="run", arguments='{"a":1}'),
        )
        assert assembly.usage == USAGE

    def test_events_without_indexes(self) -> None:
        assembly = assembled(read([golden("no_indexes")]))
        assert assembly.parts() == (ToolCall(id="call_7", name="run", arguments='{"b":2}'),)

    @pytest.mark.parametrize(
        ("name", "kind", "code", "after"),
        [("failed", Kind.RATE_LIMITED, "rate_limit_exceeded", 1.5), ("error", Kind.SERVER, "server_error", None)],
    )
    def test_an_error_inside_is_raised(self, name: str, kind: Kind, code: str, after: float | None) -> None:
        with pytest.raises(UpstreamFailure) as caught:
            read([golden(name)])
        assert (caught.value.kind, caught.value.code, caught.value.retry_after) == (kind, code, after)

    def test_a_cut_stream_is_a_failure(self) -> None:
        with pytest.raises(UpstreamFailure) as caught:
            read([golden("cut")])
        assert caught.value.kind is Kind.PROTOCOL

    def test_a_reply_without_content_is_a_failure(self) -> None:
        with pytest.raises(UpstreamFailure):
            Reader(Names()).frame(b'{"type":"response.completed","response":{"id":"r","output":[]}}')

    def test_tool_names_come_back_as_the_client_knows_them(self) -> None:
        names = Names()
        sent = names.send("do.it now")
        data = {"type": "response.output_item.added", "output_index": 0}
        data["item"] = {"type": "function_call", "call_id": "c", "name": sent}
        events = Reader(names).frame(msgspec.json.encode(data))
        assert events == [Start(), ToolStart(index=0, id="c", name="do.it now")]

    @pytest.mark.parametrize("name", WHOLE)
    @given(data=st.data())
    def test_events_do_not_depend_on_where_the_network_cuts(self, name: str, data: st.DataObject) -> None:
        raw = golden(name)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
        chunks = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
        assert read(chunks) == read([raw])

    @given(st.binary(max_size=200))
    def test_any_bytes_raise_only_failures(self, raw: bytes) -> None:
        reader = Reader(Names())
        with suppress(UpstreamFailure):
            reader.frame(raw)
        with pytest.raises(UpstreamFailure):
            reader.end()

    @pytest.mark.parametrize("event", ["added", "done"])
    def test_an_item_of_no_type_at_all_is_a_strangers(self, event: str) -> None:
        reader = Reader(Names())
        item = {"type": {"name": "message"}, "id": "x_1"}
        said = {"type": f"response.output_item.{event}", "output_index": 0, "item": item}
        reader.frame(msgspec.json.encode(said))

    @given(data=st.data())
    def test_broken_events_raise_only_failures(self, data: st.DataObject) -> None:
        frames = [payload(frame) for frame in EventSplitter().feed(golden("tools"))]
        reader = Reader(Names())
        json = st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
            max_leaves=8,
        )
        try:
            for frame in data.draw(st.lists(st.sampled_from(frames), max_size=12)):
                said = msgspec.json.decode(frame)
                said[data.draw(st.sampled_from(FIELDS))] = data.draw(json)
                reader.frame(msgspec.json.encode(said))
            reader.end()
        except UpstreamFailure:
            return
        assert reader.done


FIELDS = (
    "type", "item", "output", "response", "delta", "output_index", "content", "summary", "error", "status", "usage",
    "id", "call_id", "name", "arguments", "annotations", "content_index", "summary_index", "text", "incomplete_details",
)  # fmt: skip


# -- writing ----------------------------------------------------------------------------------------------------------
def call(index: int, name: str = "run", arguments: str = '{"a":1}', **more: Any) -> list[Event]:
    start = ToolStart(index=index, id=f"call_{index}", name=name, **more)
    return [start, ToolDelta(index=index, arguments=arguments), ToolEnd(index=index)]


MIXED: list[Event] = [
    Start(id="chatcmpl-1", model="x"),
    TextDelta(text=""),
    ReasoningDelta(text="Let me "),
    ReasoningDelta(text="think."),
    ReasoningProof(proof=FOREIGN),
    TextDelta(text="I will"),
    TextDelta(text=" look."),
    *call(0),
    TextDelta(text="And", block=1),
    CitationAdded(citation=Citation(url="https://a.example", title="A")),
    *call(1, arguments=""),
    *call(2, "patch", "*** Begin", custom=True),
    UsageSeen(usage=USAGE),
    Finish(reason="tool_calls"),
]


class TestWriter:
    def test_mixed(self) -> None:
        events = check(written(MIXED))
        response = events[-1]["response"]
        kinds = ["reasoning", "message", "function_call", "message", "function_call", "custom_tool_call"]
        assert [item["type"] for item in response["output"]] == kinds
        assert response["output"][0]["summary"] == [{"type": "summary_text", "text": "Let me think."}]
        assert response["output"][4]["arguments"] == "{}"
        assert response["output"][3]["content"][0]["annotations"][0]["end_index"] == 3
        assert response["usage"]["output_tokens_details"] == {"reasoning_tokens": 32}
        assert response["usage"]["total_tokens"] == 170

    def test_ids_of_items_differ(self) -> None:
        output = check(written(MIXED))[-1]["response"]["output"]
        assert len({item["id"] for item in output}) == len(output)

    def test_foreign_proofs_are_never_shown(self) -> None:
        assert b"c2ln" not in written(MIXED)

    @pytest.mark.parametrize("name", WHOLE)
    def test_what_was_read_is_written_again(self, name: str) -> None:
        events = read([golden(name)])
        stream = written(events)
        check(stream)
        assert assembled(read([stream])).parts() == rebuilt(assembled(events).parts())

    def test_a_seal_keeps_its_item_id(self) -> None:
        item = check(written(read([golden("tools")])))[-1]["response"]["output"][0]
        assert (item["id"], item["encrypted_content"]) == ("rs_0c1", "gAAAAABsealed==")

    def test_calls_that_interleave_are_written_one_after_the_other(self) -> None:
        events: list[Event] = [
            ToolStart(index=0, id="a", name="one"),
            ToolStart(index=1, id="b", name="two"),
            ToolDelta(index=1, arguments='{"x":'),
            ToolDelta(index=0, arguments="{}"),
            TextDelta(text="late"),
            ToolDelta(index=1, arguments="1}"),
            ToolEnd(index=0),
            ToolEnd(index=1),
            Finish(reason="tool_calls"),
        ]
        output = check(written(events))[-1]["response"]["output"]
        assert [(item["type"], item.get("arguments")) for item in output] == [
            ("function_call", "{}"),
            ("function_call", '{"x":1}'),
            ("message", None),
        ]

    def test_calls_without_an_end_are_closed(self) -> None:
        events: list[Event] = [ToolStart(index=0, id="a", name="one"), ToolStart(index=1, id="b", name="two")]
        output = check(written(events))[-1]["response"]["output"]
        assert [item["name"] for item in output] == ["one", "two"]

    @pytest.mark.parametrize(
        ("finish", "status", "reason"),
        [
            ("stop", "completed", None),
            ("stop_sequence", "completed", None),
            ("tool_calls", "completed", None),
            ("pause", "completed", None),
            ("length", "incomplete", "max_output_tokens"),
            ("context_window", "incomplete", "max_output_tokens"),
            ("content_filter", "incomplete", "content_filter"),
            ("refusal", "incomplete", "content_filter"),
        ],
    )
    def test_ends(self, finish: str, status: str, reason: str | None) -> None:
        response = check(written([TextDelta(text="Hi"), Finish(reason=finish)]))[-1]["response"]
        assert response["status"] == status
        assert response["incomplete_details"] == ({"reason": reason} if reason else None)

    def test_a_refusal_in_words_is_complete(self) -> None:
        response = check(written([RefusalDelta(text="No"), RefusalDelta(text="."), Finish(reason="refusal")]))[-1]
        assert response["response"]["status"] == "completed"
        assert response["response"]["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]

    def test_only_the_first_choice_is_written(self) -> None:
        events: list[Event] = [TextDelta(text="a"), TextDelta(text="b", choice=1), Finish(reason="length", choice=1)]
        response = check(written([*events, Finish(reason="stop")]))[-1]["response"]
        assert response["output"][0]["content"][0]["text"] == "a"
        assert response["status"] == "completed"

    def test_hosted_items_of_the_family_are_written_and_others_not(self) -> None:
        item = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
        item |= {"action": {"type": "search", "query": "q"}}
        events: list[Event] = [
            OpaqueAdded(part=Opaque(family="openai_responses", value=item)),
            OpaqueAdded(part=Opaque(family="anthropic", value={"type": "server_tool_use"})),
            TextDelta(text="x"),
            Finish(reason="stop"),
        ]
        output = check(written(events))[-1]["response"]["output"]
        assert [piece["type"] for piece in output] == ["web_search_call", "message"]

    def test_a_failure_ends_the_stream_and_closes_nothing(self) -> None:
        writer = Writer(asked())
        stream = writer.write(TextDelta(text="Half"))
        stream += writer.fail(Refusal(502, "The provider's stream ended early.", type="server_error", code="bad_reply"))
        events = check(stream)
        assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
        assert events[-1]["response"]["error"] == {
            "code": "server_error",
            "message": "The provider's stream ended early.",
        }
        assert not any(event["type"] == "response.output_item.done" for event in events)

    def test_logprobs(self) -> None:
        row = {"token": "Hi", "bytes": [72, 105], "logprob": -0.5, "top_logprobs": []}
        events = check(written([TextDelta(text="Hi", logprobs={"content": [row]}), Finish(reason="stop")]))
        assert events[-1]["response"]["output"][0]["content"][0]["logprobs"] == [row]

    def test_namespaces_come_back(self) -> None:
        stream = written(
            [*call(0, "search"), Finish(reason="tool_calls")], tools=(Tool(name="search", namespace="db"),)
        )
        assert check(stream)[-1]["response"]["output"][0]["namespace"] == "db"

    def test_the_response_repeats_its_request(self) -> None:
        response = check(
            written(
                [TextDelta(text="{}"), Finish(reason="stop")],
                system=(Text(text="Be brief."),),
                tools=(
                    Tool(name="run", schema={"type": "object"}, strict=True),
                    Tool(name="patch", custom=True, grammar={"type": "text"}),
                    HostedTool(intent="web_search", family="openai_responses", value={"type": "web_search"}),
                    HostedTool(intent="web_search", family="gemini", value={"googleSearch": {}}),
                ),
                output=Output(kind="json_schema", name="o", schema={"type": "object"}, strict=True),
                thinking=Thinking(effort="high", summary="auto"),
                temperature=0.5,
                max_tokens=100,
                previous_id="resp_before",
                store=False,
                metadata={"a": "b"},
                extra={"conversation": "conv_1", "truncation": "auto"},
            )
        )[-1]["response"]
        read = Response.model_validate(response)
        assert (read.id, read.model, read.instructions) == ("resp_ab12", "acme/m", "Be brief.")
        assert [tool.type for tool in read.tools] == ["function", "custom", "web_search"]
        assert (read.temperature, read.max_output_tokens, read.previous_response_id) == (0.5, 100, "resp_before")
        assert read.conversation is not None
        assert read.conversation.id == "conv_1"
        assert response["store"] is False
        assert response["text"]["format"]["name"] == "o"

    def test_keep_alive_is_a_comment(self) -> None:
        assert read([KEEP_ALIVE, golden("text")[:0], KEEP_ALIVE, golden("text")]) == read([golden("text")])

    @settings(max_examples=30)  # the SDK's types are slow to check
    @given(st.lists(st.integers(0, 8), max_size=25))
    def test_any_order_of_events_makes_a_valid_stream(self, kinds: list[int]) -> None:
        check(written([*events_from(kinds), Finish(reason="stop")]))


def events_from(kinds: list[int]) -> Iterator[Event]:
    calls = 0
    open_calls: list[int] = []
    for number, kind in enumerate(kinds):
        if kind == 0:
            yield TextDelta(text=f"t{number}", block=number % 2)
        elif kind == 1:
            yield ReasoningDelta(text=f"r{number}", block=number % 2)
        elif kind == 2:
            yield ReasoningProof(proof=SEALED, block=number % 2)
        elif kind == 3:
            yield RefusalDelta(text=f"n{number}")
        elif kind == 4:
            yield ToolStart(index=calls, id=f"c{calls}", name="run", custom=bool(number % 2))
            open_calls.append(calls)
            calls += 1
        elif kind == 5 and open_calls:
            yield ToolDelta(index=open_calls[number % len(open_calls)], arguments="{}")
        elif kind == 6 and open_calls:
            yield ToolEnd(index=open_calls.pop(0))
        elif kind == 7:
            yield CitationAdded(citation=Citation(url="https://a.example"))
        elif kind == 8:
            yield UsageSeen(usage=USAGE)


def rebuilt(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    """Parts as a client of ours sees them: thinking is a summary, calls without arguments say so."""
    seen = []
    for part in parts:
        if isinstance(part, Reasoning) and part.text:
            part = msgspec.structs.replace(part, summary=True)
        if isinstance(part, ToolCall) and not part.arguments and not part.custom:
            part = msgspec.structs.replace(part, arguments="{}")
        seen.append(part)
    return tuple(seen)


# -- the official SDK -------------------------------------------------------------------------------------------------
@contextmanager
def raw_server(stream: bytes) -> Iterator[str]:
    """A socket that answers one request with this stream."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer, args=(listener, stream), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        thread.join(5)


def _answer(listener: socket.socket, stream: bytes) -> None:
    client, _ = listener.accept()
    with client:
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += client.recv(65536)
        head, _, body = asked.partition(b"\r\n\r\n")
        lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
        left = next(int(value) for name, _, value in lines if name == b"content-length") - len(body)
        while left > 0:
            left -= len(client.recv(65536))
        client.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + stream)


def sdk(url: str) -> openai.OpenAI:
    return openai.OpenAI(api_key="sk-omni-test", base_url=url, max_retries=0)


class TestSdk:
    def test_the_streaming_helper_follows(self) -> None:
        with raw_server(written(MIXED)) as url, sdk(url).responses.stream(model="m", input="hi") as stream:
            kinds = [event.type for event in stream]
            final = stream.get_final_response()
        assert kinds[-1] == "response.completed"
        assert final.output_text == "I will look.And"
        assert [item.type for item in final.output if item.type == "function_call"] == ["function_call"] * 2
        assert final.usage is not None
        assert final.usage.input_tokens_details.cached_tokens == 64

    def test_raw_events_are_typed(self) -> None:
        with raw_server(written(MIXED)) as url:
            events = list(sdk(url).responses.create(model="m", input="hi", stream=True))
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert text == "I will look.And"
        assert events[-1].type == "response.completed"

    def test_a_failure_is_seen(self) -> None:
        writer = Writer(asked())
        stream = writer.write(TextDelta(text="Half")) + writer.fail(Refusal(429, "Slow down.", code="rate_limited"))
        with raw_server(stream) as url:
            events = list(sdk(url).responses.create(model="m", input="hi", stream=True))
        assert events[-1].type == "response.failed"
        assert events[-1].response.error is not None
        assert events[-1].response.error.code == "rate_limit_exceeded"
