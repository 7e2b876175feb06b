"""Pictures and rerank in vendors' own shapes: what goes out, what comes back, what cannot be said."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.media import images, rerank
from providers.wire.media.job import Answer, Dialect, Job
from providers.wire.media.shapes import SHAPES, shaped
from providers.wire.types import Units, Usage

OPENAI = Dialect.OPENAI
CALLS_EACH = ("gemini", "hyperbolic")
PICTURE = {"mimeType": "image/png", "data": "iVBO"}


def pictures(shape: str, **fields: Any) -> Job:
    body = json.dumps({"model": "m", "prompt": "a cat", **fields}).encode()
    return shaped(images.parse(body), "images", shape, 1700000000)


def ranking(shape: str, **fields: Any) -> Job:
    body = {"model": "m", "query": "q", "documents": ["a", {"text": "b", "id": 7}, "c"], **fields}
    return shaped(rerank.parse(json.dumps(body).encode()), "rerank", shape, 1700000000)


def said(job: Job) -> list[Any]:
    return [json.loads(body) for body in job.dump(OPENAI, "up").bodies]


def read(job: Job, *replies: Any) -> Answer:
    return job.read(OPENAI, [json.dumps(reply).encode() for reply in replies], "application/json")


def candidates(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, **more}]}


def test_a_job_without_a_shape_stays_as_it_is() -> None:
    job = images.parse(b'{"model":"m","prompt":"p"}')
    assert shaped(job, "images", "", 0) is job


# -- pictures: out ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shape", "size", "wanted", "dropped"),
    [
        ("gemini", "1024x1536", {"aspectRatio": "2:3"}, ()),
        ("gemini", "1792x1024", None, ("size",)),  # seven to four: no ratio of theirs
        ("gemini", "auto", None, ("size",)),
        ("imagen", "1024x1024", "1:1", ()),
        ("imagen", "1536x1024", None, ("size",)),  # three to two is Gemini's only
        ("minimax", "1280x720", "16:9", ()),
        ("minimax", "99x98", None, ("size",)),
        ("hyperbolic", "640x480", (640, 480), ()),
        ("hyperbolic", "wide", None, ("size",)),
    ],
)
def test_the_size_in_the_vendors_words(shape: str, size: str, wanted: Any, dropped: tuple[str, ...]) -> None:
    job = pictures(shape, size=size)
    [body] = said(job)
    found = {
        "gemini": lambda: body["generationConfig"].get("imageConfig"),
        "imagen": lambda: body["parameters"].get("aspectRatio"),
        "minimax": lambda: body.get("aspect_ratio"),
        "hyperbolic": lambda: (body["width"], body["height"]) if "width" in body else None,
    }[shape]()
    assert found == wanted
    assert job.dump(OPENAI, "up").dropped == dropped


@pytest.mark.parametrize("shape", SHAPES["images"])
def test_several_pictures_are_one_call_or_as_many(shape: str) -> None:
    bodies = said(pictures(shape, n=3))
    assert len(bodies) == (3 if shape in CALLS_EACH else 1)
    assert shape in CALLS_EACH or 3 in (bodies[0].get("n"), bodies[0].get("parameters", {}).get("sampleCount"))


@pytest.mark.parametrize("shape", SHAPES["images"])
def test_what_cannot_be_carried_is_named(shape: str) -> None:
    job = pictures(shape, quality="high", user="u", background=None, n=1)
    assert job.objection(OPENAI) is None and job.dump(OPENAI, "up").dropped == ("quality", "user")


@pytest.mark.parametrize("shape", SHAPES["images"])
@pytest.mark.parametrize(
    ("fields", "param"), [({"stream": True}, "stream"), ({"response_format": "gif"}, "response_format")]
)
def test_what_would_be_another_answer_is_refused(shape: str, fields: dict[str, Any], param: str) -> None:
    refusal = pictures(shape, **fields).objection(OPENAI)
    assert refusal is not None and (refusal.status, refusal.param) == (400, param)


@pytest.mark.parametrize("shape", SHAPES["images"])
def test_pictures_come_as_the_vendor_has_them_or_not_at_all(shape: str) -> None:
    takes = [form for form in ("b64_json", "url") if pictures(shape, response_format=form).objection(OPENAI) is None]
    assert takes == (["url"] if shape == "minimax" else ["b64_json"])


@pytest.mark.parametrize("shape", CALLS_EACH)
def test_a_crowd_of_calls_is_refused(shape: str) -> None:
    refusal = pictures(shape, n=11).objection(OPENAI)
    assert refusal is not None and refusal.param == "n"


# -- pictures: back ---------------------------------------------------------------------------------------------------
def test_gemini_draws_among_words_and_thoughts() -> None:
    draft = {"inlineData": {"mimeType": "image/png", "data": "draft"}, "thought": True}
    usage = {
        "promptTokenCount": 7, "candidatesTokenCount": 1300, "thoughtsTokenCount": 20,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}, {"modality": "TEXT", "tokenCount": 10}],
    }  # fmt: skip
    one = {**candidates(draft, {"text": "Here:"}, {"inlineData": PICTURE}, finishReason="STOP"), "usageMetadata": usage}
    answer = read(pictures("gemini", n=2), one, {"response": one})
    assert json.loads(answer.body) == {
        "created": 1700000000, "data": [{"b64_json": "iVBO"}] * 2, "output_format": "png",
    }  # fmt: skip
    units = Units(images=2, image_output=2580)
    assert answer.usage == Usage(input=14, output=2640, reasoning=40, units=units)


def test_sound_is_no_picture_and_an_unknown_type_is_not_told() -> None:
    job = pictures("gemini")
    with pytest.raises(UpstreamFailure) as failed:
        read(job, candidates({"inlineData": {"mimeType": "audio/wav", "data": "UklG"}}))
    assert failed.value.kind is Kind.PROTOCOL
    odd = {"mimeType": "image/avif", "data": "AAAA"}
    assert "output_format" not in json.loads(read(job, candidates({"inlineData": odd})).body)


@pytest.mark.parametrize(
    ("shape", "reply", "kind", "words"),
    [
        ("gemini", {"promptFeedback": {"blockReason": "IMAGE_SAFETY"}}, Kind.CONTENT_FILTER, "IMAGE_SAFETY"),
        ("gemini", candidates(finishReason="IMAGE_SAFETY"), Kind.CONTENT_FILTER, "IMAGE_SAFETY"),
        ("gemini", candidates(finishReason="PROHIBITED_CONTENT", finishMessage="No."), Kind.CONTENT_FILTER, "No."),
        ("gemini", candidates({"text": "I cannot draw."}, finishReason="STOP"), Kind.PROTOCOL, "no picture"),
        ("gemini", candidates(finishReason="NO_IMAGE"), Kind.PROTOCOL, "no picture"),
        ("gemini", candidates(finishReason="MALFORMED_RESPONSE"), Kind.SERVER, "MALFORMED_RESPONSE"),
        ("gemini", {"error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"}}, None, "Slow"),
        ("imagen", {"predictions": [{"raiFilteredReason": "Against the rules."}]}, Kind.CONTENT_FILTER, "Against"),
        ("imagen", {}, Kind.PROTOCOL, "no picture"),
        ("hyperbolic", {"images": []}, Kind.PROTOCOL, "no picture"),
        ("hyperbolic", {"images": [{"image": ""}]}, Kind.PROTOCOL, "empty"),
        ("hyperbolic", {"images": ["iVBO"]}, Kind.PROTOCOL, "empty"),
        ("hyperbolic", {"message": "Model is busy."}, Kind.SERVER, "busy"),
        ("minimax", {"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, Kind.SERVER, "login fail"),
        ("minimax", {"data": {"image_urls": []}, "base_resp": {"status_code": 0}}, Kind.PROTOCOL, "no picture"),
        ("minimax", {"data": None}, Kind.PROTOCOL, "no picture"),
    ],
)
def test_no_picture_is_a_failure(shape: str, reply: Any, kind: Kind | None, words: str) -> None:
    with pytest.raises(UpstreamFailure) as failed:
        read(pictures(shape), reply)
    assert kind is None or failed.value.kind is kind
    assert words in failed.value.message


def test_a_filtered_picture_says_so_as_openai_does() -> None:
    with pytest.raises(UpstreamFailure) as failed:
        read(pictures("gemini"), candidates(finishReason="IMAGE_SAFETY"))
    assert (failed.value.status, failed.value.code) == (400, "content_policy_violation")


def test_imagen_keeps_what_was_not_filtered() -> None:
    one = {"bytesBase64Encoded": "iVBO", "mimeType": "image/jpeg"}
    answer = read(pictures("imagen", n=2), {"predictions": [one, {"raiFilteredReason": "No."}]})
    assert json.loads(answer.body)["data"] == [{"b64_json": "iVBO"}]
    assert json.loads(answer.body)["output_format"] == "jpeg"
    assert answer.usage == Usage(units=Units(images=1))


def test_minimaxs_addresses_are_told_as_they_are() -> None:
    reply = {"data": {"image_urls": ["https://a.invalid/1", "https://a.invalid/2"]}, "base_resp": {"status_code": 0}}
    answer = read(pictures("minimax", n=2), reply)
    assert json.loads(answer.body)["data"] == [{"url": "https://a.invalid/1"}, {"url": "https://a.invalid/2"}]


# -- rerank -----------------------------------------------------------------------------------------------------------
def test_nvidias_logits_become_shares_of_one() -> None:
    logits = [{"index": 1, "logit": 1.0}, {"index": 0, "logit": 1000.0}, {"index": 2, "logit": -1e9}]
    results = json.loads(read(ranking("nvidia", top_n=3), {"rankings": logits}).body)["results"]
    assert [one["index"] for one in results] == [0, 1, 2]
    assert results[0]["relevance_score"] == pytest.approx(1)
    assert results[1]["relevance_score"] == pytest.approx(1 / (1 + math.exp(-1)))
    assert 0 <= results[2]["relevance_score"] < 1e-300


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_logit_is_a_share_of_one(logit: float) -> None:
    reply = {"rankings": [{"index": 0, "logit": logit}]}
    [result] = json.loads(read(ranking("nvidia", top_n=1), reply).body)["results"]
    assert 0 <= result["relevance_score"] <= 1


def test_deepinfras_scores_are_put_in_order_cut_and_told_with_their_documents() -> None:
    job = ranking("deepinfra", top_n=2, return_documents=True, max_tokens_per_doc=9)
    assert said(job) == [{"queries": ["q"], "documents": ["a", "b", "c"]}]
    assert job.dump(OPENAI, "up").dropped == ("max_tokens_per_doc",)
    results = json.loads(read(job, {"scores": [0.1, 0.9, 0.5]}).body)["results"]
    assert results == [
        {"index": 1, "relevance_score": 0.9, "document": {"text": "b", "id": 7}},
        {"index": 2, "relevance_score": 0.5, "document": {"text": "c"}},
    ]


def test_voyage_calls_top_n_otherwise() -> None:
    [body] = said(ranking("voyage", top_n=2))
    assert body == {"model": "up", "query": "q", "documents": ["a", "b", "c"], "top_k": 2}
    assert "top_k" not in said(ranking("voyage"))[0]
    reply = {"data": [{"index": 1, "relevance_score": 0.4}], "usage": {"total_tokens": 26}}
    answer = read(ranking("voyage", top_n=2), reply)
    assert json.loads(answer.body)["results"] == [{"index": 1, "relevance_score": 0.4}]
    assert answer.usage == Usage(input=26)


@pytest.mark.parametrize("shape", SHAPES["rerank"])
def test_a_document_without_text_is_refused_by_name(shape: str) -> None:
    refusal = ranking(shape, documents=["a", {"image": "x"}]).objection(OPENAI)
    assert refusal is not None and refusal.param == "documents[1]"


@pytest.mark.parametrize(
    ("shape", "reply"),
    [
        ("nvidia", {"rankings": [{"index": 0}]}),
        ("nvidia", {"rankings": [{"logit": 1}]}),
        ("nvidia", {"rankings": [{"index": 5, "logit": 1}]}),
        ("nvidia", {"rankings": [3]}),
        ("nvidia", {"results": []}),
        ("deepinfra", {"scores": [0.1]}),
        ("deepinfra", {"scores": [0.1, "0.2", 0.3]}),
        ("deepinfra", {"scores": [10**400, 1, 1]}),
        ("deepinfra", {"scores": None}),
        ("voyage", {"data": [{"index": 9, "relevance_score": 1}]}),
    ],
)
def test_what_is_no_ranking_is_a_bad_reply(shape: str, reply: Any) -> None:
    with pytest.raises(UpstreamFailure) as failed:
        read(ranking(shape), reply)
    assert failed.value.kind is Kind.PROTOCOL


@pytest.mark.parametrize(
    ("operation", "shape"), [(name, word) for name in ("images", "rerank") for word in SHAPES[name]]
)
@given(body=st.binary(max_size=60))
def test_any_bytes_fail(operation: str, shape: str, body: bytes) -> None:
    job = pictures(shape) if operation == "images" else ranking(shape)
    with pytest.raises(UpstreamFailure):
        job.read(OPENAI, [body], "application/json")
