"""``:countTokens``: a client's question, an upstream's answer, and the reverse."""

from __future__ import annotations

import msgspec

from providers.wire.errors import Kind, UpstreamFailure
from providers.wire.gemini import answers
from providers.wire.gemini.requests import dump, parse
from providers.wire.reading import Fields
from providers.wire.traits import Traits
from providers.wire.translation import Dumped
from providers.wire.types import Json, Request


def count_request(body: dict[str, Json], model: str) -> Request:
    """``{contents}`` or ``{generateContentRequest: {…}}`` as the request to be counted. Raises Refusal 400."""
    inner = Fields(body).raw("generateContentRequest", "generate_content_request")
    if inner is None:
        return parse(body, model=model)
    Fields(inner, "generateContentRequest")  # an object, or a refusal that names it
    return parse(inner, model=model)


def count_reply(tokens: int, cached: int | None = None) -> bytes:
    """The answer to a client."""
    made = {"totalTokens": tokens}
    return msgspec.json.encode(made | ({"cachedContentTokenCount": cached} if cached else {}))


def count_dump(request: Request, traits: Traits) -> Dumped:
    """The request as the question to an upstream: system text and tools count as well. Raises Refusal 400."""
    whole = dump(request, traits)
    model = f"models/{request.model.removeprefix('models/')}"
    return msgspec.structs.replace(whole, body={"generateContentRequest": {"model": model, **whole.body}})


def count_from(raw: bytes) -> int:
    """The tokens an upstream counted. Raises UpstreamFailure when it tells none."""
    whole = answers.envelope(raw)
    if "totalTokens" not in whole:
        raise UpstreamFailure(Kind.PROTOCOL, "The provider's answer has no count of tokens.")
    return answers.number(whole["totalTokens"])
