"""Codex behind a ChatGPT plan: Responses, always streamed, of one conversation by a UUID of its own.

Source: shared knowledge of the vendor's open-source CLI (2026-11).
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.special.base import Headers, Plain, Sending, conversation_id, unsupported

EFFORTS = ("none", "low", "medium", "high", "xhigh")
REMOTE = (b'"http://', b'"https://')
Raw = msgspec.Raw
encode = msgspec.json.encode


class Codex(Plain):
    """A model's name that ends with an effort is the model with that effort, whatever else the request says of it."""

    def wrap(self, sending: Sending) -> tuple[bytes, Headers]:
        fields = msgspec.json.decode(sending.body, type=dict[str, Raw])
        fields["stream"] = Raw(b"true")
        model, _, effort = sending.model.rpartition("-")
        if model and effort in EFFORTS:
            fields["model"] = Raw(encode(model))
            fields["reasoning"] = Raw(encode({**_object(fields.get("reasoning")), "effort": effort}))
        try:
            said = msgspec.json.decode(fields.get("input", b"[]"))
            remote = any(start in sending.body for start in REMOTE) and _shows_remote(said)
        except (msgspec.DecodeError, RecursionError):
            said, remote = [], False  # no shape we know: the vendor says what is wrong with it
        if remote:
            raise unsupported("images by address; send the image itself")
        named = (b"session_id", _conversation(fields, said).encode())
        return encode(fields), (*sending.headers, named)


def _object(raw: Raw | None) -> dict[str, Any]:
    """A JSON object's values; none of what is none."""
    return msgspec.json.decode(raw, type=dict[str, Raw]) if raw is not None and bytes(raw)[:1] == b"{" else {}


def _shows_remote(said: Any) -> bool:
    """Whether an item or part of the input is a picture that the vendor would have to fetch."""
    if isinstance(said, list):
        return any(map(_shows_remote, said))
    if not isinstance(said, dict):
        return False
    url = said.get("image_url")
    if said.get("type") == "input_image" and isinstance(url, str) and url.startswith(("http://", "https://")):
        return True
    return any(_shows_remote(said.get(name)) for name in ("content", "output"))


def _conversation(fields: dict[str, Raw], said: Any) -> str:
    """Its client's own key of the conversation's cache, else how it began."""
    key = bytes(fields.get("prompt_cache_key", b"null"))
    if key not in (b"null", b'""'):
        return conversation_id(key)
    items = said if isinstance(said, list) else []
    first = said if isinstance(said, str) else next((_words(item) for item in items if _is_users(item)), "")
    return conversation_id(bytes(fields.get("instructions", b"")) + encode(first))


def _is_users(item: Any) -> bool:
    return isinstance(item, dict) and item.get("role") == "user"


def _words(item: dict[str, Any]) -> Any:
    """What a message says: one text as such, however it is written."""
    content = item.get("content")
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        return content[0].get("text", content)
    return content
