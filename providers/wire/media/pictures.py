"""Pictures in shapes of vendors' own: what such jobs share, and what they answer in OpenAI's shape."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import gcd
from typing import ClassVar

from providers.wire.errors import Kind, Refusal, UpstreamFailure
from providers.wire.media.bodies import bad_reply, bad_value, encode
from providers.wire.media.images import Images
from providers.wire.media.job import Answer, Dialect
from providers.wire.media.told import Told, unsupported
from providers.wire.types import Json, Usage

MOST_CALLS = 10  # pictures of one request, where each is a call of its own
SIZE = re.compile(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")
FORMS = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp"}  # media type → OpenAI's output_format
BASE64, ADDRESS = "b64_json", "url"  # the words of ``response_format``


class Pictures(Told[Images]):
    """An images job for one vendor.

    ``comes_as``: the vendor's pictures, in the words of ``response_format``; ``at_once``: several come of one call.
    """

    __slots__ = ()
    comes_as: ClassVar[str] = BASE64
    at_once: ClassVar[bool] = False

    @property
    def count(self) -> int:
        """How many pictures are asked for."""
        count: int = self.job.fields.get("n") or 1
        return count

    def objection(self, dialect: Dialect) -> Refusal | None:
        if self.job.stream:
            return unsupported("This model's pictures do not come as a stream.", "stream")
        if self.job.fields.get("response_format") not in (None, self.comes_as):
            return unsupported(f"This model's pictures come as '{self.comes_as}' only.", "response_format")
        if not self.at_once and self.count > MOST_CALLS:
            return bad_value("n", f"an integer of at most {MOST_CALLS}")
        return None

    def answer(self, pictures: Sequence[Mapping[str, Json]], usage: Usage, *, form: str | None = None) -> Answer:
        """OpenAI's shape. Raises UpstreamFailure without a picture."""
        if not pictures:
            raise no_picture()
        whole: dict[str, Json] = {"created": self.created, "data": list(pictures)}
        if form in FORMS:
            whole["output_format"] = FORMS[form]
        return Answer(body=encode(whole), usage=usage)


def size_of(fields: Mapping[str, Json]) -> tuple[int, int] | None:
    """Width and height in pixels; None where none are said ("auto", nothing, other words)."""
    found = SIZE.fullmatch(fields.get("size") or "")
    return (int(found[1]), int(found[2])) if found else None


def ratio_of(fields: Mapping[str, Json], known: Sequence[str]) -> str | None:
    """The asked size as one of the ratios a vendor knows; None when it is none of them."""
    size = size_of(fields)
    if size is None:
        return None
    part = gcd(*size)
    ratio = f"{size[0] // part}:{size[1] // part}"
    return ratio if ratio in known else None


def filtered(words: str = "") -> UpstreamFailure:
    """The vendor's rules forbid the picture: another vendor's may not."""
    sentence = f"The provider refused to make this picture{': ' + words[:500] if words else '.'}"
    return UpstreamFailure(Kind.CONTENT_FILTER, sentence, status=400, code="content_policy_violation")


def no_picture() -> UpstreamFailure:
    return bad_reply("The provider's reply has no picture.")
