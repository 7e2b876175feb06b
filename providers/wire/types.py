"""Canonical values that every format reads into and writes from.

A request, a reply and the events of a stream, in the words of no vendor. What one format says and another cannot is
either here (and its writers say what becomes of it, see ``docs/translation.md``) or it travels as :class:`Opaque` and
only ever goes back to the family it came from. msgspec structs rather than dataclasses: frozen as well, a tenth of the
cost.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import msgspec

Json = Any  # what JSON can say: None, bool, int, float, str, list, dict


class Value(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all values here: immutable, no cycles."""


class Units(Value, frozen=True, kw_only=True):
    """What services are billed by beside plain tokens; 0 = none, or not known.

    ``seconds`` of audio, ``queries`` of a rerank. ``image_output``, ``audio_input`` and ``audio_output`` are tokens:
    the parts of a usage's output and input that are pictures and sound.
    """

    images: int = 0
    characters: int = 0
    seconds: Decimal = Decimal(0)
    queries: int = 0
    image_output: int = 0
    audio_input: int = 0
    audio_output: int = 0


class Usage(Value, frozen=True, kw_only=True):
    """Tokens of one reply, by class.

    ``input`` is the whole prompt; ``cached`` (read from a prompt cache) and ``cache_write`` are parts of it, and
    ``cache_write_1h`` is the part of ``cache_write`` that is kept for an hour. ``output`` is everything generated;
    ``reasoning`` is a part of it. ``estimated``: the tokens were counted by us, not reported. ``units``: of services,
    what they may be billed by instead of tokens; of chats, the parts that are not text.
    """

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: bool = False
    units: Units | None = None

    @property
    def nothing_made(self) -> bool:
        """Whether there is only a prompt: what was given by a service has units other than heard tokens."""
        return self.output == 0 and (self.units is None or self.units.audio_input > 0)


def parts_of(*, audio_input: int = 0, image_output: int = 0, audio_output: int = 0) -> Units | None:
    """The parts of a chat's tokens that are sound and pictures; None in the usual case, that all is text."""
    if not (audio_input or image_output or audio_output):
        return None
    return Units(audio_input=audio_input, image_output=image_output, audio_output=audio_output)


def completed(opening: Usage, counted: Usage) -> Usage:
    """What was reported before an answer, and what was counted of it: the output, and the input where none was told."""
    told = opening if opening.input else msgspec.structs.replace(opening, input=counted.input)
    return msgspec.structs.replace(told, output=max(opening.output, counted.output), estimated=True)


# -- parts of messages -------------------------------------------------------------------------------------------------
Family = Literal["openai_chat", "openai_responses", "anthropic", "gemini"]


class Proof(Value, frozen=True, kw_only=True):
    """What a vendor signed or sealed: goes back byte for byte to the family it came from and to nobody else."""

    family: str  # "anthropic" | "gemini" | "openai_responses" | "openrouter"
    kind: str  # "signature" | "redacted" | "encrypted" | "thought"
    value: str
    id: str = ""  # the vendor's id of the item it belongs to (Responses: rs_…)


class Media(Value, frozen=True, kw_only=True):
    """Bytes as base64 with their type, an address, or a vendor's file id; exactly one of data, url, file_id."""

    media_type: str = ""  # "image/png"; empty when not known
    data: str = ""  # base64 without prefix
    url: str = ""
    file_id: str = ""
    family: str = ""  # whose file_id it is


class Citation(Value, frozen=True, kw_only=True):
    """A source of generated text. Offsets are characters in the text of its part, None when not told."""

    url: str = ""
    title: str = ""
    cited: str = ""
    start: int | None = None
    end: int | None = None
    raw: Json = None  # the vendor's own, for its own family
    family: str = ""


class Text(Value, frozen=True, kw_only=True, tag="text"):
    text: str
    cache: str = ""  # "" | "5m" | "1h": the client marked the prompt up to here for caching
    citations: tuple[Citation, ...] = ()
    proof: Proof | None = None  # Gemini signs text parts as well


class Image(Value, frozen=True, kw_only=True, tag="image"):
    media: Media
    detail: str = ""  # OpenAI: auto | low | high | original
    cache: str = ""


