"""A provider's words, made safe to show: errors are passed on to clients, logs and pages, credentials are not."""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST = 300
READ = 1200  # characters; only so much of a text is looked at
SHORTEST_SECRET = 4  # a shorter one would blot out words, and protects nothing
GONE = "[…]"

INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]+")
# Case matters nowhere here. Each pattern reads on in one way only, so that hostile text costs linear time.
SECRETS = re.compile(
    r"""
      \b(?:bearer|basic)\s+[^\s"',;]+
    | \b(?:sk|pk|rk|ak|gsk|xai|nvapi|hf|ghp|gho|ghs|r8|pplx|key|token)[-_][\w*.…-]{6,}
    | \bAIza[\w*-]{10,}
    | \beyJ[\w-]{8,}\.[\w.-]+
    | (?<![\w-])[A-Za-z0-9]{32,}(?![\w-])
    """,
    re.VERBOSE | re.IGNORECASE,
)
PLACES = re.compile(
    r"""
      \b[a-z][a-z0-9+.-]{1,20}://[^\s"'<>]+
    | (?<![\w.:])\[?(?:(?=[0-9a-f:]*::)[0-9a-f:.]{2,}|(?:[0-9a-f]{1,4}:){5,7}[0-9a-f:.]+)(?:\](?::\d{1,5})?)?(?![\w:])
    | (?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w-])
    | (?<![\w.-])localhost(?::\d{1,5})?(?![\w-])
    | (?<![\w.-])(?:[a-z0-9-]{1,63}\.){1,8}
      (?:com|net|org|io|ai|dev|app|cloud|co|cn|eu|us|uk|de|fr|internal|intranet|local|localdomain|lan|corp|home|svc|test|example|invalid)
      (?::\d{1,5})?(?![\w-])
    | (?<![\w.-])[a-z][a-z0-9.-]{0,62}:\d{2,5}(?![\w.:-])
    """,
    re.VERBOSE | re.IGNORECASE,
)


def clean_words(text: str, secrets: Iterable[str | None] = ()) -> str:
    """At most 300 characters of text on one line, without the given secrets, anything that looks like a key or token,
    addresses, host names and control characters. Give the host that was called among the secrets when it may be a
    bare name."""
    text = INVISIBLE.sub(" ", _first(text, READ * 4))
    for secret in sorted({s for s in secrets if s and len(s) >= SHORTEST_SECRET}, key=len, reverse=True):
        text = text.replace(secret, GONE)
    text = " ".join(PLACES.sub(GONE, SECRETS.sub(GONE, _first(text, READ))).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


def _first(text: str, length: int) -> str:
    """The words within the first so many characters; never a piece of one, which no pattern would know any more."""
    return text if len(text) <= length else text[:length].rpartition(" ")[0] + " …"
