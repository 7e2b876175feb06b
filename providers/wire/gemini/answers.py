"""What whole replies and chunks share: reasons, usage, log probabilities, the id of a call, what is no reply."""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.gemini.errors import error_from
from providers.wire.types import Json, Proof, Usage, parts_of

FAMILY = "gemini"
# finishReason → ours; ``broken`` are faults of the model that another try may not have.
FINISH_IN = {
    "STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter", "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter", "PROHIBITED_CONTENT": "content_filter", "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter", "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter", "MODEL_ARMOR": "content_filter", "CONTINUATION": "pause",
}  # fmt: skip
BROKEN = frozenset(
    ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE",
     "MALFORMED_RESPONSE")
)  # fmt: skip
FINISH_OUT = {
    "stop": "STOP", "stop_sequence": "STOP", "tool_calls": "STOP", "pause": "STOP", "length": "MAX_TOKENS",
    "context_window": "MAX_TOKENS", "content_filter": "SAFETY", "refusal": "SAFETY",
}  # fmt: skip
LARGEST: Final = 10**15  # tokens; whatever is more is no count
LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode


def envelope(data: bytes) -> dict[str, Json]:
    """The GenerateContentResponse in a body or a chunk, out of Code Assist's ``{response: …}`` and out of an array.

    Raises UpstreamFailure: an error inside, nothing, a web page, broken JSON.
    """
    whole = _read(data)
    if isinstance(whole, list) and len(whole) == 1:
        whole = whole[0]
    if isinstance(whole, dict) and isinstance(whole.get("response"), dict):
        whole = whole["response"]
    if not isinstance(whole, dict):
        raise UpstreamFailure(Kind.PROTOCOL, "The provider sent something that is not a valid reply.")
    if whole.get("error"):
        raise error_from(encode(whole), None) or UpstreamFailure(Kind.SERVER, "The provider reported an error.")
    return whole


def _read(data: bytes) -> Json:
    """Half a surrogate pair, which vendors cut from text, becomes the replacement character."""
    try:
        return decode(data)
    except UNREADABLE:
        mended = LONE_SURROGATE.sub(rb"\\ufffd", data)
    try:
        return decode(mended)
    except UNREADABLE:
        raise UpstreamFailure(Kind.PROTOCOL, not_a_reply(data)) from None


def not_a_reply(data: bytes) -> str:
    start = data.lstrip()[:1]
    if not start:
        return "The provider sent an empty reply."
    if start == b"<":
        return "The provider sent a web page instead of a reply."
    return "The provider sent something that is not a valid reply."


def objects(value: Json) -> list[dict[str, Json]]:
    """The objects of what should be a list of them."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def number(value: Json) -> int:
    """A count; 0 for what is none. Google's JSON may write int64 as strings."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < LARGEST else 0


def proof_of(part: dict[str, Json]) -> Proof | None:
    value = part.get("thoughtSignature")
    return Proof(family=FAMILY, kind="thought", value=value) if isinstance(value, str) and value else None


def call_id(given: Json, seed: str, choice: int, index: int) -> str:
    """The vendor's id, else one that is the same whenever the same reply is read, and unlike any other reply's."""
    if isinstance(given, str) and given:
        return given
    return f"call_{hashlib.sha256(f'{seed}:{choice}:{index}'.encode('utf-8', 'replace')).hexdigest()[:24]}"


def seed_of(whole: dict[str, Json], data: bytes) -> str:
    """What tells this reply from others: its id, else its (first) bytes."""
    return text(whole.get("responseId")) or hashlib.sha256(data).hexdigest()


def broken(reason: str, message: Json) -> UpstreamFailure:
    words = text(message)[:500]
    return UpstreamFailure(
        Kind.SERVER, f"The provider's model broke off: {reason}{': ' + words if words else '.'}", code=reason.lower()
    )


NOTHING_SAID: Final = "The provider's reply has no content."


