"""Claude on Vertex AI: the Messages body without its model, which the path names.

Source: cloud.google.com/vertex-ai/generative-ai/docs/partner-models/use-claude (2026-11).
"""

from __future__ import annotations

import msgspec

from providers.special.base import Headers, Plain, Sending, without

VERSION = msgspec.Raw(b'"vertex-2023-10-16"')


class Raw(Plain):
    """``:rawPredict`` and ``:streamRawPredict``; ``stream`` stays in the body, betas stay a header."""

    def wrap(self, sending: Sending) -> tuple[bytes, Headers]:
        fields = msgspec.json.decode(sending.body, type=dict[str, msgspec.Raw])
        fields.pop("model", None)
        body = msgspec.json.encode({"anthropic_version": VERSION, **fields})
        return body, without(sending.headers, b"anthropic-version")
