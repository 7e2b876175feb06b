"""The body that goes upstream: what must differ from the client's, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.body import dump
from providers.quirks import RequestRules
from providers.wire.openai_chat.passing import parse
from providers.wire.traits import Traits

PLAIN = RequestRules()


def raw(*fields: str, stream: bool = False) -> bytes:
    usual = ['"model":"acme/large"', '"messages":[{"role":"user","content":"hi"}]']
    return ("{" + ",".join([*usual, *(['"stream":true'] if stream else []), *fields]) + "}").encode()


def sent(body: bytes, rules: RequestRules = PLAIN, **traits: Any) -> dict[str, Any]:
    return json.loads(dump(parse(body, "chat"), "large", rules, Traits(**traits))[0])


@pytest.mark.parametrize("model", ["large", 'odd "name"/é', "org/model:free"])
def test_the_model_is_the_providers_name(model: str) -> None:
    body, dropped, _ = dump(parse(raw(), "chat"), model, PLAIN)
    assert json.loads(body) == {"model": model, "messages": [{"role": "user", "content": "hi"}]} and dropped == ()


@pytest.mark.parametrize(
    "value",
    [
        "1.0", "1e5", "1E+05", "-0", "-0.0", "123456789012345678901234567890", "0.1000", "1e999",
        '"\\u00e9\\ud83d\\ude00 \\/ \\n"', '"☃\u2028"',
        "[ 1 ,\t2.0 ]", '{"b":1,\n "a" : 1.50}', "null", '{"a":1,"a":2}',
    ],
)  # fmt: skip
def test_other_values_are_the_clients_bytes(value: str) -> None:
    body, *_ = dump(parse(raw(f'"other":{value}'), "chat"), "large", PLAIN)
    assert f'"other":{value}'.encode() in body


def test_the_request_itself_is_left_as_it_was() -> None:
    request = parse(raw('"seed":1', '"temperature":9', stream=True), "chat")
    before = dict(request.fields)
    rules = RequestRules(drop=frozenset({"seed"}), clamp={"temperature": (0, 1)}, default={"top_p": 1})
    first = dump(request, "one", rules)
    assert request.fields == before and dump(request, "one", rules) == first


class TestRules:
    def test_drop_tells_what_was_dropped(self) -> None:
        rules = RequestRules(drop=frozenset({"logprobs", "seed", "user"}))
        body, dropped, _ = dump(parse(raw('"seed":1', '"logprobs":true'), "chat"), "large", rules)
        assert dropped == ("seed", "logprobs") and set(json.loads(body)) == {"model", "messages"}

    def test_rename(self) -> None:
        rules = RequestRules(rename={"max_completion_tokens": "max_tokens"})
        assert sent(raw('"max_completion_tokens":5'), rules)["max_tokens"] == 5
        both = sent(raw('"max_completion_tokens":5', '"max_tokens":7'), rules)
        assert both["max_tokens"] == 7 and "max_completion_tokens" not in both

    def test_default_only_where_nothing_was_said(self) -> None:
        rules = RequestRules(default={"max_tokens": 4096, "response_format": {"type": "text"}})
        assert sent(raw(), rules)["max_tokens"] == 4096 and sent(raw(), rules)["response_format"] == {"type": "text"}
        assert sent(raw('"max_tokens":3'), rules)["max_tokens"] == 3
        assert sent(raw('"max_tokens":null'), rules)["max_tokens"] is None
        assert sent(raw('"user":""'), RequestRules(default={"user": "somebody"}))["user"] == "somebody"

    def test_default_after_rename(self) -> None:
        rules = RequestRules(rename={"max_completion_tokens": "max_tokens"}, default={"max_tokens": 1})
        assert sent(raw('"max_completion_tokens":5'), rules)["max_tokens"] == 5

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("0.50", "0.50"), ("1.0", "1.0"), ("1e0", "1e0"), ("2", "1"), ("1.01", "1"), ("-1", "0"),
            ("1e999", "1"), ("-1e999", "0"),
            ("9" * 400, "1"), ("null", "null"),
            ('"hot"', '"hot"'), ("[2]", "[2]"), ("true", "true"), ('"\\u00e9"', '"\\u00e9"'),
        ],
    )  # fmt: skip
    def test_clamp(self, value: str, expected: str) -> None:
        # A field whose type we do not check: whatever was written must come through.
        rules = RequestRules(clamp={"top_k": (0, 1)})
        body, *_ = dump(parse(raw(f'"top_k":{value}'), "chat"), "large", rules)
        assert f'"top_k":{expected}}}'.encode() in body

    def test_clamp_is_no_default(self) -> None:
        assert "top_p" not in sent(raw(), RequestRules(clamp={"top_p": (0, 1)}))


class TestUsage:
    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ([], {"include_usage": True}),
            (['"stream_options":null'], {"include_usage": True}),
            (['"stream_options":{}'], {"include_usage": True}),
            (['"stream_options":{"include_usage":false}'], {"include_usage": True}),
            (
                ['"stream_options":{"include_obfuscation":false,"x":1.50}'],
                {"include_obfuscation": False, "x": 1.5, "include_usage": True},
            ),
        ],
    )
    def test_streams_ask_for_usage(self, fields: list[str], expected: dict[str, Any]) -> None:
        assert sent(raw(*fields, stream=True))["stream_options"] == expected

    def test_other_options_are_the_clients_bytes(self) -> None:
        request = parse(raw('"stream_options":{"x": 1.50e0}', stream=True), "chat")
        assert b'"stream_options":{"x":1.50e0,"include_usage":true}' in dump(request, "m", PLAIN)[0]

    def test_not_of_those_who_do_not_know_it(self) -> None:
        body = raw('"stream_options":{"include_usage":true}', stream=True)
        assert "stream_options" not in sent(body, stream_usage=False)

    def test_not_without_a_stream(self) -> None:
        assert "stream_options" not in sent(raw('"stream_options":{"include_usage":true}'))


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.text(st.characters(codec="utf-8"), max_size=8).map("x_".__add__)


@given(st.dictionaries(NAMES, VALUES, max_size=5), st.booleans())
def test_whatever_is_said_arrives(fields: dict[str, Any], ascii_only: bool) -> None:
    said = {"model": "a/b", "messages": [{"role": "user"}], **fields}
    arrived = sent(json.dumps(said, ensure_ascii=ascii_only).encode())
    assert arrived == {**said, "model": "large"}


def test_earlier_thinking_goes_only_to_those_who_take_it() -> None:
    messages = b'[{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_content":"c","odd":1.0}]'
    request = parse(b'{"model":"m","messages":' + messages + b"}", "chat")
    kept, *_ = dump(request, "m", RequestRules(), Traits(reasoning_in=True))
    assert messages in kept
    sent, *_ = dump(request, "m", RequestRules(), Traits())
    assert b"reasoning_content" not in sent
    assert b'"content":"b","odd":1.0' in sent
