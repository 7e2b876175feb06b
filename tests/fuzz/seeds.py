"""Honest requests and replies that use as much of each format as they can: what is bent starts from these."""

from __future__ import annotations

import json
from typing import Any

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 1, "description": "Where"},
        "days": {"type": ["integer", "null"], "exclusiveMinimum": 0, "default": 1},
        "unit": {"oneOf": [{"const": "C"}, {"enum": ["F", "K"]}]},
        "more": {"$ref": "#/$defs/more"},
    },
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"more": {"type": "array", "items": {"allOf": [{"type": "string"}, {"pattern": "^a"}]}}},
}
CHAT = {
    "model": "p/m",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "name": "ada", "content": [
            {"type": "text", "text": "Hello", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
        ]},
        {"role": "assistant", "content": None, "reasoning_content": "Hm", "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}},
            {"id": "call_2", "type": "custom", "custom": {"name": "shell", "input": "ls"}},
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Sunny"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "a"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Sunny"}, {"type": "refusal", "refusal": "No"}]},
        {"role": "developer", "content": "Be long."},
        {"role": "user", "content": "Go on"},
    ],
    "tools": [
        {"type": "function", "function": {
            "name": "weather", "description": "Tells", "parameters": SCHEMA, "strict": True}},
        {"type": "custom", "custom": {"name": "shell", "format": {"type": "text"}}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "weather"}},
    "parallel_tool_calls": False, "stream": True, "stream_options": {"include_usage": True},
    "max_completion_tokens": 500, "temperature": 0.5, "top_p": 0.9, "presence_penalty": 1, "frequency_penalty": -1,
    "seed": 7, "n": 2, "stop": ["a", "b"], "logprobs": True, "top_logprobs": 3, "logit_bias": {"5": 1},
    "reasoning_effort": "high", "verbosity": "low", "service_tier": "flex", "user": "u", "metadata": {"a": "b"},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
    "web_search_options": {"search_context_size": "low"}, "modalities": ["text"], "prompt_cache_key": "k",
}  # fmt: skip
RESPONSES = {
    "model": "p/m", "instructions": "Be brief.", "stream": True, "store": False,
    "include": ["reasoning.encrypted_content"],
    "input": [
        {"role": "developer", "content": "Be kind."},
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "Hello"},
            {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
        ]},
        {"type": "reasoning", "id": "rs_1", "encrypted_content": "e",
         "summary": [{"type": "summary_text", "text": "Hm"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "Sunny"}]},
        {"type": "custom_tool_call", "call_id": "c2", "name": "shell", "input": "ls"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "a"},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": [
            {"type": "output_text", "text": "Sunny", "annotations": [
                {"type": "url_citation", "start_index": 0, "end_index": 2, "url": "https://a.example", "title": "t"}]},
            {"type": "refusal", "refusal": "No"}]},
        {"type": "item_reference", "id": "msg_0"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"role": "user", "content": "Go on"},
    ],
    "tools": [
        {"type": "function", "name": "weather", "description": "Tells", "parameters": SCHEMA, "strict": True},
        {"type": "custom", "name": "shell", "format": {"type": "grammar", "syntax": "lark", "definition": "a: /a/"}},
        {"type": "web_search"},
        {"type": "namespace", "name": "ns", "description": "d",
         "tools": [{"type": "function", "name": "f", "parameters": {}}]},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]},
    "parallel_tool_calls": True, "max_output_tokens": 500, "temperature": 1, "top_p": 1, "top_logprobs": 2,
    "reasoning": {"effort": "low", "summary": "auto"}, "metadata": {"a": "b"}, "user": "u", "service_tier": "auto",
    "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}, "verbosity": "high"},
}  # fmt: skip
MESSAGES = {
    "model": "p/m", "max_tokens": 4000, "stream": True,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [
            {"type": "text", "text": "Hello"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
            {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
            {"type": "document", "title": "t", "context": "c", "citations": {"enabled": True},
             "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
            {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]},
        ]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "I look.", "citations": [
                {"type": "char_location", "cited_text": "w", "document_index": 0, "document_title": "t",
                 "start_char_index": 0, "end_char_index": 1}]},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}},
            {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "q"}},
            {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True,
             "content": [{"type": "text", "text": "No"}]},
            {"type": "text", "text": "Go on"}]},
    ],
    "tools": [
        {"name": "weather", "description": "Tells", "input_schema": SCHEMA, "strict": True,
         "cache_control": {"type": "ephemeral"}},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
    ],
    "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 2000}, "temperature": 1, "top_p": 0.99, "top_k": 5,
    "stop_sequences": ["a"], "metadata": {"user_id": "u"}, "service_tier": "auto",
    "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}},
    "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
}  # fmt: skip
GEMINI = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "contents": [
        {"role": "user", "parts": [
            {"text": "Hello"}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}},
            {"fileData": {"mimeType": "application/pdf", "fileUri": "https://example.org/a.pdf"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}}]},
        {"role": "model", "parts": [
            {"text": "Hm", "thought": True, "thoughtSignature": "c2ln"},
            {"functionCall": {"id": "1", "name": "weather", "args": {"city": "Rome"}}, "thoughtSignature": "c2ln"},
            {"executableCode": {"language": "PYTHON", "code": "1"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"id": "1", "name": "weather", "response": {"result": "Sunny"},
             "parts": [{"inlineData": {"mimeType": "image/png", "data": PIXEL}}]}}, {"text": "Go on"}]},
    ],
    "tools": [
        {"functionDeclarations": [{"name": "weather", "description": "Tells", "parameters": {
            "type": "OBJECT", "properties": {"city": {"type": "STRING", "nullable": True}}, "required": ["city"]}},
            {"name": "other", "parametersJsonSchema": SCHEMA}]},
        {"googleSearch": {}}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "generationConfig": {
        "temperature": 1, "topP": 0.9, "topK": 5, "candidateCount": 2, "maxOutputTokens": 100, "stopSequences": ["a"],
        "seed": 1, "responseLogprobs": True, "logprobs": 2, "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "ARRAY", "items": {"type": "NUMBER"}}}},
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 500}, "responseModalities": ["TEXT"]},
}  # fmt: skip
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\np/m\r\n'
    b'--b\r\nContent-Disposition: form-data; name="temperature"\r\n\r\n0.5\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n'
    b"--b--\r\n"
)