class Document(Value, frozen=True, kw_only=True, tag="document"):
    """A PDF or text file. ``text`` is set for plain-text documents instead of media."""

    media: Media | None = None
    text: str = ""
    name: str = ""
    context: str = ""
    citations: bool = False  # the client wants citations of it
    cache: str = ""


class Audio(Value, frozen=True, kw_only=True, tag="audio"):
    data: str  # base64
    format: str = "wav"


class Refusal(Value, frozen=True, kw_only=True, tag="refusal"):
    text: str


class Reasoning(Value, frozen=True, kw_only=True, tag="reasoning"):
    """Thinking. ``text`` may be empty (redacted or encrypted); ``summary``: the text is a summary of it."""

    text: str = ""
    proof: Proof | None = None
    summary: bool = False


class ToolCall(Value, frozen=True, kw_only=True, tag="call"):
    """``arguments`` is the exact JSON text of the vendor ("" counts as "{}"); for a custom tool the free text."""

    id: str
    name: str
    arguments: str = ""
    custom: bool = False
    namespace: str = ""  # Responses
    proof: Proof | None = None  # Gemini signs calls


class ToolResult(Value, frozen=True, kw_only=True, tag="result"):
    """``name`` of the tool when known (Gemini needs it). ``parts`` are Text, Image, Document."""

    id: str
    name: str = ""
    parts: tuple[Part, ...] = ()
    error: bool = False
    custom: bool = False
    cache: str = ""


class Opaque(Value, frozen=True, kw_only=True, tag="opaque"):
    """A vendor's part without a counterpart elsewhere (server tool use, computer calls …), kept for its own family."""

    family: str
    value: Json


Part = Text | Image | Document | Audio | Refusal | Reasoning | ToolCall | ToolResult | Opaque


class Message(Value, frozen=True, kw_only=True):
    """One turn. ``role``: user | assistant | system (a late instruction in the middle of the conversation)."""

    role: str
    parts: tuple[Part, ...]
    name: str = ""


# -- tools -------------------------------------------------------------------------------------------------------------
class Tool(Value, frozen=True, kw_only=True, tag="tool"):
    """A tool the client runs. ``schema`` is JSON Schema (None: no parameters). ``custom``: free text instead of JSON,
    ``grammar`` its format as OpenAI writes it."""

    name: str
    description: str = ""
    schema: Json = None
    strict: bool | None = None
    custom: bool = False
    grammar: Json = None
    cache: str = ""
    namespace: str = ""
    namespace_description: str = ""


class HostedTool(Value, frozen=True, kw_only=True, tag="hosted"):
    """A tool the vendor runs. ``intent``: web_search | code | files | image | other, to be mapped where another has
    the same; ``value`` is the vendor's own definition, for its own family."""

    intent: str
    family: str
    value: Json


class ToolChoice(Value, frozen=True, kw_only=True):
    """``mode``: auto | none | required | one. ``names``: the one tool, or the allowed ones."""

    mode: str = "auto"
    names: tuple[str, ...] = ()


# -- requests ----------------------------------------------------------------------------------------------------------
class Output(Value, frozen=True, kw_only=True):
    """Structured output. ``kind``: text | json_object | json_schema; ``schema`` for the last."""

    kind: str = "text"
    name: str = ""
    description: str = ""
    schema: Json = None
    strict: bool | None = None


class Thinking(Value, frozen=True, kw_only=True):
    """What the client wants of reasoning. All empty: nothing said.

    ``effort``: none | minimal | low | medium | high | xhigh | max. ``budget``: tokens, -1 = the model decides.
    ``adaptive``: Anthropic's. ``off``: explicitly switched off. ``show``: whether the text is wanted
    (True: full or summarized, False: hidden, None: not said). ``summary``: OpenAI's auto | concise | detailed.
    """

    effort: str = ""
    budget: int | None = None
    adaptive: bool = False
    off: bool = False
    show: bool | None = None
    summary: str = ""


