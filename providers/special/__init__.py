"""The few that data cannot describe: shapes of a vendor's own around a format that is known. One table."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from providers.special.base import Envelope
from providers.special.bedrock import Invoke
from providers.special.code_assist import Antigravity, CodeAssist
from providers.special.codex import Codex
from providers.special.converse import Converse
from providers.special.copilot import Copilot
from providers.special.kiro import Kiro
from providers.special.vertex import Raw

ENVELOPES: Mapping[str, Envelope] = {
    "antigravity": Antigravity(),  # around gemini
    "bedrock_converse": Converse(),  # around anthropic
    "bedrock_invoke": Invoke(),  # around anthropic
    "code_assist": CodeAssist(),  # around gemini
    "codex": Codex(),  # around openai_responses
    "copilot": Copilot(),  # around openai_chat and openai_responses
    "kiro": Kiro(),  # around anthropic
    "vertex_raw": Raw(),  # around anthropic
}
# Known, and not spoken: why, as a sentence for people.
UNSPOKEN: Mapping[str, Any] = {
    "cursor": _(
        "Its protocol has no public description, so no request can be sent; connections are kept until it has one."
    ),
}

__all__ = ["ENVELOPES", "UNSPOKEN", "Envelope"]
