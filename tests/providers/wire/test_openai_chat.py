"""OpenAI Chat Completions: what is read of requests, replies and streams, and what is passed on."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from providers.tokens import estimate_chat
from providers.wire import frames
from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.frames import payload
from providers.wire.openai_chat.passed import StreamReader, WholeReply, error_from
from providers.wire.openai_chat.passing import DONE, TYPES, ChatRequest, error_body, error_event, parse
from providers.wire.types import Usage

GOLDEN = Path(__file__).parent.parent.parent / "golden" / "openai_chat"
STREAMS = sorted(path.stem for path in GOLDEN.glob("*.sse"))


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}).encode()


def refused(raw: bytes, operation: str = "chat") -> Refusal:
    with pytest.raises(Refusal) as caught:
        parse(raw, operation)
    assert caught.value.status == 400
    return caught.value


def parsed(raw: bytes, operation: str) -> ChatRequest | None:
    """The request, None when it is refused; anything else that is raised fails the test."""
    try:
        return parse(raw, operation)
    except Refusal:
        return None


# -- requests -----------------------------------------------------------------------------------------------------
class TestParse:
    def test_a_request_is_read_as_far_as_needed(self) -> None:
        read = parse(body(model="acme/large", stream=True, stream_options={"include_usage": True}), "chat")
        assert (read.operation, read.model, read.stream, read.include_usage) == ("chat", "acme/large", True, True)

    @pytest.mark.parametrize(
        ("fields", "stream", "usage"),
        [
            ({}, False, False),
            ({"stream": None}, False, False),
            ({"stream": False}, False, False),
            ({"stream": True, "stream_options": None}, True, False),
            ({"stream": True, "stream_options": {}}, True, False),
            ({"stream": True, "stream_options": {"include_usage": False}}, True, False),
            ({"stream": True, "stream_options": {"include_usage": None}}, True, False),
            ({"stream": True, "stream_options": {"include_obfuscation": False, "include_usage": True}}, True, True),
        ],
    )
    def test_stream_and_usage(self, fields: dict[str, Any], stream: bool, usage: bool) -> None:
        read = parse(body(**fields), "chat")
        assert (read.stream, read.include_usage) == (stream, usage)

    def test_blanks_around_values_do_not_matter(self) -> None:
        raw = b'\n{ "model" : "m" ,\t"stream" : true , "messages":[ {"content":1, "role" : "user"} ] }\n'
        assert parse(raw, "chat").stream

    def test_what_is_newer_than_we_are_passes_untouched(self) -> None:
        new = {"brand_new": {"deep": [1, 2.50, {"x": None}]}, "modalities": ["smell"]}
        fields = parse(body(**new), "chat").fields
        assert json.loads(bytes(fields["brand_new"])) == new["brand_new"]
        message = [{"role": "control", "content": [{"type": "hologram"}], "new": 1}]
        assert json.loads(bytes(parse(body(messages=message), "chat").fields["messages"])) == message

    @pytest.mark.parametrize("name", sorted(TYPES))
    @pytest.mark.parametrize("value", ["text", 1, 1.5, True, {}, []])
    def test_every_wrong_type_is_named(self, name: str, value: Any) -> None:
        kinds = {
            str: "a string",
            int: "an integer",
            float: "a number",
            bool: "a boolean",
            dict: "an object",
            list: "an array",
        }
        kind = kinds[type(value)]
        if kind in TYPES[name] or (kind == "an integer" and "a number" in TYPES[name]):
            assert name in parse(body(**{name: value}), "chat").fields
        else:
            wrong = refused(body(**{name: value}))
            assert wrong.param == name and wrong.code == "invalid_type"
            assert repr(name) in wrong.message and wrong.message.endswith(f"got {kind}.")

    @pytest.mark.parametrize("name", sorted(TYPES))
    def test_null_is_as_good_as_absent(self, name: str) -> None:
        assert not parse(body(**{name: None}), "chat").stream

    @pytest.mark.parametrize("model", [None, "", 1, True, [], {}, ["m"]])
    def test_without_a_model(self, model: Any) -> None:
        assert refused(body(model=model)).param == "model"

    @pytest.mark.parametrize(
        ("messages", "says"),
        [
            (None, "array"),
            ("hi", "array"),
            ({}, "array"),
            ([], "empty array"),
            (["hi"], "$[0]"),
            ([None], "$[0]"),
            ([{}], "role"),
            ([{"role": "user", "content": "x"}, {"content": "x"}], "$[1]"),
            ([{"role": 1}], "role"),
        ],
    )
    def test_bad_messages(self, messages: Any, says: str) -> None:
        wrong = refused(body(messages=messages))
        assert wrong.param == "messages" and says in wrong.message

    def test_the_input_is_required(self) -> None:
        assert refused(b'{"model":"m"}').param == "messages"
        assert refused(b'{"model":"m"}').code == "missing_required_parameter"
        assert refused(b'{"model":"m","messages":[]}', "completions").param == "prompt"

    @pytest.mark.parametrize("prompt", ["hi", ["a", "b"], [1, 2], [[1], [2]], ""])
    def test_prompts(self, prompt: Any) -> None:
        assert parse(json.dumps({"model": "m", "prompt": prompt}).encode(), "completions").model == "m"

    @pytest.mark.parametrize("prompt", [1, {}, True, 1.5])
    def test_no_prompts(self, prompt: Any) -> None:
        assert refused(json.dumps({"model": "m", "prompt": prompt}).encode(), "completions").param == "prompt"

    @pytest.mark.parametrize("raw", [b"[]", b'"x"', b"1", b"null", b"true"])
    def test_no_object(self, raw: bytes) -> None:
        assert refused(raw).message == "The body must be a JSON object."

    @pytest.mark.parametrize(
        "raw",
        [
            b"", b" ", b"{", b"}", b"{'a':1}", b'{"a":1,}',
            b'{"a":NaN}', b'{"a":01}', b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}",
            b'{"a":"\x00"}', b"\x00", b"\x1f\x8b\x08", b'{"model":"m"} x', b'{"a\xff":1}', b'{"\\ud800":1}',
            b'{"a":' + b"[" * 200_000, b'{"a":' * 200_000, b"[" * 200_000 + b"]" * 200_000,
        ],
    )  # fmt: skip
    def test_no_json(self, raw: bytes) -> None:
        assert refused(raw).code in ("invalid_json", None)

    @pytest.mark.parametrize(
        "raw",
        [
            b'{"model":"\xff","messages":[{"role":"user"}]}',
            b'{"model":"m","messages":[{"role":"\xff"}]}',
            b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}',
            b'{"model":"m","messages":[{"role":"user"}],"stream_options":{"\xff":1}}',
        ],
    )
    def test_bytes_that_are_no_text(self, raw: bytes) -> None:
        assert refused(raw).code == "invalid_json"

    def test_deep_values_where_we_read(self) -> None:
        deep = b'{"role":' * 500 + b"1" + b"}" * 500
        assert refused(b'{"model":"m","messages":[{"role":"user"},' + deep + b"]}").param == "messages"

    def test_the_model_is_decoded(self) -> None:
        assert parse(b'{"model":"a\\u00e9\\/\xf0\x9f\x98\x80","messages":[{"role":"user"}]}', "chat").model == "aé/😀"

    @given(st.binary(max_size=200))
    @example(b'{"model":"m","messages":[{"role":"user"}],"stream_options":{"include_usage":"\\ud800"}}')
    @example(b'{"model":"m","messages":[{"role":"user"}],"stream_options":{"include_usage":true,"x":"\xff"}}')
    @example(b'{"model":"m","messages":[{"role":"user"}],"max_tokens":1e999}')
    def test_no_bytes_do_more_harm_than_a_refusal(self, raw: bytes) -> None:
        for operation in ("chat", "completions"):
            assert parsed(raw, operation) is None or json.loads(raw)["model"]

    @given(
        st.dictionaries(
            st.sampled_from([*TYPES, "model", "messages", "prompt", "other"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
                max_leaves=6,
            ),
        )
    )
    def test_no_values_do_either(self, fields: dict[str, Any]) -> None:
        raw = json.dumps({"model": "m", "messages": [{"role": "user"}], **fields}).encode()
        read = parsed(raw, "chat")
        assert read is None or read.model == fields.get("model", "m")


# -- streams ------------------------------------------------------------------------------------------------------
def read(pieces: bytes | list[bytes], *, pass_usage: bool = True) -> tuple[bytes, StreamReader]:
    reader = StreamReader(pass_usage=pass_usage)
    out = b"".join(reader.feed(piece) for piece in ([pieces] if isinstance(pieces, bytes) else pieces))
    return out + reader.end(), reader


def events(raw: bytes) -> list[bytes]:
    return [event for event in raw.replace(b"\r\n", b"\n").split(b"\n\n") if event and not event.startswith(b":")]


def sse(*data: Any) -> bytes:
    return b"".join(b"data: " + (d if isinstance(d, bytes) else json.dumps(d).encode()) + b"\n\n" for d in data)


def delta(finish: str | None = None, **said: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": said, "finish_reason": finish}]}


def state(reader: StreamReader) -> tuple[Any, ...]:
    failure = (reader.failure.kind, reader.failure.message, reader.failure.code) if reader.failure else None
    return (reader.visible, reader.finished, reader.done, reader.usage, failure, bytes(reader.text))


USAGES = {
    "openai": Usage(input=19, cached=12, output=10, reasoning=4),
    "tool_calls": None,
    "groq": Usage(input=7, output=5),
    "deepseek": Usage(input=100, cached=64, output=30, reasoning=20),
    "mistral_magistral": Usage(input=9, output=12),
    "openrouter": Usage(input=5, cache_write=3, output=2),
    "openrouter_error": None,
    "completions": Usage(input=2, output=2),
    "azure_filter": None,
    "no_done": None,
}


class TestStreams:
    @pytest.mark.parametrize("name", STREAMS)
    def test_golden_streams_pass_byte_for_byte(self, name: str) -> None:
        raw = (GOLDEN / f"{name}.sse").read_bytes()
        out, reader = read(raw)
        assert reader.usage == USAGES[name] and reader.visible
        if name == "openrouter_error":
            assert events(out) == events(raw)[:-1] and not reader.done
            assert reader.failure is not None and reader.failure.message == "Provider disconnected"
            assert reader.failure.code == "502"
            return
        assert reader.failure is None and reader.finished and reader.done
        assert events(out) == events(raw) + ([DONE.strip()] if name == "no_done" else [])
        assert out.endswith(b"data: [DONE]\n\n") and out.count(b"[DONE]") == 1

    @pytest.mark.parametrize("name", ["openai", "completions"])
    def test_the_usage_chunk_is_withheld_from_those_who_did_not_ask(self, name: str) -> None:
        raw = (GOLDEN / f"{name}.sse").read_bytes()
        out, reader = read(raw, pass_usage=False)
        assert reader.usage == USAGES[name]
        assert events(out) == [event for event in events(raw) if b'"choices":[]' not in event]

    @pytest.mark.parametrize("name", sorted(set(STREAMS) - {"openai", "completions", "no_done", "openrouter_error"}))
    def test_nothing_else_is_withheld(self, name: str) -> None:
        raw = (GOLDEN / f"{name}.sse").read_bytes()
        assert events(read(raw, pass_usage=False)[0]) == events(raw)

    @given(st.sampled_from(STREAMS), st.lists(st.integers(0, 5000), max_size=8), st.booleans())
    def test_cutting_changes_nothing(self, name: str, places: list[int], pass_usage: bool) -> None:
        raw = (GOLDEN / f"{name}.sse").read_bytes()
        edges = [0, *sorted({place % len(raw) for place in places}), len(raw)]
        pieces = [raw[a:b] for a, b in pairwise(edges)]
        out, whole = read(raw, pass_usage=pass_usage)
        cut, reader = read(pieces, pass_usage=pass_usage)
        assert cut == out and state(reader) == state(whole)

    @pytest.mark.parametrize("name", STREAMS)
    def test_byte_by_byte(self, name: str) -> None:
        raw = (GOLDEN / f"{name}.sse").read_bytes()
        out, whole = read(raw)
        cut, reader = read([raw[i : i + 1] for i in range(len(raw))])
        assert cut == out and state(reader) == state(whole)

    @pytest.mark.parametrize("name", sorted(set(STREAMS) - {"openrouter_error"}))
    def test_a_stream_that_is_cut_never_ends_well(self, name: str) -> None:
        """At every place before the finish reason, and never with [DONE]; nothing is passed on in part."""
        raw = (GOLDEN / f"{name}.sse").read_bytes()
        whole = events(raw)
        for place in range(raw.index(b'_reason":"')):
            out, reader = read(raw[:place])
            assert reader.failure is not None and reader.failure.kind is Kind.PROTOCOL
            assert not reader.done and b"[DONE]" not in out
            assert events(out) == whole[: len(events(out))]

    @given(st.binary(max_size=300), st.booleans())
    @example(b'data: {"usage":{"prompt_tokens_details":{"\xff":1}}}\n\n', True)
    @example(b'data: {"error":{"message":"\xff"}}\n\n', True)
    @example(b'event: error\ndata: {"message":"\\ud800"}\n\n', True)
    @example(b"data: " + b"[" * 50_000 + b"\n\n", True)
    def test_garbage_is_a_failure_and_nothing_else(self, raw: bytes, pass_usage: bool) -> None:
        out, reader = read(raw, pass_usage=pass_usage)
        assert reader.failure is not None and not reader.done and b"[DONE]" not in out


class TestWhatIsSeen:
    @pytest.mark.parametrize(
        ("said", "visible"),
        [
            ({"role": "assistant"}, False),
            ({"role": "assistant", "content": ""}, False),
            ({"content": None, "tool_calls": []}, False),
            ({"content": "x"}, True),
            ({"content": [{"type": "text", "text": "x"}]}, True),
            ({"reasoning_content": "x"}, True),
            ({"reasoning": "x"}, True),
            ({"refusal": "no"}, True),
            ({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]}, True),
            ({"function_call": {"name": "f"}}, True),
            ({"audio": {"data": "AAAA"}}, True),
        ],
    )
    def test_visible(self, said: dict[str, Any], visible: bool) -> None:
        reader = StreamReader(pass_usage=False)
        reader.feed(sse(delta(**said)))
        assert reader.visible is visible and not reader.finished

    @pytest.mark.parametrize("choice", [{"text": "x"}, {"message": {"content": "x"}}])
    def test_visible_elsewhere(self, choice: dict[str, Any]) -> None:
        reader = StreamReader(pass_usage=False)
        reader.feed(sse({"choices": [choice]}))
        assert reader.visible

    def test_an_empty_finish_reason_is_none(self) -> None:
        """Some vendors send "" with every chunk until there is a reason."""
        reader = StreamReader(pass_usage=False)
        reader.feed(sse(delta("", role="assistant")))
        assert not reader.finished and not reader.visible
        reader.feed(sse(delta("", content="x")))
        assert reader.visible and not reader.finished
        reader.feed(sse(delta("stop")))
        assert reader.finished

    def test_finish_reason_and_usage_in_one_chunk(self) -> None:
        usage = {"prompt_tokens": 3, "completion_tokens": 2}
        raw = sse(delta(content="x"), {**delta("stop"), "usage": usage}, b"[DONE]")
        out, reader = read(raw, pass_usage=False)
        assert out == raw and reader.usage == Usage(input=3, output=2) and reader.failure is None

    def test_the_last_usage_counts_and_zeros_do_not(self) -> None:
        def count(n: int) -> dict[str, Any]:
            return {**delta(content="x"), "usage": {"prompt_tokens": n, "completion_tokens": n}}

        _, reader = read(sse(count(0), count(1), count(2), {**delta("stop"), "usage": {"prompt_tokens": 0}}, b"[DONE]"))
        assert reader.usage == Usage(input=2, output=2)
        _, silent = read(sse(count(0), delta("stop"), b"[DONE]"))
        assert silent.usage is None

    @pytest.mark.parametrize("usage", [None, [], "none", 5, {"prompt_tokens": "many"}, {"prompt_tokens": -1}])
    def test_strange_usage_is_no_failure(self, usage: Any) -> None:
        raw = sse({**delta("stop", content="x"), "usage": usage}, b"[DONE]")
        out, reader = read(raw)
        assert out == raw and reader.usage is None and reader.failure is None

    def test_half_a_surrogate_pair_passes(self) -> None:
        raw = sse(delta(content="\ud83d"), delta(content="\ude00"), delta("stop"), b"[DONE]")
        out, reader = read(raw)
        assert out == raw and reader.failure is None

    def test_done_may_have_blanks_and_ends_everything(self) -> None:
        out, reader = read(sse(delta("stop", content="x"), b" [DONE] ", delta(content="more")))
        assert reader.done and reader.failure is None and b"more" not in out
        assert reader.feed(sse(delta(content="more"))) == b"" and reader.end() == b""

    def test_an_event_name_is_passed_on(self) -> None:
        raw = b"event: message\nid: 3\n" + sse(delta("stop", content="x")) + DONE
        assert read(raw)[0] == raw

    def test_an_event_in_lines(self) -> None:
        raw = b'data: {"choices":[{"delta":{"content":"x"},\ndata: "finish_reason":"stop"}]}\n\n' + DONE
        out, reader = read(raw)
        assert out == raw and reader.finished

    def test_only_so_much_text_is_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("providers.wire.openai_chat.passed.MAX_KEPT_TEXT", 100)
        _, reader = read(sse(*[delta(content="0123456789")] * 50, delta("stop"), b"[DONE]"))
        assert 100 <= len(reader.text) < 120

    def test_the_sample_can_be_counted(self) -> None:
        """Text with quotes, content in parts, and tool calls: one valid reply, of the generated words alone."""
        call = {"index": 0, "id": "c", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
        part = {"type": "thinking", "thinking": [{"type": "text", "text": 'a "b"\n'}]}
        _, reader = read(
            sse(delta(content=[part]), delta(content='x"y\\'), delta(tool_calls=[call]), delta("stop"), b"[DONE]")
        )
        said = msgspec.json.decode(reader.sample())["choices"][0]["message"]["content"]
        assert said == 'a "b"\nx"y\\weather{"city": "Oslo"}'
        assert estimate_chat(b'{"messages":[]}', reader.sample()).output > 5

    def test_nothing_said_no_sample(self) -> None:
        assert read(sse(delta("stop"), b"[DONE]"))[1].sample() == b""


ERROR = {"error": {"message": "Boom", "type": "server_error", "param": "p", "code": "c"}}


class TestFailures:
    @pytest.mark.parametrize(
        "raw",
        [
            sse(ERROR),
            sse({**ERROR, "choices": []}),
            b"event: error\n" + sse(ERROR),
            b"event:error\n" + sse(ERROR["error"]),
            b"id: 1\nevent: error\n" + sse(ERROR["error"]),
            b": ping\nevent: error\n" + sse(ERROR),
            json.dumps(ERROR).encode(),
            json.dumps(ERROR, indent=2).encode(),
            b"\n\n  " + json.dumps(ERROR).encode(),
            b"[" + json.dumps(ERROR).encode() + b"]",
        ],
    )
    def test_errors_at_once(self, raw: bytes) -> None:
        out, reader = read(raw)
        assert out == b"" and reader.failure is not None and not reader.visible
        said = reader.failure
        assert (said.message, said.type, said.param, said.code) == ("Boom", "server_error", "p", "c")

    @pytest.mark.parametrize("raw", [sse(ERROR), b"event: error\n" + sse(ERROR), b"event: error\n\n"])
    def test_errors_in_the_middle(self, raw: bytes) -> None:
        first = sse(delta(content="x"))
        out, reader = read(first + raw + sse(delta("stop")) + DONE)
        assert out == first and reader.visible and reader.failure is not None and not reader.finished

    @pytest.mark.parametrize(
        ("raw", "says"),
        [
            (b"", "without an answer"),
            (b": ping\n\n: ping\n\n", "without an answer"),
            (b"<!DOCTYPE html>\n\n<html>x</html>", "web page"),
            (b"\n\n <html>", "web page"),
            (b"data: <html>\n\n", "web page"),
            (b"data: what?\n\n", "not a valid reply"),
            (b"data: {\n\n", "not a valid reply"),
            (b'{"id":"x","choices":[{"message":{"content":"whole"}}]}', "not a valid reply"),
            (b"Bad gateway", "without an answer"),
            (DONE, "without a finish reason"),
            (sse(delta(role="assistant"), b"[DONE]"), "without a finish reason"),
            (sse(delta(content="x"), b"[DONE]"), "without a finish reason"),
            (sse(delta(content="x")), "ended early"),
            (sse(delta(content="x")) + b'data: {"choices":[{"del', "ended early"),
        ],
    )
    def test_no_answers(self, raw: bytes, says: str) -> None:
        out, reader = read(raw)
        assert reader.failure is not None and reader.failure.kind is Kind.PROTOCOL
        assert says in reader.failure.message and not reader.done and b"[DONE]" not in out

    def test_an_endless_event(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(frames, "MAX_FRAME", 1000)
        reader = StreamReader(pass_usage=False)
        assert reader.feed(b"data: " + b"x" * 2000) == b""
        assert reader.failure is not None and "longer than" in reader.failure.message
        assert reader.feed(sse(delta("stop"))) == b""


# -- whole replies ------------------------------------------------------------------------------------------------
class TestWholeReply:
    @pytest.mark.parametrize(
        ("name", "usage"),
        [
            ("openai", Usage(input=19, cached=12, output=10, reasoning=4)),
            ("completions", Usage(input=5, output=7)),
            ("ollama_no_usage", None),
        ],
    )
    def test_golden_replies(self, name: str, usage: Usage | None) -> None:
        raw = (GOLDEN / f"{name}.json").read_bytes()
        reply = WholeReply(raw)
        assert reply.body == raw and reply.usage == usage

    @pytest.mark.parametrize(
        ("raw", "kind", "says"),
        [
            (b"", Kind.PROTOCOL, "empty reply"),
            (b"  \n", Kind.PROTOCOL, "empty reply"),
            (b"<html></html>", Kind.PROTOCOL, "web page"),
            (b"OK", Kind.PROTOCOL, "not a valid reply"),
            (b"null", Kind.PROTOCOL, "not a valid reply"),
            (b"{}", Kind.PROTOCOL, "no choices"),
            (b'{"choices":[]}', Kind.PROTOCOL, "no choices"),
            (b'{"choices":null}', Kind.PROTOCOL, "no choices"),
            (b'{"choices":"x"}', Kind.PROTOCOL, "not a valid reply"),
            (b'{"choices":[1]}', Kind.PROTOCOL, "not a valid reply"),
            (b"{" * 100_000, Kind.PROTOCOL, "not a valid reply"),
            (b'{"message":"Boom"}', Kind.SERVER, "Boom"),
            (b'[{"error":{"message":"Boom"}}]', Kind.SERVER, "Boom"),
            (json.dumps(ERROR).encode(), Kind.SERVER, "Boom"),
            (b'{"error":"Boom","choices":[{"text":"x"}]}', Kind.SERVER, "Boom"),
            (b'{"error":{"a":1},"choices":[{"text":"x"}]}', Kind.SERVER, "reported an error"),
            (b'{"error":7,"choices":[{"text":"x"}]}', Kind.SERVER, "reported an error"),
        ],
    )
    def test_no_replies(self, raw: bytes, kind: Kind, says: str) -> None:
        with pytest.raises(UpstreamFailure) as caught:
            WholeReply(raw)
        assert caught.value.kind is kind and says in caught.value.message

    @pytest.mark.parametrize("error", [b"null", b"{}", b'""', b"[]"])
    def test_an_empty_error_is_none(self, error: bytes) -> None:
        WholeReply(b'{"error":' + error + b',"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}')

    def test_half_a_surrogate_pair_passes(self) -> None:
        raw = b'{"choices":[{"message":{"content":"\\ud83d"},"finish_reason":"stop"}]}'
        assert WholeReply(raw).body == raw

    @given(st.binary(max_size=200))
    @example(b'{"choices":[{}],"usage":{"\xff":1}}')
    @example(b'{"choices":[{}],"x_groq":{"usage":{"prompt_tokens":1}}}')
    def test_no_bytes_do_more_harm_than_a_failure(self, raw: bytes) -> None:
        with contextlib.suppress(UpstreamFailure):
            assert WholeReply(raw).body == raw


# -- errors -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"error": {"message": "m", "type": "t", "param": "p", "code": "c"}}, ("m", "t", "p", "c")),
        ({"error": {"message": "m", "code": 429, "param": None}}, ("m", None, None, "429")),
        ({"error": "m"}, ("m", None, None, None)),
        ({"code": "no-access", "error": "m"}, ("m", None, None, "no-access")),
        ({"error": True, "message": "m"}, ("m", None, None, None)),
        ({"error": "", "message": "m"}, ("m", None, None, None)),
        ({"object": "error", "message": "m", "type": "t", "code": "1500"}, ("m", "t", None, "1500")),
        ({"detail": "m"}, ("m", None, None, None)),
        ({"msg": "m", "code": 1}, ("m", None, None, "1")),
        ({"detail": [{"loc": ["body"], "msg": "m"}]}, ('[{"loc": ["body"], "msg": "m"}]', None, None, None)),
        ({"message": {"detail": ["m"]}}, ('{"detail": ["m"]}', None, None, None)),
        ([{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}], ("m", None, None, "400")),
        ({"error": {}}, ("The provider reported an error.", None, None, None)),
    ],
)  # fmt: skip
def test_error_envelopes(raw: Any, said: tuple[str | None, ...]) -> None:
    failure = error_from(json.dumps(raw).encode(), 400)
    assert failure is not None and failure.status == 400
    assert (failure.message, failure.type, failure.param, failure.code) == said


@pytest.mark.parametrize(
    "raw", [b"", b"x", b"{}", b"[]", b"[1]", b"null", b'{"choices":[],"message":"x"}', b'{"error":null}']
)
def test_no_error_envelopes(raw: bytes) -> None:
    assert error_from(raw) is None


@given(st.binary(max_size=100))
@example(b'{"error":{"message":"\xff"}}')
@example(b'{"error":{"message":{"a":"\xff"}}}')
@example(b'{"error":{"message":"\\ud800"}}')
def test_reading_an_error_never_fails(raw: bytes) -> None:
    failure = error_from(raw)
    assert failure is None or isinstance(failure.message, str)


def test_errors_to_clients() -> None:
    envelope = {"error": {"message": 'a "b"\n\u2028', "type": "t", "param": None, "code": "c"}}
    assert json.loads(error_body('a "b"\n\u2028', "t", "c", None)) == envelope
    event = error_event('a "b"\n\u2028', "t", "c", None)
    assert event.endswith(b"}\n\n") and json.loads(payload(event.strip())) == envelope


def test_a_reader_shares_nothing() -> None:
    one, two = StreamReader(pass_usage=True), StreamReader(pass_usage=True)
    one.feed(b"data: half")
    assert two.end() == b"" and bytes(two.text) == b"" and dataclasses.fields(one)
