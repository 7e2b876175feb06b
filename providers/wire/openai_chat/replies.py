"""Whole replies: an upstream's → canonical, canonical → a client's."""

from __future__ import annotations

import hashlib

import msgspec

from providers.wire.customtools import unwrap
from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.openai_chat.messages_in import google_proof
from providers.wire.openai_chat.parts_in import detail_part, media_from
from providers.wire.openai_chat.said import (
    FAMILY,
    FINISH_OUT,
    annotation_body,
    arguments_text,
    audio_body,
    call_body,
    check_choice,
    check_error,
    citations_from,
    content_pieces,
    decoded,
    finish_of,
    logprobs_body,
    objects,
    reasoning_text,
    text_of,
    usage_body,
    usage_from,
)
from providers.wire.translation import Asked, Names
from providers.wire.types import (
    Choice,
    Citation,
    Image,
    Json,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Reply,
    Text,
    ToolCall,
)

TIERS = frozenset(("auto", "default", "flex", "scale", "priority", "fast"))


# -- from upstream -----------------------------------------------------------------------------------------------------
def parse_reply(body: bytes, names: Names) -> Reply:
    """A whole reply. Raises UpstreamFailure for an error inside, what is no reply and what says nothing."""
    reply = decoded(body)
    check_error(reply, body)
    id, created = text_of(reply.get("id")), reply.get("created")
    items = objects(reply.get("choices"))
    if not items:
        raise UpstreamFailure(Kind.PROTOCOL, "The provider's reply has no choices.")
    sources = _sources(reply)
    return Reply(
        id=id,
        model=text_of(reply.get("model")),
        created=int(created) if isinstance(created, (int, float)) and 0 < created < 10**12 else 0,
        choices=tuple(_choice(item, number, id, names, sources) for number, item in enumerate(items)),
        usage=usage_from(reply),
        service_tier=text_of(reply.get("service_tier")),
    )


def _choice(item: dict[str, Json], number: int, id: str, names: Names, sources: list[Citation]) -> Choice:
    check_choice(item)
    message = item.get("message") or item.get("delta")
    said = message if isinstance(message, dict) else {}
    calls = _calls(said, f"{id} {number}", names)
    parts = [*_reasoning(said), *_texts(said, sources), *_media(said), *calls]
    finish = finish_of(item.get("finish_reason"), bool(calls))
    if not parts and not finish:
        raise UpstreamFailure(Kind.PROTOCOL, "The provider's reply has no content.")
    index, logprobs = item.get("index"), item.get("logprobs")
    return Choice(
        parts=tuple(parts),
        finish=finish or ("tool_calls" if calls else "stop"),
        logprobs=logprobs if isinstance(logprobs, dict) else None,
        index=index if isinstance(index, int) and not isinstance(index, bool) else number,
    )


def _reasoning(said: dict[str, Json]) -> list[Part]:
    details = [part for detail in objects(said.get("reasoning_details")) if (part := detail_part(detail)) is not None]
    if details:
        return list(details)
    text = reasoning_text(said)
    return [Reasoning(text=text)] if text else []


def _texts(said: dict[str, Json], sources: list[Citation]) -> list[Part]:
    found: list[Part] = []
    for kind, words in content_pieces(said.get("content")):
        found.append(Text(text=words) if kind == "text" else Reasoning(text=words))
    refusal = text_of(said.get("refusal"))
    citations = tuple(citations_from(said) or sources)
    for place in reversed(range(len(found))):
        part = found[place]
        if citations and isinstance(part, Text):
            found[place] = Text(text=part.text, citations=citations)
            break
    return [*found, Refusal(text=refusal)] if refusal else found


def _sources(reply: dict[str, Json]) -> list[Citation]:
    """Perplexity's: a list of addresses at the top."""
    urls = reply.get("citations")
    return [Citation(url=url) for url in urls if isinstance(url, str) and url] if isinstance(urls, list) else []


def _media(said: dict[str, Json]) -> list[Part]:
    found: list[Part] = []
    for image in objects(said.get("images")):
        inner = image.get("image_url")
        url = text_of(inner.get("url")) if isinstance(inner, dict) else text_of(inner)
        if url:
            found.append(Image(media=media_from(url)))
    if isinstance(said.get("audio"), dict):
        found.append(Opaque(family=FAMILY, value={"type": "audio", "audio": said["audio"]}))
    return found


def _calls(said: dict[str, Json], seed: str, names: Names) -> list[ToolCall]:
    items = objects(said.get("tool_calls"))
    legacy = said.get("function_call")
    if isinstance(legacy, dict) and not items:
        items = [{"function": legacy}]
    found = (_call(item, f"{seed} {number}", names) for number, item in enumerate(items))
    return [call for call in found if call is not None]


