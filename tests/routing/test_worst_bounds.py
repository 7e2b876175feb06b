"""Whatever a chat holds, whoever asks and whoever answers: no usage that a vendor may honestly report costs more than
what was set aside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from providers.entry import Model, Price
from providers.prices import cost
from providers.upstream import Attempt
from providers.wire.errors import Refusal
from providers.wire.formats import FORMATS
from providers.wire.traits import Traits
from providers.wire.types import Units, Usage
from routing.gateway.worst import Demand
from tests.routing.samples import attempt

ATTEMPT = attempt()
ENDLESS = 1_000_000  # tokens of what may be of any length, at a vendor whose model reads so much


@dataclass(frozen=True)
class Piece:
    """A part of a message: ``tokens`` that a vendor may make of it at most, by ``mark``, which tells whether it was
    sent to it; as each format says it."""

    tokens: int
    mark: str
    says: dict[str, dict[str, Any]]


def text(words: str) -> Piece:
    plain, read = {"type": "text", "text": words}, {"type": "input_text", "text": words}
    says = {"openai_chat": plain, "openai_responses": read, "anthropic": plain, "gemini": {"text": words}}
    return Piece(len(words.encode()) // 2, words, says)


def picture(data: str) -> Piece:
    url = f"data:image/png;base64,{data}"
    return Piece(48_169, data, {
        "openai_chat": {"type": "image_url", "image_url": {"url": url}},
        "openai_responses": {"type": "input_image", "image_url": url},
        "anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
        "gemini": {"inlineData": {"mimeType": "image/png", "data": data}},
    })  # fmt: skip


def picture_at(url: str) -> Piece:
    return Piece(48_169, url, {
        "openai_chat": {"type": "image_url", "image_url": {"url": url}},
        "openai_responses": {"type": "input_image", "image_url": url},
        "anthropic": {"type": "image", "source": {"type": "url", "url": url}},
        "gemini": {"fileData": {"mimeType": "image/png", "fileUri": url}},
    })  # fmt: skip


def document(data: str) -> Piece:
    url = f"data:application/pdf;base64,{data}"
    return Piece(ENDLESS, data, {
        "openai_chat": {"type": "file", "file": {"filename": "a.pdf", "file_data": url}},
        "openai_responses": {"type": "input_file", "filename": "a.pdf", "file_data": url},
        "anthropic": {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}},
        "gemini": {"inlineData": {"mimeType": "application/pdf", "data": data}},
    })  # fmt: skip


def sound(data: str) -> Piece:
    """An MP3 of 8 kbit/s, heard at 32 tokens a second; Messages takes none."""
    heard = {"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}}
    says = {"openai_chat": heard, "gemini": {"inlineData": {"mimeType": "audio/mp3", "data": data}}}
    return Piece(len(data) * 3 // 4 * 32 // 1000 + 1, data, says | dict.fromkeys(("openai_responses",), heard))


def base64(begins: str) -> st.SearchStrategy[str]:
    """Unlike any other of a request by its number; of any size."""
    parts = st.integers(10**9, 10**10), st.integers(0, 20_000)
    return st.tuples(*parts).map(lambda drawn: f"{begins}{drawn[0]}{'A' * (4 * drawn[1])}")


PIECES = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFFF, exclude_categories=("Cs",)), min_size=1).map(text),
    base64("iVBORw0K").map(picture),
    st.integers(10**9, 10**10).map(lambda number: picture_at(f"https://pictures.example/{number}.png")),
    base64("JVBERi0x").map(document),
    base64("SUQz").map(sound),
)
USD = st.decimals(0, 100, places=2)
PRICES = st.builds(
    Price,
    input=USD,
    output=USD,
    **dict.fromkeys(Price.__slots__[2:7], st.none() | USD),
    per=st.dictionaries(st.sampled_from(("audio_input", "audio_output", "image_output")), USD),
)
TOOL = {"name": "look", "description": "Looks", "parameters": {"type": "object", "properties": {}}}


def chat(parts: list[Any], most: int, n: int, tools: bool) -> dict[str, Any]:
    said = {"messages": [{"role": "user", "content": parts}], "max_tokens": most, "n": n}
    return said | ({"tools": [{"type": "function", "function": TOOL}]} if tools else {})


def responses(parts: list[Any], most: int, n: int, tools: bool) -> dict[str, Any]:
    said = {"input": [{"role": "user", "content": parts}], "max_output_tokens": most}
    return said | ({"tools": [{"type": "function", **TOOL}]} if tools else {})


def messages(parts: list[Any], most: int, n: int, tools: bool) -> dict[str, Any]:
    said = {"messages": [{"role": "user", "content": parts}], "max_tokens": most}
    return said | ({"tools": [{"name": "look", "input_schema": TOOL["parameters"]}]} if tools else {})


def contents(parts: list[Any], most: int, n: int, tools: bool) -> dict[str, Any]:
    config = {"maxOutputTokens": most, "candidateCount": n}
    said = {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}
    return said | ({"tools": [{"functionDeclarations": [TOOL]}]} if tools else {})


ASKED: dict[str, Callable[[list[Any], int, int, bool], dict[str, Any]]] = {
    "openai_chat": chat,
    "openai_responses": responses,
    "anthropic": messages,
    "gemini": contents,
}


@st.composite
def honest(draw: st.DrawFn, taken: int, made: int) -> Usage:
    """Any usage of so many tokens at most."""
    taken, made = draw(st.integers(0, taken) | st.just(taken)), draw(st.integers(0, made) | st.just(made))
    cached = draw(st.integers(0, taken) | st.just(0))
    written = draw(st.integers(0, taken - cached) | st.just(taken - cached))
    lasting = draw(st.integers(0, written) | st.just(written))
    heard, drawn, spoken = (draw(st.just(0) | st.integers(0, most)) for most in (taken, made, made))
    units = Units(audio_input=heard, image_output=drawn, audio_output=spoken) if heard or drawn or spoken else None
    return Usage(input=taken, cached=cached, cache_write=written, cache_write_1h=lasting, output=made, units=units)


def leaving(client: str, upstream: str, body: dict[str, Any]) -> bytes:
    """The body as it goes to a provider of another format, or of the same."""
    if client == upstream:
        return msgspec.json.encode(body)
    request = FORMATS[client].parse(body, model="m", stream=False)
    return msgspec.json.encode(FORMATS[upstream].dump(request, Traits(family=upstream)).body)


@pytest.mark.parametrize("upstream", sorted(ASKED))
@pytest.mark.parametrize("client", sorted(ASKED))
@given(data=st.data())
def test_no_honest_usage_costs_more_than_was_set_aside(client: str, upstream: str, data: st.DataObject) -> None:
    pieces = data.draw(st.lists(PIECES.filter(lambda piece: client in piece.says), min_size=1, max_size=6))
    most, n = data.draw(st.integers(1, 9000)), data.draw(st.integers(1, 4))
    asked = ASKED[client]([piece.says[client] for piece in pieces], most, n, data.draw(st.booleans()))
    try:
        body = leaving(client, upstream, asked)
    except Refusal:
        assume(False)
    context = data.draw(st.sampled_from((None, 8000, 128_000, ENDLESS)))
    model = Model(id="large", context=context)
    target = Attempt(replace(ATTEMPT.entry, format=upstream, models={"large": model}), ATTEMPT.link, "large")
    price = data.draw(PRICES)
    demand = Demand("chat", b"", leaving=lambda _: (body, msgspec.json.decode(body, type=dict[str, msgspec.Raw])))
    bound = demand.worst(target, price)
    event("bounded" if bound is not None else "refused")
    if bound is None:
        return
    taken = sum(piece.tokens for piece in pieces if msgspec.json.encode(piece.mark)[1:-1] in body)
    taken = min(taken, context or ENDLESS)
    made = most * (n if client in ("openai_chat", "gemini") and upstream in ("openai_chat", "gemini") else 1)
    usage = data.draw(honest(taken, made))
    assert (cost(usage, price) or 0) <= bound
