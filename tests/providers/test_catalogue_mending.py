"""What becomes of requests that a provider, or one of its models, would refuse as they are.

The table is written from the vendors' documentation and not from the catalogue: each case is asked by a client of the
provider's own format, whose body goes through but for this, and by a client of another format.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from providers import catalogue
from providers.tailoring import traits_of
from providers.upstream import Attempt, link
from providers.wire.formats import FORMATS
from providers.wire.media import embeddings, images
from providers.wire.media.job import dialect_of
from providers.wire.openai_chat.passing import parse
from providers.wire.translation import Asked
from routing.gateway.lanes import ChatPassing, Passing, Prepared, Translating
from routing.gateway.peek import peek
from routing.gateway.services import ruled

TABLE: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("catalogue_mending.yaml").read_text("utf-8"))
HELLO = {"role": "user", "content": "Hello"}


def attempt_at(id: str, model: str) -> Attempt:
    entry = catalogue.entries()[id].of(model)
    here = link(entry.sample, connection_id=1, name="c", priority=1, secret=None, proxy=None, user_agent="OmniRoute/0")
    return Attempt(entry, here, model)


def passed(attempt: Attempt, body: dict[str, Any]) -> Prepared:
    """As a client of the provider's own format asks."""
    format = attempt.entry.format
    raw = json.dumps({"model": "m", **body}).encode()
    if format == "openai_chat":
        return ChatPassing(parse(raw, "chat")).prepare(attempt)
    return Passing(FORMATS[format], peek(raw, model="m"), lambda *_: None).prepare(attempt)


def translated(attempt: Attempt, body: dict[str, Any], client: str) -> Prepared:
    wanted = FORMATS[client].parse(body | ({} if client == "gemini" else {"model": "m"}))
    asked = Asked(request=wanted, model="m", id="i", created=0)
    upstream = FORMATS[attempt.entry.format]
    lane = Translating(FORMATS[client], upstream, wanted, asked, lambda *_: None, lambda _: None)  # type: ignore[arg-type, return-value]
    return lane.prepare(attempt)


def cases(kind: str) -> Iterator[Any]:
    for row in TABLE[kind]:
        for model in row["models"]:
            yield pytest.param(row, model, id=f"{row['provider']}-{model}-{row['what']}".replace(" ", "-"))


@pytest.mark.parametrize(("row", "model"), list(cases("passed")))
def test_what_is_passed_is_mended(row: dict[str, Any], model: str) -> None:
    attempt = attempt_at(row["provider"], model)
    prepared = passed(attempt, row["asks"])
    sent = json.loads(prepared.body)
    assert {name: sent.get(name) for name in row["sent"]} == row["sent"]
    assert sorted(prepared.dropped) == sorted(row.get("dropped", []))
    kept = row["asks"].keys() - row["sent"].keys()
    assert {name: sent[name] for name in kept} == {name: row["asks"][name] for name in kept}


@pytest.mark.parametrize(("row", "model"), list(cases("translated")))
def test_what_is_translated_is_so_as_well(row: dict[str, Any], model: str) -> None:
    prepared = translated(attempt_at(row["provider"], model), row["asks"], row["client"])
    sent = json.loads(prepared.body)
    assert {name: sent.get(name) for name in row["sent"]} == row["sent"]
    assert sorted(prepared.dropped) == sorted(row.get("dropped", []))


PARSERS = {"embeddings": embeddings.parse, "images": images.parse}


@pytest.mark.parametrize(("row", "model"), list(cases("services")))
def test_services(row: dict[str, Any], model: str) -> None:
    attempt = attempt_at(row["provider"], model)
    job = PARSERS[row["operation"]](json.dumps({"model": "m", **row["asks"]}).encode())
    outgoing = ruled(job.dump(dialect_of(attempt.entry.path(row["operation"])), model), attempt, row["operation"])
    sent = json.loads(outgoing.bodies[0])
    asked = {**row["asks"], "model": model}
    assert sent == {name: value for name, value in (asked | row["sent"]).items() if value is not None}
    assert sorted(outgoing.dropped) == sorted(row.get("dropped", []))


CHATS = [
    (id, model.id)
    for id, entry in catalogue.entries().items()
    for model in entry.models.values()
    if model.operation == "chat" and entry.of(model.id).format == "openai_chat"
]


@pytest.mark.parametrize("id", sorted({id for id, _ in CHATS}))
def test_only_openais_own_services_see_the_role_developer(id: str) -> None:
    """And models of GLM up to 5.0 and ERNIE see no system role at all."""
    rule = TABLE["developer_role"]
    for model in [model for provider, model in CHATS if provider == id]:
        said = json.loads(
            passed(attempt_at(id, model), {"messages": [{"role": "developer", "content": "S"}, HELLO]}).body
        )
        roles = [message["role"] for message in said["messages"]]
        if id in rule["kept"]:
            assert roles == ["developer", "user"], model
        elif model in rule["folded"].get(id, ()):
            assert roles == ["user"] and said["messages"][0]["content"].startswith("[System Instructions]\nS"), model
        else:
            assert roles == ["system", "user"], model


def test_who_is_folded_is_in_the_catalogue() -> None:
    assert {(id, model) for id, models in TABLE["developer_role"]["folded"].items() for model in models} <= set(CHATS)


@pytest.mark.parametrize("id", sorted(TABLE["flags"]))
def test_every_flag_of_every_model(id: str) -> None:
    """What vendors' lists say that a model refuses, and nothing more of its provider's other models."""
    flags, entry = TABLE["flags"][id], catalogue.entries()[id]
    wanted = {name: set(flags.get(name, ())) for name in ("no_sampling", "no_prefill", "adaptive_only", "adaptive")}
    found: dict[str, set[str]] = {name: set() for name in wanted}
    listed = {model.id for model in entry.models.values() if model.operation == "chat"}
    for model in listed.union(*wanted.values()):
        traits = traits_of(entry.of(model), model)
        says = (not traits.sampling, not traits.prefill, traits.thinking == "adaptive", traits.thinking == "both")
        for name, said in zip(wanted, says, strict=True):
            found[name] |= {model} if said else set()
    for name in wanted:
        assert wanted[name] <= found[name] if flags.get("more") else wanted[name] == found[name], name


def test_what_needs_no_mending_keeps_its_bytes() -> None:
    """Also where the provider has traits: white space, numbers as written, marks, signed thinking, unknown fields."""
    messages = b'[{"role":"system", "content":"S","x":1.0e0},{"role":"user","content":"\\u0041","cache_control":{}}]'
    raw = b'{"model":"m","messages":' + messages + b',"new":[1.50]}'
    for id, model in (("mistral", "mistral-large-latest"), ("groq", "openai/gpt-oss-120b"), ("perplexity", "sonar")):
        body = ChatPassing(parse(raw, "chat")).prepare(attempt_at(id, model)).body
        assert messages in body and b'"new":[1.50]' in body, id
    turns = (
        b'[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"t", '
        b'"signature":"c2ln"},{"type":"text","text":"b","cache_control":{"type":"ephemeral","ttl":"1h"}}]},'
        b'{"role":"user", "content":"c"}]'
    )
    raw = b'{"model":"m","max_tokens":9,"temperature":0.5,"messages":' + turns + b',"new":[1.50]}'
    prepared = Passing(FORMATS["anthropic"], peek(raw), lambda *_: None).prepare(
        attempt_at("anthropic", "claude-opus-5")
    )
    assert turns in prepared.body and b'"new":[1.50]' in prepared.body and prepared.dropped == ("temperature",)
