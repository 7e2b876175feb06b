"""Conversations by the SDK ``openai``: Chat Completions and Responses."""

from __future__ import annotations

import json
from typing import Any

import openai
from openai.lib.streaming.chat import ChatCompletionStreamState

from tests.pairs.words import PLAIN, Call, Json, Part, Said, Spec, Wish
from tests.simulator import Tokens

SCHEMA_NAME = "answer"


class ChatTalk:
    """Earlier turns carry text and tool calls alone, as most frameworks send them: nothing of the reasoning."""

    def __init__(self, client: openai.OpenAI, model: str) -> None:
        self.client, self.model = client, model
        self.turns: list[Any] = []

    def say(self, *parts: Part) -> None:
        content = parts[0] if len(parts) == 1 and isinstance(parts[0], str) else [self._part(it) for it in parts]
        self.turns.append({"role": "user", "content": content})

    def result(self, call: Call, *parts: Part, error: bool = False) -> None:
        text = "".join(it for it in parts if isinstance(it, str))
        self.turns.append({"role": "tool", "tool_call_id": call.id, "content": text})

    def ask(self, wish: Wish = PLAIN, *, stream: bool = False) -> Said:
        fields = {"model": self.model, "messages": [*self._system(wish), *self.turns], **self._fields(wish)}
        said = self._streamed(fields) if stream else self._told(self.client.chat.completions.create(**fields))
        self.turns.append(self._turn(said))
        return said

    def _system(self, wish: Wish) -> list[Json]:
        return [{"role": "system", "content": wish.system}] if wish.system else []

    @staticmethod
    def _part(part: Part) -> Json:
        if isinstance(part, str):
            return {"type": "text", "text": part}
        if part.type.startswith("image/"):
            return {"type": "image_url", "image_url": {"url": part.uri}}
        return {"type": "file", "file": {"filename": part.name, "file_data": part.uri}}

    @staticmethod
    def _fields(wish: Wish) -> Json:
        named = {"type": "function", "function": {"name": wish.choice}}
        output = {"name": SCHEMA_NAME, "strict": True, "schema": wish.schema}
        fields = {
            "tools": [{"type": "function", "function": _function(it)} for it in wish.tools],
            "tool_choice": wish.choice if wish.choice in ("", "auto", "none", "required") else named,
            "reasoning_effort": wish.effort,
            "response_format": {"type": "json_schema", "json_schema": output} if wish.schema else None,
            "stop": list(wish.stop),
            "max_completion_tokens": wish.most,
            "temperature": wish.temperature,
        }
        return {name: value for name, value in fields.items() if value or value == 0.0} | dict(wish.more)

    def _streamed(self, fields: Json) -> Said:
        state = ChatCompletionStreamState()
        for chunk in self.client.chat.completions.create(**fields, stream=True, stream_options={"include_usage": True}):
            state.handle_chunk(chunk)
        return self._told(state.current_completion_snapshot)

    @staticmethod
    def _told(reply: Any) -> Said:
        choice = reply.choices[0]
        message = choice.message
        calls = [Call(it.id, it.function.name, json.loads(it.function.arguments)) for it in message.tool_calls or ()]
        reasoning = (message.model_extra or {}).get("reasoning_content") or ""
        return Said(message.content or "", reasoning, calls, choice.finish_reason, _chat_usage(reply.usage), reply)

    @staticmethod
    def _turn(said: Said) -> Json:
        calls = [
            {"id": it.id, "type": "function", "function": {"name": it.name, "arguments": json.dumps(it.arguments)}}
            for it in said.calls
        ]
        return {"role": "assistant", "content": said.text or None} | ({"tool_calls": calls} if calls else {})


def _function(spec: Spec) -> Json:
    parameters = {} if spec.schema is None else {"parameters": spec.schema}
    return {"name": spec.name, "description": spec.description, **parameters}


def _chat_usage(usage: Any) -> Tokens:
    if usage is None:
        return Tokens(0, 0)
    before, after = usage.prompt_tokens_details, usage.completion_tokens_details
    return Tokens(
        usage.prompt_tokens,
        usage.completion_tokens,
        cached=(before and before.cached_tokens) or 0,
        cache_write=(before and before.cache_write_tokens) or 0,
        reasoning=(after and after.reasoning_tokens) or 0,
    )


