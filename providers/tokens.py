"""Tokens counted by ourselves, for replies whose provider reported none. Estimates, and marked as such.

The counter is bpe-openai's Rust core with OpenAI's o200k vocabulary inside. Only the extension module is loaded: the
package's Python part builds dictionaries of every vocabulary when imported (0.7 s, 70 MB more) and adds nothing here.
Loading takes 0.1 s and 35 MB of memory, at the first estimate and never before; then 4 MB of text a second and more.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
from collections.abc import Iterator
from functools import cache
from importlib.machinery import PathFinder
from typing import Any

import msgspec

from providers.wire.types import Usage

log = logging.getLogger(__name__)
loading = threading.Lock()  # two threads at once would load it twice

LONGEST_TEXT = 400_000  # bytes; longer texts are estimated by their length
BYTES_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4  # role and separators
TOKENS_TO_BEGIN = 3  # every reply is primed with its role
TOKENS_PER_IMAGE = 765  # a 1024×1024 picture at full detail, as OpenAI's tile formula counts it
DEEPEST = 8  # what a tool gave back nests six levels; the rest is somebody's joke
# Where the formats that providers speak hold a prompt: its turns, and what is said beside them.
TURNS = ("messages", "input", "contents")
ASIDE = ("prompt", "system", "instructions", "systemInstruction", "system_instruction")
DECLARED = ("tools", "functions", "response_format")
# Inside of those: words, what holds words, and values that a model reads as JSON.
WORDS = ("text", "refusal", "thinking", "reasoning_content", "name", "arguments")
HOLDERS = (
    "content", "parts", "output", "summary", "tool_calls", "function", "function_call", "functionCall",
    "functionResponse",
)  # fmt: skip
VALUES = ("input", "args", "response")
PICTURES = ("image_url", "image", "input_image")
SENDERS = ("input_audio", "file", "source", "inlineData", "inline_data")  # of a part, or the part itself
# Of what is sent as base64: tokens at least, and characters for each. Rough: 20 tokens a second of WAV at 256 kbit/s,
# and of other sound at 64; 300 a second of film at 1 Mbit/s; 2000 for 50 KB of a document, about a page. What is only
# named by an address or an id counts as nothing: there is nothing to go by.
WAV, SOUND, FILM, PLAIN, PAPER = (20, 2133), (20, 533), (300, 555), (1, 5), (2000, 33)
KINDS = (("audio/", SOUND), ("video/", FILM), ("text/", PLAIN))
SENT = (None, "base64", "text", "input_file")  # types of what holds it, where it has one


def estimate_text(text: str) -> int:
    """Tokens of a text under o200k; beyond 400 KB a quarter of its bytes. Never raises."""
    if not text:
        return 0
    raw = text.encode("utf-8", "replace")
    with loading:
        counter = _counter() if len(raw) <= LONGEST_TEXT else None
    if counter is None:
        return len(raw) // BYTES_PER_TOKEN
    count: int = counter.count(raw.decode())
    return count


def estimate_chat(body: bytes, reply: bytes) -> Usage:
    """Usage of a chat or completion from the request's body and what came back: a JSON reply, or the bytes of an SSE
    stream, whole or cut. Never raises: what cannot be read counts by its length, or not at all when it is no reply."""
    request = _json(body)
    if isinstance(request, dict):
        prompt = _prompt_tokens(request)
    else:
        prompt = len(body) // BYTES_PER_TOKEN
    spoken: list[str] = []
    thought: list[str] = []
    for document in _documents(reply):
        for choice in _list(_get(document, "choices")):
            _collect(choice, spoken, thought)
    reasoning = estimate_text("".join(thought))
    return Usage(input=prompt, output=estimate_text("".join(spoken)) + reasoning, reasoning=reasoning, estimated=True)


@cache
def _counter() -> Any:
    package = importlib.util.find_spec("bpe_openai")  # found, not imported
    spec = PathFinder.find_spec("_bindings", package.submodule_search_locations) if package else None
    if spec is None or spec.loader is None:
        log.warning("bpe-openai is not installed completely: tokens are estimated by length.")
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.tokenizer_for_encoding("o200k_base")


# -- the prompt ---------------------------------------------------------------------------------------------------
def _prompt_tokens(request: dict[str, Any]) -> int:
    """Of a request in any format: what leaves is counted, whatever the client wrote."""
    texts: list[str] = []
    turns = [request.get(name) for name in TURNS]
    media = sum(_content(each, texts) for each in (*turns, *map(request.get, ASIDE)))
    texts.extend(msgspec.json.encode(request[name]).decode() for name in DECLARED if request.get(name))
    said = sum(len(_list(each)) for each in turns)
    overhead = TOKENS_PER_MESSAGE * said + TOKENS_TO_BEGIN if said else 0
    return estimate_text("\n".join(texts)) + media + overhead


def _content(content: Any, texts: list[str], depth: int = 0) -> int:
    """Adds a content's texts; returns the tokens of what else it holds."""
    if isinstance(content, str):
        texts.append(content)
    elif isinstance(content, list) and depth < DEEPEST:
        return sum(_content(part, texts, depth + 1) for part in content)
    elif isinstance(content, dict) and depth < DEEPEST:
        return _part(content, texts, depth + 1)
    return 0


