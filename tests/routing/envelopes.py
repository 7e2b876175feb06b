"""Catalogue entries pointed at a vendor on this machine, and clients of three formats for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import anthropic
import httpx
import openai
import pytest

from providers import catalogue
from providers.entry import Entry

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT_TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Tells it.", "parameters": WEATHER}}
MESSAGES_TOOL = {"name": "get_weather", "description": "Tells it.", "input_schema": WEATHER}
HELLO = [{"role": "user", "content": "Say hello"}]


class Clients:
    """One key's clients: ``chat`` and ``messages`` are the vendors' own SDKs."""

    def __init__(self, gateway: Any, key: str) -> None:
        self.gateway = gateway
        self.chat = openai.OpenAI(base_url=gateway.url, api_key=key, max_retries=0)
        self.messages = anthropic.Anthropic(base_url=gateway.root, api_key=key, max_retries=0)
        self.http = httpx.Client(base_url=gateway.root, headers={"authorization": f"Bearer {key}"}, timeout=20)

    def gemini(self, model: str, action: str = "generateContent", **body: Any) -> httpx.Response:
        contents = {"contents": [{"role": "user", "parts": [{"text": "Say hello"}]}]}
        return self.http.post(f"/v1beta/models/{model}:{action}", json=contents | body)

    def close(self) -> None:
        for client in (self.chat, self.messages, self.http):
            client.close()


class Vendors:
    """``connect`` puts an entry of the catalogue, as one of its models is spoken to, at a vendor's address."""

    def __init__(self, gateway: Any, make_key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self._gateway, self._make_key, self._patch = gateway, make_key, monkeypatch
        self._clients: list[Clients] = []

    def connect(
        self,
        id: str,
        url: str,
        *,
        model: str = "",
        secret: str = "a-secret",
        parameters: Mapping[str, str] = {},
        **said: Any,
    ) -> Clients:
        from providers import connections
        from providers.models import Provider

        known = catalogue.entries()[id].of(model)
        if known.auth == "oauth":
            said.setdefault("auth", "bearer")  # a login's token is a bearer token
        entry = dataclasses.replace(
            known, base_url=url, allow_private_network=True, any_model=True, variants=(), **said
        )
        entries: dict[str, Entry] = {**catalogue.entries(), id: entry}
        self._patch.setattr(catalogue, "entries", lambda: entries)
        row, _ = Provider.objects.get_or_create(id=id, defaults={"custom": False})
        row.connections.all().delete()
        declared = {name: value for name, value in parameters.items() if name in {p.name for p in known.parameters}}
        connection = connections.add(row, "main", secret, parameters=declared)
        connection.parameters = dict(parameters)  # what a login finds is not among the provider's own
        connection.save()
        key = self._make_key(id)
        self._gateway.settle()
        self._clients.append(Clients(self._gateway, key))
        return self._clients[-1]

    def close(self) -> None:
        for client in self._clients:
            client.close()
