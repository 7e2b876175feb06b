"""The response object: what it repeats of its request, and its states."""

from __future__ import annotations

import msgspec

from providers.wire.openai_responses.tools import choice_json, tools_json
from providers.wire.openai_responses.vocabulary import FAMILY, REASONS, ROLE, own, usage_json
from providers.wire.translation import Asked, Names, joined
from providers.wire.types import HostedTool, Json, Output, Request, Usage


class AsKnown(Names):
    """Tool names as the client knows them."""

    __slots__ = ()

    def send(self, name: str, namespace: str = "") -> str:
        return name


def response_id(asked: Asked) -> str:
    return f"resp_{asked.id}"


def head(asked: Asked) -> dict[str, Json]:
    """All that does not change from the first event to the last. Tools are written once: there may be many."""
    request = asked.request
    extra = request.extra if request.family == FAMILY else {}
    conversation = extra.get("conversation")
    return {
        "id": response_id(asked),
        "object": "response",
        "created_at": asked.created,
        "background": False,
        "conversation": {"id": conversation} if isinstance(conversation, str) else conversation,
        "instructions": joined(text.text for text in request.system if own(text.proof, ROLE) is None) or None,
        "max_output_tokens": request.max_tokens,
        "max_tool_calls": extra.get("max_tool_calls"),
        "metadata": request.metadata or {},
        "model": asked.model,
        "parallel_tool_calls": request.parallel_tools is not False,
        "previous_response_id": request.previous_id or None,
        "prompt_cache_key": request.cache_key or None,
        "reasoning": _reasoning(request),
        "safety_identifier": extra.get("safety_identifier"),
        "service_tier": request.service_tier or "default",
        "store": request.store is not False,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": _text(request),
        "tool_choice": extra.get("tool_choice") or choice_json(request, AsKnown()) or "auto",
        "tools": _tools(request),
        "top_logprobs": request.top_logprobs or 0,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "truncation": extra.get("truncation", "disabled"),
        "user": request.user or None,
    }


def running(head: dict[str, Json]) -> dict[str, Json]:
    """A response that has begun."""
    return {**head, "status": "in_progress", "error": None, "incomplete_details": None, "output": [], "usage": None}


def ended(head: dict[str, Json], output: list[Json], finish: str, usage: Usage | None) -> dict[str, Json]:
    """A response that came to its end: completed, or incomplete when it was cut. ``finish`` is one of FINISH."""
    reason = REASONS.get(finish)
    if finish == "refusal" and not _refused(output):
        reason = "content_filter"  # the vendor stopped without a word of its own
    return {
        **head,
        "status": "incomplete" if reason else "completed",
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "output": output,
        "usage": usage_json(usage) if usage is not None else None,
    }


def failed(head: dict[str, Json], output: list[Json], code: str, message: str) -> dict[str, Json]:
    error = {"code": code, "message": message}
    state = {"status": "failed", "error": error, "incomplete_details": None, "output": output, "usage": None}
    return {**head, **state}


def _refused(output: list[Json]) -> bool:
    return any(part.get("type") == "refusal" for item in output for part in item.get("content") or ())


def _reasoning(request: Request) -> dict[str, Json]:
    thinking = request.thinking
    return {"effort": thinking.effort or None, "summary": thinking.summary or None}


def _text(request: Request) -> dict[str, Json]:
    output = request.output or Output()
    form: dict[str, Json] = {"type": output.kind}
    if output.kind == "json_schema":
        form |= {"name": output.name, "schema": output.schema, "strict": output.strict}
        form |= {"description": output.description} if output.description else {}
    return {"format": form, **({"verbosity": request.verbosity} if request.verbosity else {})}


def _tools(request: Request) -> Json:
    hosted = [tool.value for tool in request.tools if isinstance(tool, HostedTool) and tool.family == FAMILY]
    return msgspec.Raw(msgspec.json.encode(tools_json(request, AsKnown(), hosted)))
