"""Whether a conversation holds turns of another vendor, told to the client in its own format by this gateway.

The vendor that is asked next would refuse them as they are: thinking without its signature, reasoning items it never
stored, calls it did not sign. Such a request is translated, which mends them, instead of passed through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from providers.wire.traits import Traits

Raw = msgspec.Raw
NOTHING = Raw()
UNSIGNED_THINKING = re.compile(rb'"signature"\s*:\s*""')
OUR_REASONING = re.compile(rb'"rs_[0-9a-f]{32}(?:_\d+)?"')  # ids made of a request's; the vendor's own are longer


class _Part(msgspec.Struct):
    functionCall: Raw = NOTHING  # noqa: N815
    function_call: Raw = NOTHING
    thoughtSignature: str | None = None  # noqa: N815
    thought_signature: str | None = None

    @property
    def called(self) -> bool:
        return any(bytes(call) not in (b"", b"null") for call in (self.functionCall, self.function_call))

    @property
    def signed(self) -> bool:
        return bool(self.thoughtSignature or self.thought_signature)


class _Content(msgspec.Struct):
    parts: list[_Part] = []


_contents = msgspec.json.Decoder(list[_Content]).decode


def foreign(format: str, fields: Mapping[str, Raw], traits: Traits) -> bool:
    """Whether a request of this format must not go as it is to a model of a vendor of the same format."""
    found = FOUND.get(format)
    return found is not None and found(fields, traits)


def _messages(fields: Mapping[str, Raw], traits: Traits) -> bool:
    return UNSIGNED_THINKING.search(bytes(fields.get("messages", b""))) is not None


def _responses(fields: Mapping[str, Raw], traits: Traits) -> bool:
    return OUR_REASONING.search(bytes(fields.get("input", b""))) is not None


def _gemini(fields: Mapping[str, Raw], traits: Traits) -> bool:
    """Only the generation that thinks in levels wants the first call of each turn signed."""
    raw = bytes(fields.get("contents", b""))
    if traits.thinking != "level" or (b'"functionCall"' not in raw and b'"function_call"' not in raw):
        return False
    try:
        contents = _contents(raw)
    except (msgspec.DecodeError, RecursionError):
        return False  # the vendor says what is wrong with it
    first = (next((part for part in content.parts if part.called), None) for content in contents)
    return any(part is not None and not part.signed for part in first)


FOUND: Mapping[str, Callable[[Mapping[str, Raw], Traits], bool]] = {
    "anthropic": _messages,
    "openai_responses": _responses,
    "gemini": _gemini,
}
