"""What one model of one upstream takes, as far as its writers must know: data from the catalogue, never code."""

from __future__ import annotations

from typing import Literal

from providers.wire.types import Value

# What an upstream demands of the order of messages: nothing; user and assistant by turns; no user right behind a tool,
# and an assistant's last message marked as a beginning (Mistral).
Turns = Literal["", "alternating", "mistral"]


class Traits(Value, frozen=True, kw_only=True):
    """``family`` is whose proofs and opaque parts may go to it. Unknown capabilities (None) are taken to be there."""

    family: str = ""
    capabilities: frozenset[str] | None = None  # vision, tools, reasoning, json_schema, pdf, audio_in, web_search …
    max_output: int | None = None  # tokens; the default where the format demands a maximum
    developer_role: bool = False  # OpenAI's own models; everybody else gets system
    takes_developer: bool = False  # not OpenAI's, yet takes a client's message of that role as it is
    system_role: bool = True  # False (GLM up to 5.0, ERNIE): system text goes in front of the first user text
    sampling: bool = True  # takes temperature, top_p, top_k, penalties
    prefill: bool = True  # the last message may be the assistant's
    max_tokens_field: str = "max_tokens"  # or max_completion_tokens
    thinking: str = "effort"  # effort | budget | adaptive | both (budget and adaptive) | level | none
    efforts: frozenset[str] | None = None  # those it knows beside low, medium and high; None: nobody says
    reasoning_in: bool = False  # wants earlier reasoning text back (DeepSeek within a tool turn)
    stream_usage: bool = True  # takes stream_options.include_usage
    turns: Turns = ""
    message_names: bool = True  # takes messages[].name
    json_schema: bool = True  # False: response_format knows json_object only, whatever the models can (DeepSeek)
    tool_id: str = ""  # a pattern name of providers.wire.ids: "" (any), "mistral"
    stop_limit: int = 0  # 0: no limit known

    def can(self, capability: str) -> bool:
        return self.capabilities is None or capability in self.capabilities
