"""Pictures of Gemini's models by generateContent, and of Imagen's by predict.

Source: the types of the ``google-genai`` SDK 3.4.0 and ai.google.dev/gemini-api/docs (2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from providers.wire.gemini import answers
from providers.wire.media.bodies import encode, with_units
from providers.wire.media.job import Answer, Dialect, Outgoing, unsaid
from providers.wire.media.pictures import Pictures, filtered, no_picture, ratio_of
from providers.wire.types import Json, Usage

RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "9:16", "16:9", "21:9")
IMAGEN_RATIOS = ("1:1", "3:4", "4:3", "9:16", "16:9")
READ = frozenset(("model", "prompt", "n", "response_format", "stream"))


class Generated(Pictures):
    """A model that writes and draws: one picture a call, among the parts of its answer."""

    __slots__ = ()

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        config: dict[str, Json] = {"responseModalities": ["TEXT", "IMAGE"]}
        ratio = ratio_of(self.job.fields, RATIOS)
        if ratio:
            config["imageConfig"] = {"aspectRatio": ratio}
        contents = [{"role": "user", "parts": [{"text": self.job.fields["prompt"]}]}]
        body = encode({"contents": contents, "generationConfig": config})
        return Outgoing(bodies=(body,) * self.count, dropped=_unsaid(self.job.fields, ratio))

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        wholes = [answers.envelope(reply) for reply in replies]
        drawn = [picture for whole in wholes for picture in _drawn(whole)]
        usage = _usage([whole.get("usageMetadata") for whole in wholes])
        pictures = [{"b64_json": picture["data"]} for picture in drawn]
        return self.answer(pictures, with_units(usage, images=len(pictures)), form=_form(drawn, "mimeType"))


class Imagen(Pictures):
    """A model that only draws: several pictures a call, and no usage."""

    __slots__ = ()
    at_once: ClassVar[bool] = True

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        said: dict[str, Json] = {"sampleCount": self.count}
        ratio = ratio_of(self.job.fields, IMAGEN_RATIOS)
        if ratio:
            said["aspectRatio"] = ratio
        body = encode({"instances": [{"prompt": self.job.fields["prompt"]}], "parameters": said})
        return Outgoing(bodies=(body,), dropped=_unsaid(self.job.fields, ratio))

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer:
        found = answers.objects(answers.envelope(replies[0]).get("predictions"))
        drawn = [one for one in found if answers.text(one.get("bytesBase64Encoded"))]
        reasons = [words for one in found if (words := answers.text(one.get("raiFilteredReason")))]
        if not drawn and reasons:
            raise filtered(reasons[0])
        pictures = [{"b64_json": one["bytesBase64Encoded"]} for one in drawn]
        return self.answer(pictures, with_units(None, images=len(pictures)), form=_form(drawn, "mimeType"))


def _unsaid(fields: Mapping[str, Json], ratio: str | None) -> tuple[str, ...]:
    return unsaid(fields, READ | {"size"} if ratio else READ)


def _drawn(whole: dict[str, Json]) -> list[dict[str, Json]]:
    """The pictures of one reply, drafts of its thinking left out. Raises UpstreamFailure without any."""
    feedback, rows = whole.get("promptFeedback"), answers.objects(whole.get("candidates"))
    if not rows and isinstance(feedback, dict) and feedback.get("blockReason"):
        raise filtered(answers.text(feedback.get("blockReasonMessage")) or answers.text(feedback["blockReason"]))
    contents = [row["content"] for row in rows if isinstance(row.get("content"), dict)]
    parts = [part for content in contents for part in answers.objects(content.get("parts")) if not part.get("thought")]
    found = [part["inlineData"] for part in parts if isinstance(part.get("inlineData"), dict)]
    drawn = [data for data in found if answers.text(data.get("data")) and _is_picture(data)]
    if not drawn:
        raise _undrawn(rows)
    return drawn


def _is_picture(data: dict[str, Json]) -> bool:
    return answers.text(data.get("mimeType")).startswith("image/")


def _undrawn(rows: list[dict[str, Json]]) -> Exception:
    for row in rows:
        reason = answers.text(row.get("finishReason"))
        if answers.FINISH_IN.get(reason) == "content_filter":
            return filtered(answers.text(row.get("finishMessage")) or reason)
        if reason in answers.BROKEN:
            return answers.broken(reason, row.get("finishMessage"))
    return no_picture()


def _form(drawn: Sequence[Mapping[str, Json]], name: str) -> str | None:
    """The media type that all of them have."""
    kinds = {answers.text(one.get(name)) for one in drawn}
    return kinds.pop() if len(kinds) == 1 else None


def _usage(given: Sequence[Json]) -> Usage | None:
    """What all calls took; None when none of them said. The pictures' own tokens are counted where they are told."""
    known = [usage for one in given if (usage := answers.usage_in(one)) is not None]
    if not known:
        return None
    whole = Usage(
        input=sum(usage.input for usage in known),
        cached=sum(usage.cached for usage in known),
        output=sum(usage.output for usage in known),
        reasoning=sum(usage.reasoning for usage in known),
    )
    drawn = sum(usage.units.image_output for usage in known if usage.units is not None)
    return with_units(whole, image_output=drawn) if drawn else whole
