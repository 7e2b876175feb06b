"""A provider's list of models, as its vendors write it → what it says of each model. Pure.

Shapes: ``{"data": [...]}`` of OpenAI and everybody alike, with the further fields of OpenRouter (``context_length``,
``pricing`` in USD per token), Groq (``context_window``), Mistral (``max_context_length``), vLLM (``max_model_len``) and
Anthropic (``display_name``, ``max_input_tokens``); ``{"models": [...]}`` of Gemini (``name`` with ``models/`` in
front, ``inputTokenLimit``); the bare list of Together. Source: the vendors' API references (2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

MOST_MODELS = 5000
LONGEST_ID = 200
BIGGEST = 2_147_483_647  # what a column of tokens holds
CONTEXT = (
    "context_length", "context_window", "max_context_length", "max_model_len", "max_input_tokens", "inputTokenLimit",
)  # fmt: skip
OUTPUT = ("max_output_tokens", "max_completion_tokens", "max_tokens", "outputTokenLimit")
PRICES = {
    "prompt": "input",
    "completion": "output",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write",
}
MILLION = Decimal(1_000_000)
EXACT = Decimal("0.000001")  # as the columns keep it
PARAMETERS = {
    "tools": "tools",
    "parallel_tool_calls": "parallel_tools",
    "structured_outputs": "json_schema",
    "reasoning": "reasoning",
}
MODALITIES = {"image": "vision", "audio": "audio_in", "file": "pdf"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A model as its provider lists it; what it does not say is None or empty. Tokens; USD per million tokens."""

    id: str
    name: str = ""
    context: int | None = None
    max_output: int | None = None
    input_price: Decimal | None = None
    output_price: Decimal | None = None
    cache_read_price: Decimal | None = None
    cache_write_price: Decimal | None = None
    capabilities: tuple[str, ...] = ()


def read(document: Any) -> tuple[Listed, ...] | None:
    """The models of a list, each once; None when the document is none. Rows that make no sense are left out."""
    rows = document.get("data", document.get("models")) if isinstance(document, dict) else document
    if not isinstance(rows, list) or (rows is document and not rows):
        return None
    found = (_listed(row) for row in rows[:MOST_MODELS] if isinstance(row, dict))
    return tuple({model.id: model for model in found if model is not None}.values())


def next_page(path: str, document: Any) -> str | None:
    """Path and query of the next page; None after the last one."""
    if not isinstance(document, dict):
        return None
    if document.get("has_more") is True and isinstance(last := document.get("last_id"), str):
        return f"{path}?limit=1000&after_id={quote(last, safe='')}"
    if isinstance(token := document.get("nextPageToken"), str) and token:
        return f"{path}?pageSize=1000&pageToken={quote(token, safe='')}"
    return None


def _listed(row: Mapping[str, Any]) -> Listed | None:
    id = row.get("id", row.get("name"))
    if not isinstance(id, str):
        return None
    id = id.removeprefix("models/")
    if not 0 < len(id) <= LONGEST_ID or not id.isprintable() or id != id.strip():
        return None
    provider = row.get("top_provider")
    sources = [row, provider if isinstance(provider, dict) else {}]
    name = row.get("display_name", row.get("displayName", row.get("name")))
    return Listed(
        id=id,
        name=name if isinstance(name, str) and name.isprintable() else "",
        context=_tokens(sources, CONTEXT),
        max_output=_tokens(sources, OUTPUT),
        capabilities=_capabilities(row),
        **_prices(row.get("pricing")),
    )


def _tokens(sources: list[Mapping[str, Any]], names: tuple[str, ...]) -> int | None:
    said = (source.get(name) for source in sources for name in names)
    return next((n for n in said if isinstance(n, int) and not isinstance(n, bool) and 0 < n <= BIGGEST), None)


def _prices(pricing: Any) -> dict[str, Decimal]:
    """USD per token, as text, → USD per million. Less than nothing means that it depends."""
    found = {}
    for theirs, ours in PRICES.items() if isinstance(pricing, dict) else ():
        try:
            price = Decimal(str(pricing[theirs])) * MILLION
        except (KeyError, InvalidOperation):
            continue
        if price.is_finite() and 0 <= price < 10**8:
            found[f"{ours}_price"] = price.quantize(EXACT)
    return found


def _capabilities(row: Mapping[str, Any]) -> tuple[str, ...]:
    parameters, architecture = row.get("supported_parameters"), row.get("architecture")
    modalities = architecture.get("input_modalities") if isinstance(architecture, dict) else None
    told = [PARAMETERS.get(str(word)) for word in parameters if word] if isinstance(parameters, list) else []
    told += [MODALITIES.get(str(word)) for word in modalities] if isinstance(modalities, list) else []
    return tuple(sorted({word for word in told if word}))