class ResponsesTalk:
    """Every request carries the whole conversation, the items of earlier answers as the SDK gave them."""

    def __init__(self, client: openai.OpenAI, model: str) -> None:
        self.client, self.model = client, model
        self.turns: list[Any] = []

    def say(self, *parts: Part) -> None:
        content = parts[0] if len(parts) == 1 and isinstance(parts[0], str) else [self._part(it) for it in parts]
        self.turns.append({"role": "user", "content": content})

    def result(self, call: Call, *parts: Part, error: bool = False) -> None:
        output = parts[0] if len(parts) == 1 and isinstance(parts[0], str) else [self._part(it) for it in parts]
        self.turns.append({"type": "function_call_output", "call_id": call.id, "output": output})

    def ask(self, wish: Wish = PLAIN, *, stream: bool = False) -> Said:
        fields = {"model": self.model, "input": self.turns, "store": False, **self._fields(wish)}
        reply = self._streamed(fields) if stream else self.client.responses.create(**fields)
        self.turns = [*self.turns, *reply.output]
        return self._told(reply)

    @staticmethod
    def _part(part: Part) -> Json:
        if isinstance(part, str):
            return {"type": "input_text", "text": part}
        if part.type.startswith("image/"):
            return {"type": "input_image", "detail": "auto", "image_url": part.uri}
        return {"type": "input_file", "filename": part.name, "file_data": part.uri}

    @staticmethod
    def _fields(wish: Wish) -> Json:
        named = {"type": "function", "name": wish.choice}
        output = {"format": {"type": "json_schema", "name": SCHEMA_NAME, "strict": True, "schema": wish.schema}}
        fields = {
            "instructions": wish.system,
            "tools": [{"type": "function", "strict": False, **_function(it)} for it in wish.tools],
            "tool_choice": wish.choice if wish.choice in ("", "auto", "none", "required") else named,
            "reasoning": {"effort": wish.effort, "summary": "auto"} if wish.effort else None,
            "include": ["reasoning.encrypted_content"] if wish.effort else None,
            "text": output if wish.schema else None,
            "max_output_tokens": wish.most,
            "temperature": wish.temperature,
        }
        return {name: value for name, value in fields.items() if value or value == 0.0} | dict(wish.more)

    def _streamed(self, fields: Json) -> Any:
        """The answer of the last event, which must agree with what was streamed before it."""
        text, numbers, last = [], [], None
        for event in self.client.responses.create(**fields, stream=True):
            numbers.append(event.sequence_number)
            if event.type == "response.output_text.delta":
                text.append(event.delta)
            last = event
        assert numbers == list(range(len(numbers)))
        assert last is not None
        assert last.type in ("response.completed", "response.incomplete"), last.type
        assert "".join(text) == last.response.output_text
        return last.response

    @staticmethod
    def _told(reply: Any) -> Said:
        thoughts = [it for it in reply.output if it.type == "reasoning"]
        reasoning = "".join(part.text for it in thoughts for part in (*it.summary, *(it.content or ())))
        made = [it for it in reply.output if it.type == "function_call"]
        calls = [Call(it.call_id, it.name, json.loads(it.arguments)) for it in made]
        return Said(reply.output_text, reasoning, calls, _ending(reply), _responses_usage(reply.usage), reply)


def _ending(reply: Any) -> str:
    if reply.status == "incomplete":
        why = str(reply.incomplete_details.reason)
        return {"max_output_tokens": "length"}.get(why, why)
    assert reply.status == "completed", reply.status
    return "tool_calls" if any(it.type == "function_call" for it in reply.output) else "stop"


def _responses_usage(usage: Any) -> Tokens:
    if usage is None:
        return Tokens(0, 0)
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    return Tokens(
        usage.input_tokens,
        usage.output_tokens,
        cached=usage.input_tokens_details.cached_tokens or 0,
        cache_write=usage.input_tokens_details.cache_write_tokens or 0,
        reasoning=usage.output_tokens_details.reasoning_tokens or 0,
    )