# -- usage -------------------------------------------------------------------------------------------------------------
HEARD = ("promptTokensDetails", "toolUsePromptTokensDetails")


def usage_in(given: Json) -> Usage | None:
    """``usageMetadata``, whose candidates do not contain the thoughts; None when it counts nothing."""
    if not isinstance(given, dict):
        return None
    tools = number(given.get("toolUsePromptTokenCount"))
    prompt, thoughts = number(given.get("promptTokenCount")), number(given.get("thoughtsTokenCount"))
    output = number(given.get("candidatesTokenCount")) + thoughts
    if "candidatesTokenCount" not in given:
        output = max(thoughts, number(given.get("totalTokenCount")) - prompt - tools)
    if not prompt and not output:
        return None
    return Usage(
        input=prompt + tools,
        cached=number(given.get("cachedContentTokenCount")),
        output=output,
        reasoning=thoughts,
        units=parts_of(
            audio_input=max(sum(_of(given, "AUDIO", *HEARD)) - sum(_of(given, "AUDIO", "cacheTokensDetails")), 0),
            image_output=sum(_of(given, "IMAGE", "candidatesTokensDetails")),
            audio_output=sum(_of(given, "AUDIO", "candidatesTokensDetails")),
        ),
    )


def _of(given: dict[str, Json], modality: str, *names: str) -> list[int]:
    """Tokens of one kind; the prompt's details contain those that came from the cache."""
    rows = [row for name in names if name in given for row in objects(given[name])]
    return [number(row.get("tokenCount")) for row in rows if row.get("modality") == modality]


def usage_out(usage: Usage) -> dict[str, Json]:
    candidates = max(usage.output - usage.reasoning, 0)
    made: dict[str, Json] = {"promptTokenCount": usage.input, "candidatesTokenCount": candidates}
    if usage.cached:
        made["cachedContentTokenCount"] = usage.cached
    if usage.reasoning:
        made["thoughtsTokenCount"] = usage.reasoning
    if (units := usage.units) is not None:
        made["promptTokensDetails"] = _details(usage.input, AUDIO=units.audio_input)
        made["candidatesTokensDetails"] = _details(candidates, IMAGE=units.image_output, AUDIO=units.audio_output)
    return made | {"totalTokenCount": usage.input + usage.output}


def _details(tokens: int, **others: int) -> list[Json]:
    """So many tokens by what they are: text, but for the others."""
    kinds = {"TEXT": max(tokens - sum(others.values()), 0), **others}
    return [{"modality": kind, "tokenCount": count} for kind, count in kinds.items() if count]


# -- log probabilities -------------------------------------------------------------------------------------------------
def logprobs_in(given: Json) -> Json:
    """``logprobsResult`` in OpenAI's shape; None when there is none."""
    if not isinstance(given, dict):
        return None
    tops = objects(given.get("topCandidates"))
    made = []
    for place, chosen in enumerate(objects(given.get("chosenCandidates"))):
        row = _token(chosen)
        row["top_logprobs"] = (
            [_token(other) for other in objects(tops[place].get("candidates"))] if place < len(tops) else []
        )
        made.append(row)
    return {"content": made, "refusal": None} if made else None


def _token(given: dict[str, Json]) -> dict[str, Json]:
    word, likely = text(given.get("token")), given.get("logProbability")
    known = isinstance(likely, (int, float)) and not isinstance(likely, bool)
    return {"token": word, "logprob": likely if known else -9999.0, "bytes": list(word.encode("utf-8", "replace"))}


def logprobs_out(given: Json) -> dict[str, Json] | None:
    rows = objects(given.get("content")) if isinstance(given, dict) else []
    if not rows:
        return None
    return {
        "chosenCandidates": [_likely(row) for row in rows],
        "topCandidates": [{"candidates": [_likely(top) for top in objects(row.get("top_logprobs"))]} for row in rows],
    }


def _likely(row: dict[str, Json]) -> dict[str, Json]:
    return {"token": text(row.get("token")), "logProbability": row.get("logprob", 0.0)}
