"""Questions that mean the same though they are worded otherwise. Needs the optional package ``wordllama``.

Its vectors know what words a text is made of, not how they hang together: "not safe" lies next to "safe". So numbers
and words of negation must be the same as well.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
NEGATION = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|except|un(?:able|safe|like)|\w+n['’]t"
    r"|nicht|kein\w*|nie|ohne|pas|jamais|sans|não|nao|nunca|sem|nunca|sin|non|mai|senza|niet|geen|не|нет|без|ikke|inte)\b",
    re.IGNORECASE,
)
MOST_SCOPES = 1000
Row = tuple[str, tuple[str, ...], Any]  # key of the answer, what must be the same, vector


@cache
def model() -> Any | None:
    """The embeddings, from the package's own folder; None when it is not installed."""
    try:
        import wordllama
    except ImportError:
        log.error("The semantic cache is on, but wordllama is not installed: pip install 'omniroute[semantic]'.")
        return None
    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)


def fixed(text: str) -> tuple[str, ...]:
    """What must be the same in two questions that mean the same."""
    return (*NUMBER.findall(text), "|", *sorted(word.lower() for word in NEGATION.findall(text)))


class Meanings:
    """Questions by what surrounds them. Bounded per caller, the oldest goes. Called in a thread, one at a time."""

    def __init__(self) -> None:
        self._scopes: OrderedDict[str, OrderedDict[str, list[Row]]] = OrderedDict()
        self._counts: dict[str, int] = {}

    def find(self, scope: str, rest: str, text: str, threshold: float) -> tuple[str | None, Any]:
        """The key of the nearest answer that is near enough, and the text's vector, for :meth:`add`."""
        embeddings = model()
        if embeddings is None:
            return None, None
        vector = embeddings.embed([text], norm=True)[0]
        must = fixed(text)
        best, found = threshold, None
        groups = self._scopes.get(scope)
        for key, same, other in groups.get(rest, []) if groups is not None else []:
            if same == must and (near := float(vector @ other)) >= best:
                best, found = near, key
        return found, vector

    def add(self, scope: str, rest: str, text: str, vector: Any, key: str, most: int) -> None:
        """Remember a question whose answer is kept under ``key``."""
        groups = self._scopes.setdefault(scope, OrderedDict())
        self._scopes.move_to_end(scope)
        rows = groups.setdefault(rest, [])
        groups.move_to_end(rest)
        rows.append((key, fixed(text), vector))
        self._counts[scope] = self._counts.get(scope, 0) + 1
        while self._counts[scope] > most:
            self._drop_oldest(scope)
        if len(self._scopes) > MOST_SCOPES:
            gone, _ = self._scopes.popitem(last=False)
            del self._counts[gone]

    def clear(self) -> None:
        self._scopes.clear()
        self._counts.clear()

    def _drop_oldest(self, scope: str) -> None:
        groups = self._scopes[scope]
        rest = next(iter(groups))
        groups[rest].pop(0)
        if not groups[rest]:
            del groups[rest]
        self._counts[scope] -= 1
