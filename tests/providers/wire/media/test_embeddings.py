"""Embeddings: what clients may write, how each dialect says it, and what comes back."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.media.embeddings import Embeddings, parse, parse_gemini
from providers.wire.media.job import Dialect
from providers.wire.types import Usage

OPENAI, GEMINI, COHERE = Dialect.OPENAI, Dialect.GEMINI, Dialect.COHERE


def asked(given: Any = "hello", **fields: Any) -> Embeddings:
    return parse(json.dumps({"model": "m", "input": given, **fields}).encode())


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def openai_reply(*vectors: Any, **more: Any) -> bytes:
    data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    return json.dumps({"object": "list", "data": data, "model": "up", **more}).encode()


def sent(job: Embeddings, dialect: Dialect, model: str = "up") -> Any:
    [body] = job.dump(dialect, model).bodies
    return json.loads(body)


# -- clients ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "texts", "tokens"),
    [
        ("hello", ("hello",), ()),
        (["a", "b"], ("a", "b"), ()),
        ([1, 2, 3], (), ((1, 2, 3),)),
        ([[1, 2], [3]], (), ((1, 2), (3,))),
    ],
)
def test_every_form_of_input_is_read(given: Any, texts: Any, tokens: Any) -> None:
    job = asked(given)
    assert (job.texts, job.tokens) == (texts, tokens)


BAD = {
    "no model": ({"input": "x"}, "model"),
    "model is a number": ({"model": 1, "input": "x"}, "model"),
    "no input": ({"model": "m"}, "input"),
    "input is null": ({"model": "m", "input": None}, "input"),
    "input is a number": ({"model": "m", "input": 5}, "input"),
    "input is empty": ({"model": "m", "input": []}, "input"),
    "mixed texts": ({"model": "m", "input": ["a", 1]}, "input[1]"),
    "a switch among tokens": ({"model": "m", "input": [1, True]}, "input[1]"),
    "a fraction among tokens": ({"model": "m", "input": [[1], [1.5]]}, "input[1][0]"),
    "an empty token array": ({"model": "m", "input": [[1], []]}, "input[1]"),
    "an object": ({"model": "m", "input": [{"text": "x"}]}, "input[0]"),
    "odd encoding": ({"model": "m", "input": "x", "encoding_format": "int8"}, "encoding_format"),
    "encoding is a number": ({"model": "m", "input": "x", "encoding_format": 1}, "encoding_format"),
    "dimensions is text": ({"model": "m", "input": "x", "dimensions": "256"}, "dimensions"),
    "no dimensions": ({"model": "m", "input": "x", "dimensions": 0}, "dimensions"),
    "user is a number": ({"model": "m", "input": "x", "user": 5}, "user"),
}


@pytest.mark.parametrize(("body", "param"), BAD.values(), ids=BAD.keys())
def test_a_wrong_field_is_named(body: Any, param: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse(json.dumps(body).encode())
    assert (refused.value.status, refused.value.param) == (400, param)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(given=JSON, dimensions=JSON, encoding=JSON)
def test_any_json_is_read_or_refused(given: Any, dimensions: Any, encoding: Any) -> None:
    body = json.dumps({"model": "m", "input": given, "dimensions": dimensions, "encoding_format": encoding}).encode()
    try:
        job = parse(body)
    except Refusal:
        return
    assert job.count > 0


@given(st.binary(max_size=60))
def test_any_bytes_are_refused(body: bytes) -> None:
    for read in (parse, lambda raw: parse_gemini(raw, "m")):
        with pytest.raises(Refusal):
            read(body)


# -- OpenAI upstreams -------------------------------------------------------------------------------------------------
def test_the_clients_own_body_goes_to_its_own_dialect() -> None:
    job = asked(["a"], encoding_format="base64", dimensions=4, user="u", odd={"x": [1]})
    assert sent(job, OPENAI) == {
        "model": "up", "input": ["a"], "encoding_format": "base64", "dimensions": 4, "user": "u", "odd": {"x": [1]},
    }  # fmt: skip


@pytest.mark.parametrize(("encoding", "vector"), [("float", [0.5, 1]), ("base64", packed(0.5, 1)), (None, [0.5])])
def test_a_reply_in_the_right_encoding_passes_untouched(encoding: str | None, vector: Any) -> None:
    body = openai_reply(vector, usage={"prompt_tokens": 3, "total_tokens": 3}, extra={"kept": 1})
    answer = asked(**({"encoding_format": encoding} if encoding else {})).read(OPENAI, [body], "application/json")
    assert answer.body is body
    assert answer.usage == Usage(input=3)


def test_floats_become_the_base64_that_was_asked_for() -> None:
    body = openai_reply([0.5, -2], [1, 0], usage={"prompt_tokens": 3})
    answer = asked(["a", "b"], encoding_format="base64").read(OPENAI, [body], "")
    reply = json.loads(answer.body)
    assert [item["embedding"] for item in reply["data"]] == [packed(0.5, -2), packed(1, 0)]
    assert reply["model"] == "up"
    assert reply["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


def test_base64_becomes_the_numbers_that_were_asked_for() -> None:
    reply = json.loads(asked().read(OPENAI, [openai_reply(packed(0.5, -2))], "").body)
    assert reply["data"] == [{"object": "embedding", "index": 0, "embedding": [0.5, -2]}]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40))
def test_numbers_survive_base64(numbers: list[float]) -> None:
    there = json.loads(asked(encoding_format="base64").read(OPENAI, [openai_reply(numbers)], "").body)
    back = json.loads(asked().read(OPENAI, [openai_reply(there["data"][0]["embedding"])], "").body)
    assert back["data"][0]["embedding"] == numbers


def test_embeddings_that_come_in_another_order_are_put_in_theirs_when_written_anew() -> None:
    items = [{"index": 1, "embedding": packed(1)}, {"index": 0, "embedding": packed(2)}]
    answer = asked(["a", "b"]).read(OPENAI, [json.dumps({"data": items}).encode()], "")
    assert [item["embedding"] for item in json.loads(answer.body)["data"]] == [[2], [1]]


BAD_REPLIES = {
    "nothing": (b"", Kind.PROTOCOL, "empty"),
    "a page": (b"<html>", Kind.PROTOCOL, "web page"),
    "broken": (b'{"data": [', Kind.PROTOCOL, "not a valid reply"),
    "an array": (b"[]", Kind.PROTOCOL, "not a valid reply"),
    "no data": (b'{"object": "list"}', Kind.PROTOCOL, "no data"),
    "too few": (b'{"data": []}', Kind.PROTOCOL, "0 embeddings for 1 input"),
    "too many": (openai_reply([1], [2]), Kind.PROTOCOL, "2 embeddings for 1 input"),
    "no objects": (b'{"data": [7]}', Kind.PROTOCOL, "not what they should be"),
    "an odd index": (b'{"data": [{"index": "a", "embedding": [1]}]}', Kind.PROTOCOL, "not what they should be"),
    "no vector": (b'{"data": [{"index": 0}]}', Kind.PROTOCOL, "without numbers"),
    "an empty vector": (b'{"data": [{"index": 0, "embedding": []}]}', Kind.PROTOCOL, "without numbers"),
    "no base64": (openai_reply("!!"), Kind.PROTOCOL, "not base64"),
    "base64 of a part": (openai_reply("AAAA"), Kind.PROTOCOL, "not base64"),
    "an error": (b'{"error": {"message": "Too hot.", "code": "overloaded_error"}}', Kind.SERVER, "Too hot."),
    "an error in words": (b'{"message": "no such thing"}', Kind.SERVER, "no such thing"),
}


@pytest.mark.parametrize(("body", "kind", "words"), BAD_REPLIES.values(), ids=BAD_REPLIES.keys())
def test_what_is_no_reply_is_a_failure(body: bytes, kind: Kind, words: str) -> None:
    job = asked(encoding_format="float" if b"!!" in body or b"AAAA" in body else "base64")
    with pytest.raises(UpstreamFailure) as failed:
        job.read(OPENAI, [body], "application/json")
    assert failed.value.kind == kind
    assert words in failed.value.message


def test_words_in_a_vector_are_a_failure() -> None:
    with pytest.raises(UpstreamFailure, match="not made of numbers"):
        asked(encoding_format="base64").read(OPENAI, [openai_reply(["a"])], "")


@given(st.binary(max_size=80))
def test_any_reply_is_read_or_fails(body: bytes) -> None:
    for dialect in Dialect:
        with pytest.raises(UpstreamFailure):
            asked().read(dialect, [body], "application/json")


# -- Gemini and Cohere upstreams --------------------------------------------------------------------------------------
def test_gemini_is_asked_in_its_own_words() -> None:
    job = asked(["a", "b"], dimensions=256, input_type="query", user="u")
    common = {"model": "models/up", "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 256}
    assert sent(job, GEMINI) == {
        "requests": [{**common, "content": {"parts": [{"text": text}]}} for text in ("a", "b")]
    }
    assert job.dump(GEMINI, "up").dropped == ("user",)


@pytest.mark.parametrize("dialect", [GEMINI, COHERE])
def test_what_a_vendor_cannot_be_told_is_named_as_a_header_may_name_it(dialect: Dialect) -> None:
    job = asked("a", input_type="odd", user="u", nothing=None, **{"a\r\nb": 1})
    assert job.dump(dialect, "up").dropped == ("input_type", "user", "unknown")


def test_cohere_knows_no_titles_and_fewer_purposes() -> None:
    body = {"content": {"parts": [{"text": "a"}]}, "taskType": "SEMANTIC_SIMILARITY", "title": "t"}
    said = parse_gemini(json.dumps(body).encode(), "m").dump(COHERE, "up")
    assert said.dropped == ("title", "taskType")
    assert json.loads(said.bodies[0])["input_type"] == "search_document"


def test_geminis_vectors_become_openais() -> None:
    body = json.dumps({"embeddings": [{"values": [0.5]}, {"values": [1.5]}]}).encode()
    answer = asked(["a", "b"]).read(GEMINI, [body], "")
    assert answer.usage is None
    assert json.loads(answer.body) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5]},
            {"object": "embedding", "index": 1, "embedding": [1.5]},
        ],
        "model": "m",
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
    }


@pytest.mark.parametrize(
    ("said", "input_type"),
    [({}, "search_document"), ({"input_type": "query"}, "search_query"), ({"input_type": "clustering"}, "clustering")],
)
def test_cohere_is_asked_in_its_own_words(said: dict[str, str], input_type: str) -> None:
    assert sent(asked("a", dimensions=256, **said), COHERE) == {
        "model": "up",
        "texts": ["a"],
        "input_type": input_type,
        "embedding_types": ["float"],
        "output_dimension": 256,
    }


def test_coheres_vectors_and_bill_become_openais() -> None:
    body = json.dumps(
        {
            "id": "x",
            "embeddings": {"float": [[0.5, 1]]},
            "texts": ["a"],
            "meta": {"billed_units": {"input_tokens": 4.0}},
        }
    ).encode()
    answer = asked("a", encoding_format="base64").read(COHERE, [body], "")
    assert answer.usage == Usage(input=4)
    reply = json.loads(answer.body)
    assert reply["data"][0]["embedding"] == packed(0.5, 1)
    assert reply["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


@pytest.mark.parametrize(("dialect", "at_once"), [(GEMINI, 100), (COHERE, 96)])
def test_more_inputs_than_a_vendor_takes_are_asked_in_groups(dialect: Dialect, at_once: int) -> None:
    job = asked([str(n) for n in range(at_once * 2 + 1)])
    bodies = job.dump(dialect, "up").bodies
    sizes = [len(json.loads(body).get("requests") or json.loads(body)["texts"]) for body in bodies]
    assert sizes == [at_once, at_once, 1]
    start, replies = 0, []
    for size in sizes:
        vectors = [[float(start + n)] for n in range(size)]
        start += size
        replies.append(
            {"embeddings": [{"values": v} for v in vectors], "usageMetadata": {"promptTokenCount": size}}
            if dialect is GEMINI
            else {"embeddings": {"float": vectors}, "meta": {"billed_units": {"input_tokens": size}}}
        )
    answer = job.read(dialect, [json.dumps(reply).encode() for reply in replies], "")
    assert [item["embedding"] for item in json.loads(answer.body)["data"]] == [[float(n)] for n in range(start)]
    assert answer.usage == Usage(input=start)


@pytest.mark.parametrize("dialect", [GEMINI, COHERE])
def test_tokens_go_only_where_they_are_understood(dialect: Dialect) -> None:
    refusal = asked([1, 2]).objection(dialect)
    assert refusal is not None
    assert (refusal.status, refusal.param) == (400, "input")
    assert asked("text").objection(dialect) is None
    assert asked([1, 2]).objection(OPENAI) is None


# -- Gemini's clients -------------------------------------------------------------------------------------------------
ONE = {"content": {"parts": [{"text": "a"}, {"text": "b"}]}, "taskType": "CLUSTERING", "outputDimensionality": 8}


def test_a_gemini_client_may_ask_any_upstream() -> None:
    job = parse_gemini(json.dumps(ONE).encode(), "m")
    assert sent(job, OPENAI) == {"model": "up", "input": ["a\nb"], "encoding_format": "float", "dimensions": 8}
    assert job.dump(OPENAI, "up").dropped == ("taskType",)
    assert sent(job, COHERE)["input_type"] == "clustering"
    assert sent(job, GEMINI)["requests"][0]["taskType"] == "CLUSTERING"
    assert json.loads(job.read(OPENAI, [openai_reply([0.5])], "").body) == {"embedding": {"values": [0.5]}}


def test_a_gemini_batch_is_answered_in_its_shape() -> None:
    body = {"requests": [{"model": "models/m", "content": {"parts": [{"text": text}]}} for text in "ab"]}
    job = parse_gemini(json.dumps(body).encode(), "m")
    assert job.texts == ("a", "b")
    reply = openai_reply(packed(0.5), packed(1))
    assert json.loads(job.read(OPENAI, [reply], "").body) == {"embeddings": [{"values": [0.5]}, {"values": [1]}]}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "content"),
        ({"content": "a"}, "content"),
        ({"content": {"parts": []}}, "content.parts"),
        ({"content": {"parts": [{"inlineData": {}}]}}, "content.parts[0]"),
        ({"content": {"parts": [{"text": 1}]}}, "content.parts[0].text"),
        ({"requests": []}, "requests"),
        ({"requests": [{"content": {"parts": [{"text": "a"}]}}, {}]}, "requests[1].content"),
        ({**ONE, "outputDimensionality": -1}, "outputDimensionality"),
    ],
)
def test_a_gemini_clients_wrong_field_is_named(body: Any, param: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_gemini(json.dumps(body).encode(), "m")
    assert (refused.value.status, refused.value.param) == (400, param)


# -- what is not reported ---------------------------------------------------------------------------------------------
def test_what_nobody_reports_is_estimated() -> None:
    assert asked([[1, 2], [3]]).estimate() == Usage(input=3, estimated=True)
    assert json.loads(asked(["a", "", "b"]).estimate() or b"") == {"prompt": ["a", "b"]}  # type: ignore[arg-type]