def _part(part: dict[str, Any], texts: list[str], depth: int) -> int:
    if part.get("type") in PICTURES or _is_picture(part.get("inlineData") or part.get("fileData")):
        return TOKENS_PER_IMAGE
    texts.extend(_strings(part, WORDS))
    texts.extend(msgspec.json.encode(part[name]).decode() for name in VALUES if part.get(name))
    sent = sum(_sent(each) for each in (part, *map(part.get, SENDERS)) if isinstance(each, dict))
    return sent + sum(_content(part.get(name), texts, depth) for name in HOLDERS)


def _is_picture(data: Any) -> bool:
    return any(kind.startswith("image/") for kind in _strings(data, ("mimeType",)))


def _sent(holder: dict[str, Any]) -> int:
    """Tokens of the base64 that a part holds, if it does; sealed thinking is none."""
    if holder.get("type") not in SENT:
        return 0
    data = "".join(_strings(holder, ("data", "file_data"))[:1])
    kind = "".join(_strings(holder, ("mimeType", "mime_type", "media_type"))[:1])
    if data.startswith("data:"):
        kind, _, data = data[5:].partition(",")
    if not data:
        return 0
    if kind.startswith("image/"):
        return TOKENS_PER_IMAGE
    kind = "audio/" if "format" in holder else kind
    least, each = next((measure for begin, measure in KINDS if kind.startswith(begin)), PAPER)
    if (least, each) == SOUND and data.startswith("UklG"):
        least, each = WAV
    return max(least, len(data) // each)


# -- the reply ----------------------------------------------------------------------------------------------------
def _documents(reply: bytes) -> Iterator[Any]:
    """The JSON documents of a reply: one, or one per SSE data line; unreadable ones are left out."""
    whole = _json(reply)
    if isinstance(whole, dict):
        yield whole
        return
    for line in reply.replace(b"\r", b"\n").split(b"\n"):
        if line.startswith(b"data:"):
            yield _json(line[5:])


def _collect(choice: Any, spoken: list[str], thought: list[str]) -> None:
    spoken.extend(_strings(choice, ("text",)))
    said = _get(choice, "delta") or _get(choice, "message")
    _content(_get(said, "content"), spoken)
    spoken.extend(_strings(said, ("refusal",)))
    spoken.extend(_call_texts(said))
    # Some vendors send both names with the same words.
    thought.extend(_strings(said, ("reasoning_content",)) or _strings(said, ("reasoning",)))


def _call_texts(message: Any) -> list[str]:
    calls = [_get(call, "function") for call in _list(_get(message, "tool_calls"))]
    return [text for call in (*calls, _get(message, "function_call")) for text in _strings(call, ("name", "arguments"))]


# -- careful reading ----------------------------------------------------------------------------------------------
def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _strings(value: Any, names: tuple[str, ...]) -> list[str]:
    found = (_get(value, name) for name in names)
    return [text for text in found if isinstance(text, str) and text]