class Request(Value, frozen=True, kw_only=True):
    """One conversation to be continued. Everything that is None or empty was not said by the client."""

    model: str
    stream: bool = False
    include_usage: bool = False  # OpenAI chat: the usage chunk goes to the client
    system: tuple[Text, ...] = ()
    messages: tuple[Message, ...] = ()
    tools: tuple[Tool | HostedTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    n: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: Json = None
    output: Output | None = None
    thinking: Thinking = Thinking()
    verbosity: str = ""
    user: str = ""
    metadata: Json = None  # dict of strings
    service_tier: str = ""
    cache_key: str = ""  # OpenAI prompt_cache_key
    cache: str = ""  # Anthropic's automatic breakpoint: "" | "5m" | "1h"
    safety: Json = None  # Gemini safetySettings
    modalities: tuple[str, ...] = ()  # what may be generated: text, audio, image
    store: bool | None = None  # Responses
    previous_id: str = ""  # Responses previous_response_id
    extra: dict[str, Json] = {}  # top-level fields with no place here, by name, as the client wrote them
    family: str = ""  # whose dialect ``extra`` and opaque values are in
    leans_on: str = ""  # the field of ``extra`` that stands for content which only that family's vendor has
    legacy_functions: bool = False  # OpenAI chat: the tools came as ``functions``, replies say ``function_call``


# -- replies and events ------------------------------------------------------------------------------------------------
# Why a reply ended, in our words; each format has a table to and from its own.
FINISH = (
    "stop", "stop_sequence", "length", "tool_calls", "content_filter", "refusal", "pause", "context_window", "other",
)  # fmt: skip


class Choice(Value, frozen=True, kw_only=True):
    """One of n answers."""

    parts: tuple[Part, ...] = ()
    finish: str = "stop"
    stop_sequence: str = ""
    logprobs: Json = None  # OpenAI's {content: […], refusal: …} shape
    index: int = 0


class Reply(Value, frozen=True, kw_only=True):
    """A whole answer. ``created`` is Unix time, 0 when the vendor does not tell."""

    id: str = ""
    model: str = ""
    created: int = 0
    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None
    service_tier: str = ""


class Start(Value, frozen=True, kw_only=True, tag="start"):
    """First of a stream. ``usage`` when the vendor tells input tokens early."""

    id: str = ""
    model: str = ""
    usage: Usage | None = None


class TextDelta(Value, frozen=True, kw_only=True, tag="text+"):
    text: str
    choice: int = 0
    block: int = 0  # a new number is a new text part
    proof: Proof | None = None
    logprobs: Json = None


class CitationAdded(Value, frozen=True, kw_only=True, tag="citation"):
    citation: Citation
    choice: int = 0


class RefusalDelta(Value, frozen=True, kw_only=True, tag="refusal+"):
    text: str
    choice: int = 0


class ReasoningDelta(Value, frozen=True, kw_only=True, tag="reasoning+"):
    text: str
    choice: int = 0
    block: int = 0
    summary: bool = False


class ReasoningProof(Value, frozen=True, kw_only=True, tag="proof"):
    """Seals the reasoning block that is open, or stands alone (redacted or encrypted thinking without text)."""

    proof: Proof
    choice: int = 0
    block: int = 0


class ToolStart(Value, frozen=True, kw_only=True, tag="call"):
    """``index`` numbers the calls of one choice from 0. Always before its arguments, with id and name."""

    index: int
    id: str
    name: str
    custom: bool = False
    namespace: str = ""
    choice: int = 0


class ToolDelta(Value, frozen=True, kw_only=True, tag="call+"):
    index: int
    arguments: str
    choice: int = 0


class ToolEnd(Value, frozen=True, kw_only=True, tag="call."):
    index: int
    choice: int = 0
    proof: Proof | None = None


class OpaqueAdded(Value, frozen=True, kw_only=True, tag="opaque"):
    part: Opaque
    choice: int = 0


class Finish(Value, frozen=True, kw_only=True, tag="finish"):
    """Once per choice."""

    reason: str
    choice: int = 0
    stop_sequence: str = ""


class UsageSeen(Value, frozen=True, kw_only=True, tag="usage"):
    """May come several times; the last one counts."""

    usage: Usage


Event = (
    Start | TextDelta | CitationAdded | RefusalDelta | ReasoningDelta | ReasoningProof | ToolStart | ToolDelta | ToolEnd
    | OpaqueAdded | Finish | UsageSeen
)  # fmt: skip
