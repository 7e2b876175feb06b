"""Rerank: what clients may write, both dialects, and what the gateway mends in replies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.errors import Refusal, UpstreamFailure
from providers.wire.media.job import Dialect, dialect_of
from providers.wire.media.rerank import Rerank, parse
from providers.wire.types import Units, Usage

DOCUMENTS = ["one", {"text": "two", "id": 7}, "three"]
RESULTS = [{"index": 2, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]


def asked(**fields: Any) -> Rerank:
    return parse(json.dumps({"model": "m", "query": "q", "documents": DOCUMENTS, **fields}).encode())


def read(job: Rerank, reply: Any) -> Any:
    return json.loads(job.read(Dialect.OPENAI, [json.dumps(reply).encode()], "").body)


BAD = {
    "no model": ({"query": "q", "documents": ["a"]}, "model"),
    "no query": ({"model": "m", "documents": ["a"]}, "query"),
    "query is a list": ({"model": "m", "query": ["q"], "documents": ["a"]}, "query"),
    "no documents": ({"model": "m", "query": "q"}, "documents"),
    "documents is text": ({"model": "m", "query": "q", "documents": "a"}, "documents"),
    "empty documents": ({"model": "m", "query": "q", "documents": []}, "documents"),
    "a number": ({"model": "m", "query": "q", "documents": ["a", 1]}, "documents[1]"),
    "text is a number": ({"model": "m", "query": "q", "documents": [{"text": 1}]}, "documents[0].text"),
    "top_n is text": ({"model": "m", "query": "q", "documents": ["a"], "top_n": "1"}, "top_n"),
    "top_n is 0": ({"model": "m", "query": "q", "documents": ["a"], "top_n": 0}, "top_n"),
    "a word for a switch": (
        {"model": "m", "query": "q", "documents": ["a"], "return_documents": "yes"},
        "return_documents",
    ),
}


@pytest.mark.parametrize(("body", "param"), BAD.values(), ids=BAD.keys())
def test_a_wrong_field_is_named(body: Any, param: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse(json.dumps(body).encode())
    assert (refused.value.status, refused.value.param) == (400, param)


def test_the_path_tells_the_dialect() -> None:
    assert dialect_of("/rerank") is Dialect.OPENAI
    assert dialect_of("/v2/rerank") is Dialect.COHERE
    assert dialect_of("/v2/embed") is Dialect.COHERE
    assert dialect_of("/models/{model}:batchEmbedContents") is Dialect.GEMINI


def test_the_clients_own_body_goes_to_its_own_dialect() -> None:
    [body] = asked(top_n=2, odd=1).dump(Dialect.OPENAI, "up").bodies
    assert json.loads(body) == {"model": "up", "query": "q", "documents": DOCUMENTS, "top_n": 2, "odd": 1}


def test_cohere_gets_texts_and_only_what_it_knows() -> None:
    said = asked(top_n=2, return_documents=True, max_tokens_per_doc=100, odd=1).dump(Dialect.COHERE, "up")
    assert json.loads(said.bodies[0]) == {
        "model": "up", "query": "q", "documents": ["one", "two", "three"], "top_n": 2, "max_tokens_per_doc": 100,
    }  # fmt: skip
    assert said.dropped == ("odd",)


def test_a_picture_goes_only_where_it_may_be_understood() -> None:
    job = asked(documents=["a", {"image": "https://example.com/a.png"}])
    refusal = job.objection(Dialect.COHERE)
    assert refusal is not None
    assert (refusal.status, refusal.param) == (400, "documents[1]")
    assert job.objection(Dialect.OPENAI) is None


def test_a_right_reply_passes_untouched() -> None:
    body = json.dumps({"id": "x", "results": RESULTS, "meta": {"billed_units": {"search_units": 1}}}).encode()
    answer = asked().read(Dialect.COHERE, [body], "")
    assert answer.body is body
    assert answer.usage == Usage(units=Units(queries=1))


@pytest.mark.parametrize(
    "reply",
    [
        {"usage": {"total_tokens": 5}},
        {"usage": {"prompt_tokens": 5, "total_tokens": 5}},
        {"meta": {"billed_units": {"input_tokens": 5.0}}},
        {"meta": {"tokens": {"input_tokens": 5}}},
    ],
)
def test_usage_is_read_wherever_it_is(reply: Any) -> None:
    body = json.dumps({"results": RESULTS, **reply}).encode()
    assert asked().read(Dialect.OPENAI, [body], "").usage == Usage(input=5)


def test_documents_come_when_they_were_asked_for() -> None:
    documents = [item.get("document") for item in read(asked(return_documents=True), {"results": RESULTS})["results"]]
    assert documents == [{"text": "three"}, {"text": "one"}]
    given = [{"index": 1, "relevance_score": 1, "document": "two"}]
    assert read(asked(return_documents=True), {"results": given})["results"][0]["document"] == DOCUMENTS[1]


def test_documents_are_left_out_when_they_were_not_wanted() -> None:
    given = [{"index": 1, "relevance_score": 1.0, "document": {"text": "two"}}]
    assert read(asked(return_documents=False), {"results": given})["results"] == [{"index": 1, "relevance_score": 1.0}]
    assert read(asked(), {"results": given})["results"] == given


def test_other_names_for_the_same_become_the_clients() -> None:
    reply = read(asked(), {"object": "list", "data": [{"index": 0, "score": 0.5}], "model": "up"})
    assert reply == {"object": "list", "model": "up", "results": [{"index": 0, "relevance_score": 0.5}]}


def test_no_more_comes_than_was_asked_for() -> None:
    assert read(asked(top_n=1), {"id": "x", "results": RESULTS}) == {"id": "x", "results": RESULTS[:1]}


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"results": {}},
        {"results": ["a"]},
        {"results": [{"index": 3, "relevance_score": 1}]},
        {"results": [{"index": True, "relevance_score": 1}]},
        {"results": [{"index": 0}]},
        {"results": [{"index": 0, "relevance_score": "high"}]},
        {"error": {"message": "no"}},
    ],
)
def test_what_is_no_reply_is_a_failure(reply: Any) -> None:
    with pytest.raises(UpstreamFailure):
        asked().read(Dialect.OPENAI, [json.dumps(reply).encode()], "")


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_and_fail(body: bytes) -> None:
    with pytest.raises(Refusal):
        parse(body)
    with pytest.raises(UpstreamFailure):
        asked().read(Dialect.OPENAI, [body], "")


def test_what_nobody_reports_is_estimated() -> None:
    assert json.loads(asked().estimate() or b"") == {"prompt": ["q", "one", "two", "three"]}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("documents", "least", "most"),
    [(["x"] * 100, 1, 1), (["x"] * 101, 2, 2), (["x" * 499] * 100, 1, 1), (["x" * 5000] * 100, 1, 11)],
)
def test_queries_that_nobody_reports(documents: list[str], least: int, most: int) -> None:
    job = asked(documents=documents)
    assert job.measured(None) == Usage(units=Units(queries=least))
    assert job.measured(Usage(units=Units(queries=7))) == Usage(units=Units(queries=7))
    assert job.most() == Units(queries=most)
