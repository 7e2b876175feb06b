"""Whole replies: an upstream's body → canonical → a client's body."""

from __future__ import annotations

from providers.wire import customtools
from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.gemini import answers, sources
from providers.wire.translation import Asked, Names, arguments_object, json_text
from providers.wire.types import (
    Choice,
    Citation,
    Json,
    Opaque,
    Part,
    Proof,
    Reasoning,
    Refusal,
    Reply,
    Text,
    ToolCall,
)

FAMILY = "gemini"


def parse_reply(body: bytes, names: Names) -> Reply:
    """Raises UpstreamFailure: an error inside 200, an empty body, a web page, broken JSON, a reply without content."""
    whole = answers.envelope(body)
    seed = answers.seed_of(whole, body)
    rows = answers.objects(whole.get("candidates"))
    choices = [_choice(row, place, seed, names) for place, row in enumerate(rows)]
    if not rows:
        feedback = whole.get("promptFeedback")
        if not isinstance(feedback, dict) or not feedback.get("blockReason"):
            raise UpstreamFailure(Kind.PROTOCOL, "The provider's reply has no candidates.")
        choices = [Choice(finish="content_filter")]
    elif not any(_spoke(choice) for choice in choices):
        _check_silence(rows)
    return Reply(
        id=answers.text(whole.get("responseId")),
        model=answers.text(whole.get("modelVersion")),
        choices=tuple(choices),
        usage=answers.usage_in(whole.get("usageMetadata")),
    )


def _spoke(choice: Choice) -> bool:
    return any(
        isinstance(part, (ToolCall, Opaque)) or (isinstance(part, Text) and bool(part.text)) for part in choice.parts
    )


def _check_silence(rows: list[dict[str, Json]]) -> None:
    """A reply that says nothing is a fault, unless it was cut or blocked."""
    for row in rows:
        reason = answers.text(row.get("finishReason"))
        if reason in answers.BROKEN:
            raise answers.broken(reason, row.get("finishMessage"))
        if reason in ("", "STOP", "FINISH_REASON_UNSPECIFIED"):
            raise UpstreamFailure(Kind.PROTOCOL, answers.NOTHING_SAID)


def _choice(row: dict[str, Json], place: int, seed: str, names: Names) -> Choice:
    index = answers.number(row["index"]) if "index" in row else place
    content = row.get("content")
    parts: list[Part] = []
    calls = 0
    for given in answers.objects(content.get("parts")) if isinstance(content, dict) else ():
        part = _part(given, seed, index, calls, names)
        calls += isinstance(part, ToolCall)
        if part is not None:
            parts.append(part)
    said = "".join(part.text for part in parts if isinstance(part, Text))
    cited = sources.citations_in(row, said)
    reason = answers.text(row.get("finishReason"))
    finish = answers.FINISH_IN.get(reason, "other") if reason else "stop"
    return Choice(
        parts=tuple(_with_sources(parts, cited) if cited else parts),
        finish="tool_calls" if calls and finish == "stop" else finish,
        logprobs=answers.logprobs_in(row.get("logprobsResult")),
        index=index,
    )


def _part(given: dict[str, Json], seed: str, choice: int, index: int, names: Names) -> Part | None:
    proof, words, call = answers.proof_of(given), given.get("text"), given.get("functionCall")
    if isinstance(call, dict):
        name, args = answers.text(call.get("name")), call.get("args")
        if not name:
            return None
        made = answers.call_id(call.get("id"), seed, choice, index)
        arguments = json_text(args if isinstance(args, dict) else {})
        known = names.original(name)
        custom = known in names.wrapped
        return ToolCall(
            id=made,
            name=known,
            arguments=customtools.unwrap(arguments) if custom else arguments,
            custom=custom,
            namespace=names.namespace(name),
            proof=proof,
        )
    if not isinstance(words, str) and not set(given) <= {"thoughtSignature", "thought"}:
        return Opaque(family=FAMILY, value=given)
    words = answers.text(words)
    if not words and proof is None:
        return None
    return Reasoning(text=words, proof=proof) if given.get("thought") is True else Text(text=words, proof=proof)


def _with_sources(parts: list[Part], cited: list[Citation]) -> list[Part]:
    """Citations belong to the last text that says something."""
    for place in range(len(parts) - 1, -1, -1):
        part = parts[place]
        if isinstance(part, Text) and part.text:
            before = sum(len(other.text) for other in parts[:place] if isinstance(other, Text))
            moved = tuple(_moved(citation, before) for citation in cited)
            return [*parts[:place], Text(text=part.text, proof=part.proof, citations=moved), *parts[place + 1 :]]
    return parts


def _moved(citation: Citation, by: int) -> Citation:
    """Offsets count from the beginning of the part; None for what is before it."""
    if not by or citation.start is None or citation.end is None:
        return citation
    start, end = (citation.start - by, citation.end - by) if citation.start >= by else (None, None)
    return Citation(
        url=citation.url, title=citation.title, cited=citation.cited, start=start, end=end, raw=citation.raw,
        family=citation.family,
    )  # fmt: skip


# -- out ---------------------------------------------------------------------------------------------------------------
def dump_reply(reply: Reply, asked: Asked) -> bytes:
    """A GenerateContentResponse. ``modelVersion`` is the name that the client used."""
    made: dict[str, Json] = {"candidates": [_candidate(choice) for choice in reply.choices]}
    if reply.usage is not None:
        made["usageMetadata"] = answers.usage_out(reply.usage)
    made |= {"modelVersion": asked.model, "responseId": asked.id}
    return answers.encode(made)


def _candidate(choice: Choice) -> dict[str, Json]:
    parts = [part for part in map(_part_out, choice.parts) if part is not None]
    made: dict[str, Json] = {
        "content": {"parts": parts or [{"text": ""}], "role": "model"},
        "finishReason": answers.FINISH_OUT.get(choice.finish, "OTHER"),
        "index": choice.index,
    }
    said = ""
    cited: list[Citation] = []
    for part in choice.parts:
        if isinstance(part, Text):
            cited += [_moved_back(citation, len(said)) for citation in part.citations]
            said += part.text
    grounding = sources.grounding_out(cited, said)
    if grounding is not None:
        made["groundingMetadata"] = grounding
    likely = answers.logprobs_out(choice.logprobs)
    return made | ({"logprobsResult": likely} if likely is not None else {})


def _moved_back(citation: Citation, by: int) -> Citation:
    if not by or citation.start is None or citation.end is None:
        return citation
    return Citation(
        url=citation.url, title=citation.title, cited=citation.cited, start=citation.start + by, end=citation.end + by,
        raw=citation.raw, family=citation.family,
    )  # fmt: skip


def _part_out(part: Part) -> dict[str, Json] | None:
    if isinstance(part, Text):
        signature = _signature(part.proof)
        return {"text": part.text, **signature} if part.text or signature else None
    if isinstance(part, Reasoning):
        signature = _signature(part.proof)
        return {"text": part.text, "thought": True, **signature} if part.text or signature else None
    if isinstance(part, ToolCall):
        call = {"id": part.id, "name": part.name, "args": arguments_object(part.arguments)}
        return {"functionCall": call, **_signature(part.proof)}
    if isinstance(part, Refusal):
        return {"text": part.text} if part.text else None
    own = isinstance(part, Opaque) and part.family == FAMILY and isinstance(part.value, dict)
    return part.value if own and isinstance(part, Opaque) else None


def _signature(proof: Proof | None) -> dict[str, Json]:
    if proof is None or proof.family != FAMILY or not proof.value:
        return {}
    return {"thoughtSignature": proof.value}