def _call(item: dict[str, Json], seed: str, names: Names) -> ToolCall | None:
    custom = isinstance(item.get("custom"), dict)
    inner = item["custom"] if custom else item.get("function")
    if not isinstance(inner, dict) or not text_of(inner.get("name")):
        return None
    sent = inner["name"]
    name = names.original(sent)
    arguments = arguments_text(inner.get("input" if custom else "arguments"))
    wrapped = name in names.wrapped and not custom
    return ToolCall(
        id=text_of(item.get("id")) or made_id(seed),
        name=name,
        arguments=unwrap(arguments) if wrapped else arguments,
        custom=custom or wrapped,
        namespace=names.namespace(sent),
        proof=google_proof(item),
    )


def made_id(seed: str) -> str:
    """An id for a call that came without one, the same for the same reply and place."""
    return f"call_{hashlib.sha256(seed.encode('utf-8', 'replace')).hexdigest()[:24]}"


# -- to clients --------------------------------------------------------------------------------------------------------
def dump_reply(reply: Reply, asked: Asked) -> bytes:
    """A strictly valid chat completion, ``reasoning_content`` the one addition."""
    body: dict[str, Json] = {
        "id": f"chatcmpl-{asked.id}",
        "object": "chat.completion",
        "created": reply.created or asked.created,
        "model": asked.model,
        "choices": [_choice_body(choice, asked) for choice in reply.choices],
    }
    if reply.usage is not None:
        body["usage"] = usage_body(reply.usage)
    if reply.service_tier in TIERS:
        body["service_tier"] = reply.service_tier
    return msgspec.json.encode(body)


def _choice_body(choice: Choice, asked: Asked) -> dict[str, Json]:
    refused = any(isinstance(part, Refusal) for part in choice.parts)
    message = _message_body(choice.parts)
    finish = "stop" if refused and choice.finish == "refusal" else FINISH_OUT.get(choice.finish, "stop")
    if asked.request.legacy_functions and _made_legacy(message) and finish == "tool_calls":
        finish = "function_call"
    return {
        "index": choice.index,
        "message": message,
        "logprobs": logprobs_body(choice.logprobs),
        "finish_reason": finish,
    }


def _message_body(parts: tuple[Part, ...]) -> dict[str, Json]:
    texts = [part.text for part in parts if isinstance(part, Text)]
    refusals = [part.text for part in parts if isinstance(part, Refusal)]
    thoughts = [part.text for part in parts if isinstance(part, Reasoning) and part.text]
    message: dict[str, Json] = {
        "role": "assistant",
        "content": "".join(texts) if texts else None,
        "refusal": "".join(refusals) if refusals else None,
    }
    if thoughts:
        message["reasoning_content"] = "\n\n".join(thoughts)
    calls = [call_body(p.id, p.name, p.arguments, p.custom) for p in parts if isinstance(p, ToolCall)]
    if calls:
        message["tool_calls"] = calls
    if annotations := _annotations(parts):
        message["annotations"] = annotations
    _media_body(parts, message)
    if message["content"] is None and not (refusals or calls):
        message["content"] = ""
    return message


def _annotations(parts: tuple[Part, ...]) -> list[Json]:
    """Offsets count in the whole content here, in its part there."""
    found: list[Json] = []
    before = 0
    for part in parts:
        if isinstance(part, Text):
            for citation in part.citations:
                if citation.url:
                    found.append(_moved(annotation_body(citation, len(part.text)), before))
            before += len(part.text)
    return found


def _moved(annotation: dict[str, Json], by: int) -> Json:
    annotation["url_citation"]["start_index"] += by
    annotation["url_citation"]["end_index"] += by
    return annotation


def _media_body(parts: tuple[Part, ...], message: dict[str, Json]) -> None:
    """Generated images have no place at OpenAI: they go where OpenRouter's clients look."""
    images = [part.media for part in parts if isinstance(part, Image) and (part.media.data or part.media.url)]
    if images:
        message["images"] = [image_body(media.media_type, media.data, media.url) for media in images]
    for part in parts:
        if isinstance(part, Opaque) and part.family == FAMILY and part.value.get("type") == "audio":
            message["audio"] = audio_body(part.value["audio"], True)


def image_body(media_type: str, data: str, url: str) -> Json:
    address = f"data:{media_type or 'image/png'};base64,{data}" if data else url
    return {"type": "image_url", "image_url": {"url": address}}


def _made_legacy(message: dict[str, Json]) -> bool:
    """The one call as ``function_call``, for clients that still say ``functions``."""
    calls = message.get("tool_calls") or []
    if not calls or "function" not in calls[0]:
        return False
    del message["tool_calls"]
    message["function_call"] = calls[0]["function"]
    return True
