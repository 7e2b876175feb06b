"""What a request may need at most, before anybody has counted: for reservations, not for bills.

Measured on English, code and JSON, o200k and Claude's tokenizer take 3 to 5 bytes a token, and 2 only for digits and
dense markup: so two bytes a token bound the money, four estimate the tokens per minute.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from providers.entry import Entry, Price
from providers.prices import cost, dearest
from providers.upstream import Attempt
from providers.wire.types import Units, Usage
from routing.gateway.hosted import run_by_vendor
from routing.gateway.media import media_of

DEFAULT_OUTPUT = 4096  # tokens, where neither the client nor the model's data says how much may come
# Of operations beside chat; none of them takes a limit from the client.
OUTPUTS: Mapping[str, int] = {
    "count": 0, "embeddings": 0, "rerank": 0, "moderation": 0, "images": 8192, "speech": 8192, "transcription": 4096,
}  # fmt: skip
SERVICES = OUTPUTS.keys() - {"count"}  # priced by the unit, some of them
LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens", "maxOutputTokens")
TIMES = ("n", "best_of", "candidateCount")  # how many answers
WITHIN = ("generationConfig", "generation_config")  # where Gemini says it
MOST_NUMBER, MOST_OUTPUT = 10**9, 10**11  # beyond what any budget pays, and small enough for its counters
BOUND_BYTES, USUAL_BYTES = 2, 4  # per token
RECORDING_BYTES = 100  # of sound per token
DRAWN_FROM = ("images",)  # operations beside chat that take pictures as base64; it is text, and dearer, in the others
EMBEDDED = re.compile(rb"[A-Za-z0-9+/]{2000,}")  # pictures, sound and documents inside JSON
EMBEDDED_TOKENS, EMBEDDED_BYTES = 2000, 20  # at least so many each; one for so many bytes
# Whether there is any such run is found 10 times as fast without a pattern, and 100 times by every 32nd byte, of which
# a run has 62; few texts without one have so many.
MARKS = bytes(97 if chr(byte).isascii() and (chr(byte).isalnum() or byte in b"+/") else 32 for byte in range(256))
RUN, STEP = b"a" * 2000, 32
STEPS = b"a" * (len(RUN) // STEP)
SCANNED_FROM = 16 * 1024


class Demand(msgspec.Struct, eq=False):
    """What is asked for, as far as it bounds the need. ``fields``: the body's top level, raw or read;
    ``most``: the most units of a service that it may come to, None where nothing bounds them.

    ``leaving``: the body that would go upstream with an attempt, and its top level, when it is another than the
    client's: policies, translation and put-back conversations change how long a prompt is and how long its answer may
    be. None when it cannot be said to that provider. ``spare``: leave out of an attempt what has no bound and can be
    done without; whether there was such.
    """

    operation: str
    body: bytes
    fields: Mapping[str, object] = {}
    most: Callable[[], Units | None] = Units
    leaving: Callable[[Attempt], tuple[bytes, Mapping[str, object]] | None] | None = None
    spare: Callable[[Attempt], bool] = lambda attempt: False

    def usual(self) -> int:
        """Tokens that are counted until the real number is known: the prompt's, and the answer's as far as stated."""
        stated = _stated(self.fields, "") if self.operation in ("chat", "completions") else 0
        return self._tokens(USUAL_BYTES, embeds=True) + min(stated or 0, DEFAULT_OUTPUT)

    def worst(self, attempt: Attempt, price: Price) -> Decimal | None:
        """USD the request costs at most at this price; None when the price lacks a class that may be needed, or for
        what :meth:`boundless` tells."""
        leaves = self._as_left(attempt)
        if self.operation == "chat" and run_by_vendor(leaves.fields):
            return None
        entry, known = attempt.entry, attempt.entry.models.get(attempt.model)
        prompt = leaves._prompt(_context(attempt) if self.operation not in SERVICES else None)
        output = leaves._output(entry, known.max_output if known is not None else None)
        if prompt is None:
            return Decimal(0) if dearest(MOST_NUMBER, 1, price) == 0 else None
        if self.operation in SERVICES and price.per:
            return leaves._of_service(prompt, output, price)
        return dearest(prompt, output, price)

    def boundless(self, attempt: Attempt) -> str:
        """What of the request nothing bounds, in words: a tool that the vendor runs; something whose tokens only the
        model's context bounds, where it is not known. "" when there is no such thing, so that the price is at fault."""
        leaves = self._as_left(attempt)
        if self.operation != "chat":
            return ""
        if tool := run_by_vendor(leaves.fields):
            return f"the tool '{tool}', which the provider runs and bills by the call"
        if _context(attempt) is None and media_of(leaves.fields).boundless:
            return "a document, sound, film or something kept by the provider, to a model whose context is not known"
        return ""

    def _as_left(self, attempt: Attempt) -> Demand:
        leaving = self.leaving(attempt) if self.leaving is not None else None
        return self if leaving is None else Demand(self.operation, *leaving, self.most)

    def _prompt(self, context: int | None) -> int | None:
        """Tokens at most, where the model has so much context; None when nothing bounds them."""
        if self.operation != "chat":
            tokens = self._tokens(BOUND_BYTES, embeds=self.operation in DRAWN_FROM)
            return tokens if context is None else min(tokens, context * self._prompts())
        media = media_of(self.fields)
        if media.boundless:
            return context
        tokens = (len(self.body) - media.sent) // BOUND_BYTES + 1 + media.tokens
        return tokens if context is None else min(tokens, context)

    def _of_service(self, prompt: int, output: int, price: Price) -> Decimal | None:
        """The dearest of the ways a price with units may be counted: plain tokens, tokens of pictures or sound, units.
        None when it has a unit that nothing bounds."""
        most = self.most()
        if most is None:
            return None
        usages = [
            Usage(input=prompt, output=output),
            Usage(input=prompt, output=output, units=Units(audio_input=prompt, image_output=output)),
            Usage(input=prompt, output=output, units=Units(audio_input=prompt, audio_output=output)),
            Usage(units=most),
        ]
        return max((found for usage in usages if (found := cost(usage, price)) is not None), default=None)

    def _output(self, entry: Entry, most: int | None) -> int:
        if self.operation in OUTPUTS:
            return OUTPUTS[self.operation] * (_times(self.fields) if self.operation == "images" else 1)
        stated = _stated(self.fields, *entry.request.drop)
        each = min(stated, most) if stated and most else stated or most or DEFAULT_OUTPUT
        return min(each * _times(self.fields) * self._prompts(), MOST_OUTPUT)

    def _prompts(self) -> int:
        return _prompts(self.fields.get("prompt")) if self.operation == "completions" else 1

    def _tokens(self, bytes_per_token: int, *, embeds: bool) -> int:
        """``embeds``: long runs of base64 count as pictures or sound, not as text."""
        if self.operation == "count":
            return 0
        if self.operation == "transcription":
            return len(self.body) // RECORDING_BYTES + 1
        plain, embedded = len(self.body), 0
        if embeds and plain > SCANNED_FROM and _has_run(self.body):
            for found in EMBEDDED.finditer(self.body):
                size = found.end() - found.start()
                plain -= size
                embedded += max(EMBEDDED_TOKENS, size // EMBEDDED_BYTES)
        return plain // bytes_per_token + 1 + embedded


def _context(attempt: Attempt) -> int | None:
    known = attempt.entry.models.get(attempt.model)
    return known.context if known is not None else None


def _has_run(body: bytes) -> bool:
    return STEPS in body[::STEP].translate(MARKS) and RUN in body.translate(MARKS)


def _stated(fields: Mapping[str, object], *dropped: str) -> int | None:
    """The largest limit on the answer that the client set and the provider is told."""
    most = 0
    for name in LIMITS:
        if name in fields and name not in dropped:
            most = max(most, _number(fields[name]) or 0)
    return most or _within(fields, "maxOutputTokens", "max_output_tokens")


def _times(fields: Mapping[str, object]) -> int:
    most = _within(fields, "candidateCount", "candidate_count") or 1
    for name in TIMES:
        if name in fields:
            most = max(most, _number(fields[name]) or 0)
    return most


def _prompts(prompt: object) -> int:
    """How many prompts a completion answers, each for itself: a list of numbers is one."""
    if not isinstance(prompt, msgspec.Raw):
        prompt = msgspec.Raw(msgspec.json.encode(prompt))
    if not bytes(prompt).startswith(b"["):
        return 1
    first = [bytes(one)[:1] for one in msgspec.json.decode(prompt, type=list[msgspec.Raw])]
    return len(first) if any(mark in b'"[{' for mark in first) else 1


def _within(fields: Mapping[str, object], *names: str) -> int | None:
    most = 0
    for place in WITHIN:
        if place not in fields:
            continue
        inner = fields[place]
        if isinstance(inner, msgspec.Raw):
            try:
                inner = msgspec.json.decode(inner, type=dict[str, msgspec.Raw])
            except msgspec.MsgspecError:
                continue
        if isinstance(inner, Mapping):
            most = max(most, *(_number(inner.get(name)) or 0 for name in names))
    return most or None


def _number(value: object) -> int | None:
    """A positive whole number, also one written as text, with a fraction of zero or an exponent, as proto3's JSON and
    many a reader take it; what is none bounds nothing."""
    if value is None:
        return None
    word = bytes(value) if isinstance(value, msgspec.Raw) else str(value).encode("utf-8", "replace")
    return int(word) if word.isdigit() and len(word) < 10 else _odd_number(value)


def _odd_number(value: object) -> int | None:
    try:
        read = msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
        number = Decimal(str(read))
        whole = number.is_finite() and number == number.to_integral_value()
    except (ArithmeticError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    return int(min(number, Decimal(MOST_NUMBER))) if whole and number > 0 else None