def _told(*values: Any) -> tuple[bytes, ...]:
    return tuple(json.dumps(value).encode() for value in values)


# Kind → documents. What is recorded in ``tests/golden`` of a format's requests, replies and streams is added to them.
SEEDS: dict[str, tuple[bytes, ...]] = {
    "request/openai_chat": _told(CHAT),
    "request/openai_responses": _told(RESPONSES, {"model": "p/m", "input": "Hello"}),
    "request/anthropic": _told(MESSAGES),
    "request/gemini": _told(GEMINI, {"contents": "Hello"}),
    "schema": _told(SCHEMA, GEMINI["generationConfig"]["responseSchema"]),  # type: ignore[index]
    "error": _told(
        {"error": {"message": "Slow down", "type": "rate_limit_error", "param": "a", "code": "rate_limit_exceeded"}},
        {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}, "request_id": "r"},
        {"error": {"code": 429, "message": "No more", "status": "RESOURCE_EXHAUSTED", "details": [
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12s"},
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "PerDay"}]}]}},
        [{"error": {"code": 503, "message": "Away", "status": "UNAVAILABLE"}}],
        {"error": "the model gpt does not exist at http://10.0.0.1:99/v1 for key sk-abcdefgh"},
        {"detail": [{"loc": ["body", "n"], "msg": "wrong"}]},
    ),
    "embeddings": _told(
        {"model": "p/m", "input": ["a", "b"], "dimensions": 3, "encoding_format": "base64"},
        {"model": "p/m", "input": [[1, 2], [3]]},
        {"content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 3},
        {"requests": [{"model": "models/m", "content": {"parts": [{"text": "a"}]}}]},
    ),
    "vectors": _told(
        {"object": "list", "data": [{"index": 0, "embedding": [0.1, 2]}, {"index": 1, "embedding": "AACAPwAAAEA="}],
         "model": "m", "usage": {"prompt_tokens": 2, "total_tokens": 2}},
        {"embeddings": [{"values": [0.1, 0.2]}, {"values": [1, 2]}]},
        {"embeddings": {"float": [[0.1], [0.2]]}, "meta": {"billed_units": {"input_tokens": 2}}},
    ),
    "count": _told({"input_tokens": 5}, {"totalTokens": 5}, {"object": "response.input_tokens", "input_tokens": 5}),
    "images": _told({"model": "p/m", "prompt": "A cat", "n": 2, "size": "auto", "stream": True},
                    {"model": "p/m", "prompt": "A cat", "n": 2, "size": "1024x1536"}),
    "speech": _told({"model": "p/m", "input": "Hello", "voice": {"id": "v"}, "speed": 1.5}),
    "moderation": _told({"model": "p/m", "input": [{"type": "text", "text": "a"}]}, {"input": ["a", "b"]}),
    "rerank": _told({"model": "p/m", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1}),
    "form": (FORM,),
    "other-replies": _told(
        {"created": 1, "data": [{"b64_json": PIXEL}], "usage": {"input_tokens": 1, "output_tokens": 2}},
        {"id": "m", "model": "m",
         "results": [{"flagged": True, "categories": {"a": True}, "category_scores": {"a": 1}}]},
        {"id": "r", "results": [{"index": 0, "relevance_score": 0.5}], "meta": {"billed_units": {"search_units": 1}}},
        {"text": "Hello", "usage": {"type": "tokens", "input_tokens": 1, "output_tokens": 1}},
        {"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": PIXEL}}]}}],
         "usageMetadata": {"candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 5}]}},
        {"predictions": [{"bytesBase64Encoded": PIXEL, "mimeType": "image/png"}, {"raiFilteredReason": "no"}]},
        {"images": [{"image": PIXEL}]},
        {"data": {"image_urls": ["https://example.org/a.png"]}, "base_resp": {"status_code": 0, "status_msg": "ok"}},
        {"rankings": [{"index": 0, "logit": -3.5}]},
        {"scores": [0.5]},
        {"results": {"channels": [{"alternatives": [{"transcript": "Hello"}]}]}, "metadata": {"duration": 1.5}},
        {"id": "t", "status": "completed", "text": "Hi you.", "audio_duration": 2, "language_code": "en",
         "words": [{"text": "Hi", "start": 10, "end": 20}, {"text": "you.", "start": 30, "end": 9000}]},
        {"id": "t", "status": "queued", "upload_url": "https://example.org/1"},
        {"audio": "AAAA"},
        {"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAAA"}}]}}],
         "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 5}},
    ),
}  # fmt: skip
