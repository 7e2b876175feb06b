"""Conversations by the SDKs ``anthropic`` and ``google-genai``."""

from __future__ import annotations

from typing import Any

import anthropic
from google import genai
from google.genai import types

from tests.pairs.words import PLAIN, Call, Json, Part, Said, Wish
from tests.simulator import Tokens

OLD = {"anthropic-version": "2023-06-01"}  # where sampling parameters still are
STOPS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}
STOPS |= {"refusal": "content_filter"}
FINISHES = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter", "PROHIBITED_CONTENT": "content_filter"}


class MessagesTalk:
    """Earlier turns go back with all their blocks, thinking and signatures included."""

    def __init__(self, client: anthropic.Anthropic, model: str) -> None:
        self.client, self.model = client, model
        self.turns: list[Any] = []

    def say(self, *parts: Part) -> None:
        self._user([self._part(it) for it in parts])

    def result(self, call: Call, *parts: Part, error: bool = False) -> None:
        block = {"type": "tool_result", "tool_use_id": call.id, "content": [self._part(it) for it in parts]}
        self._user([block | ({"is_error": True} if error else {})])

    def _user(self, blocks: list[Json]) -> None:
        if self.turns and self.turns[-1]["role"] == "user":
            self.turns[-1]["content"] += blocks
        else:
            self.turns.append({"role": "user", "content": blocks})

    def ask(self, wish: Wish = PLAIN, *, stream: bool = False) -> Said:
        fields = {"model": self.model, "messages": self.turns, **self._fields(wish)}
        if stream:
            with self.client.messages.stream(**fields) as events:
                reply: Any = events.get_final_message()
        else:
            reply = self.client.messages.create(**fields)
        self.turns.append({"role": "assistant", "content": reply.content})
        return self._told(reply)

    @staticmethod
    def _part(part: Part) -> Json:
        if isinstance(part, str):
            return {"type": "text", "text": part}
        source = {"type": "base64", "media_type": part.type, "data": part.base64}
        return {"type": "image" if part.type.startswith("image/") else "document", "source": source}

    @staticmethod
    def _fields(wish: Wish) -> Json:
        kinds = {"auto": "auto", "none": "none", "required": "any"}
        choice = {"type": kinds[wish.choice]} if wish.choice in kinds else {"type": "tool", "name": wish.choice}
        output = {"effort": wish.effort} if wish.effort else {}
        output |= {"format": {"type": "json_schema", "schema": wish.schema}} if wish.schema else {}
        empty = {"type": "object", "properties": {}}
        fields = {
            "max_tokens": wish.most or 4096,
            "system": wish.system,
            "tools": [
                {"name": it.name, "description": it.description, "input_schema": it.schema or empty}
                for it in wish.tools
            ],
            "tool_choice": choice if wish.choice else None,
            "thinking": {"type": "adaptive", "display": "summarized"} if wish.effort else None,
            "output_config": output,
            "stop_sequences": list(wish.stop),
        }
        if wish.temperature is not None:
            fields |= {"extra_headers": OLD, "extra_body": {"temperature": wish.temperature}}
        return {name: value for name, value in fields.items() if value} | dict(wish.more)

    @staticmethod
    def _told(reply: Any) -> Said:
        text = "".join(it.text for it in reply.content if it.type == "text")
        reasoning = "".join(it.thinking for it in reply.content if it.type == "thinking")
        calls = [Call(it.id, it.name, it.input) for it in reply.content if it.type == "tool_use"]
        finish = STOPS.get(reply.stop_reason, reply.stop_reason)
        return Said(text, reasoning, calls, finish, _messages_usage(reply.usage), reply)


def _messages_usage(usage: Any) -> Tokens:
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    details = usage.output_tokens_details
    return Tokens(
        usage.input_tokens + read + written,
        usage.output_tokens,
        cached=read,
        cache_write=written,
        reasoning=(details and details.thinking_tokens) or 0,
    )


