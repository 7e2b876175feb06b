"""Pictures of Hyperbolic and MiniMax: each a small object of its own.

Source: docs.hyperbolic.xyz, platform.minimax.io/docs (2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.media.bodies import NULL, bad_reply, decoded, encode, reply_object, with_units
from providers.wire.media.job import Answer, Dialect, Outgoing, unsaid
from providers.wire.media.pictures import ADDRESS, Pictures, no_picture, ratio_of, size_of
from providers.wire.types import Json

READ = frozenset(("model", "prompt", "n", "response_format", "stream"))
RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "9:16", "16:9")


class Hyperbolic(Pictures):
    """``{model_name, prompt, width, height}`` → ``{images: [{image: base64}]}``; one picture a call."""

    __slots__ = ()

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        said: dict[str, Json] = {"model_name": model, "prompt": self.job.fields["prompt"]}
        size = size_of(self.job.fields)
        if size:
            said |= {"width": size[0], "height": size[1]}
        dropped = unsaid(self.job.fields, READ | {"size"} if size else READ)
        return Outgoing(bodies=(encode(said),) * self.count, dropped=dropped)

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        found = [one for reply in replies for one in decoded(reply_object(reply, "images")["images"])]
        pictures = [{"b64_json": _text(one.get("image") if isinstance(one, dict) else None)} for one in found]
        return self.answer(pictures, with_units(None, images=len(pictures)))


class MiniMax(Pictures):
    """``{model, prompt, aspect_ratio, n, response_format}`` → ``{data: {image_urls: […]}}``; what is wrong is told in
    ``base_resp``, and pictures come as addresses only: how others come is not known."""

    __slots__ = ()
    comes_as: ClassVar[str] = ADDRESS
    at_once: ClassVar[bool] = True

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        said: dict[str, Json] = {"model": model, "prompt": self.job.fields["prompt"], "response_format": "url"}
        ratio = ratio_of(self.job.fields, RATIOS)
        if ratio:
            said["aspect_ratio"] = ratio
        if self.job.fields.get("n") is not None:
            said["n"] = self.count
        return Outgoing(bodies=(encode(said),), dropped=unsaid(self.job.fields, READ | {"size"} if ratio else READ))

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        reply = reply_object(replies[0])
        _check(decoded(reply.get("base_resp", NULL)))
        data = decoded(reply.get("data", NULL))
        urls = data.get("image_urls") if isinstance(data, dict) else None
        if not isinstance(urls, list):
            raise no_picture()
        pictures = [{"url": _text(url)} for url in urls]
        return self.answer(pictures, with_units(None, images=len(pictures)))


def _check(said: Json) -> None:
    """MiniMax tells its errors in a good reply: a number, 0 when all is well, and words."""
    if not isinstance(said, dict):
        return
    code, words = said.get("status_code"), said.get("status_msg")
    if code not in (None, 0, "0"):
        sentence = words[:500] if isinstance(words, str) and words else "The provider reported an error."
        raise UpstreamFailure(Kind.SERVER, sentence, code=str(code))


def _text(value: Json) -> str:
    if not isinstance(value, str) or not value:
        raise bad_reply("The provider's picture is empty.")
    return value