class GeminiTalk:
    """Earlier turns go back with the parts as they came, thought signatures included."""

    def __init__(self, client: genai.Client, model: str) -> None:
        self.client, self.model = client, model
        self.turns: list[types.Content] = []

    def say(self, *parts: Part) -> None:
        self._user([self._part(it) for it in parts])

    def result(self, call: Call, *parts: Part, error: bool = False) -> None:
        text = "".join(it for it in parts if isinstance(it, str))
        answer = {"error": text} if error else {"result": text}
        blobs = [
            types.FunctionResponsePart(inline_data=types.FunctionResponseBlob(mime_type=it.type, data=it.data))
            for it in parts
            if not isinstance(it, str)
        ]
        given = types.FunctionResponse(id=call.id or None, name=call.name, response=answer, parts=blobs or None)
        self._user([types.Part(function_response=given)])

    def _user(self, parts: list[types.Part]) -> None:
        if self.turns and self.turns[-1].role == "user":
            self.turns[-1] = types.Content(role="user", parts=[*(self.turns[-1].parts or ()), *parts])
        else:
            self.turns.append(types.Content(role="user", parts=parts))

    def ask(self, wish: Wish = PLAIN, *, stream: bool = False) -> Said:
        fields: Json = {"model": self.model, "contents": self.turns, "config": self._config(wish)}
        if stream:
            chunks = list(self.client.models.generate_content_stream(**fields))
        else:
            chunks = [self.client.models.generate_content(**fields)]
        parts = [part for chunk in chunks for part in _parts(chunk)]
        kept = [it for it in parts if it.text != "" or it.thought_signature]  # as the SDK's own chats do
        self.turns.append(types.Content(role="model", parts=kept))
        return self._told(chunks, parts)

    @staticmethod
    def _part(part: Part) -> types.Part:
        if isinstance(part, str):
            return types.Part(text=part)
        return types.Part(inline_data=types.Blob(mime_type=part.type, data=part.data))

    @staticmethod
    def _config(wish: Wish) -> Json:
        modes = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
        thinking = {"include_thoughts": True, "thinking_level": wish.effort.upper()}
        calling: Json = {"mode": modes.get(wish.choice, "ANY")}
        calling |= {} if wish.choice in modes else {"allowed_function_names": [wish.choice]}
        declared = [
            {"name": it.name, "description": it.description}
            | ({} if it.schema is None else {"parameters_json_schema": it.schema})
            for it in wish.tools
        ]
        config = {
            "system_instruction": wish.system,
            "tools": [{"function_declarations": declared}] if declared else None,
            "tool_config": {"function_calling_config": calling} if wish.choice else None,
            "thinking_config": thinking if wish.effort else None,
            "response_mime_type": "application/json" if wish.schema else None,
            "response_json_schema": wish.schema,
            "stop_sequences": list(wish.stop),
            "max_output_tokens": wish.most,
            "temperature": wish.temperature,
        }
        config = {name: value for name, value in config.items() if value or value == 0.0}
        return {"automatic_function_calling": {"disable": True}, **config, **wish.more}

    @staticmethod
    def _told(chunks: list[Any], parts: list[types.Part]) -> Said:
        text = "".join(it.text for it in parts if it.text and not it.thought)
        reasoning = "".join(it.text for it in parts if it.text and it.thought)
        made = [it.function_call for it in parts if it.function_call]
        calls = [Call(it.id or "", it.name or "", it.args or {}) for it in made]
        ends = [it.candidates[0].finish_reason for it in chunks if it.candidates and it.candidates[0].finish_reason]
        assert len(ends) == 1, ends
        finish = FINISHES.get(ends[0].value, ends[0].value)
        spent = _gemini_usage(chunks[-1].usage_metadata)
        return Said(text, reasoning, calls, "tool_calls" if calls and finish == "stop" else finish, spent, chunks[-1])


def _parts(chunk: Any) -> list[types.Part]:
    content = chunk.candidates[0].content if chunk.candidates else None
    return list(content.parts or ()) if content else []


def _gemini_usage(usage: Any) -> Tokens:
    if usage is None:
        return Tokens(0, 0)
    thought = usage.thoughts_token_count or 0
    spoken = usage.candidates_token_count or 0
    assert usage.total_token_count == usage.prompt_token_count + spoken + thought
    cached = usage.cached_content_token_count or 0
    return Tokens(usage.prompt_token_count, spoken + thought, cached=cached, reasoning=thought)
