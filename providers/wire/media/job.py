"""A job: one request for an operation beside chat, read from the client's body, said upstream, answered."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlencode

from providers.wire.errors import Refusal
from providers.wire.types import Json, Units, Usage, Value

JSON_TYPE = "application/json"
PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MOST_NAMED = 20


class Dialect(StrEnum):
    """How an upstream wants an operation to be said."""

    OPENAI = "openai"
    GEMINI = "gemini"
    COHERE = "cohere"


# The end of an operation's path → the dialect spoken there; any other path speaks OpenAI's.
BY_PATH = (
    (":batchEmbedContents", Dialect.GEMINI),
    ("/v2/embed", Dialect.COHERE),
    ("/v2/rerank", Dialect.COHERE),
)


def dialect_of(path: str) -> Dialect:
    """What is spoken at a path: vendors that answer in a shape of their own do so at a path of their own."""
    return next((dialect for end, dialect in BY_PATH if path.endswith(end)), Dialect.OPENAI)


def unsaid(fields: Mapping[str, Json], known: Collection[str]) -> tuple[str, ...]:
    """The names of a client's fields that a dialect cannot say. They go into a header: odd ones are not repeated."""
    names = [name for name, value in fields.items() if name not in known and value is not None]
    return tuple(name if PLAIN_NAME.fullmatch(name) else "unknown" for name in names[:MOST_NAMED])


class Place(Value, frozen=True, kw_only=True):
    """Where a request goes: ``instead`` is a path in the place of the operation's own, ``below`` what follows it."""

    instead: str = ""
    below: str = ""
    query: Mapping[str, str] = {}

    def of(self, target: str) -> str:
        """Path and query below the base URL; ``target``: those of the operation."""
        path, _, query = target.partition("?")
        said = "&".join(filter(None, ("" if self.instead else query, urlencode(self.query))))
        return (self.instead or path) + self.below + (f"?{said}" if said else "")


HERE = Place()  # the address of the operation itself


class Outgoing(Value, frozen=True, kw_only=True):
    """What goes upstream: one body, or several where a vendor takes fewer inputs at once. ``dropped``: names of fields
    that it cannot carry; ``accept``: what may come back, when it is neither JSON nor events; ``place``: where it
    goes, seen from the operation's own address."""

    bodies: tuple[bytes, ...]
    content_type: str = JSON_TYPE
    accept: str = ""
    dropped: tuple[str, ...] = ()
    place: Place = HERE


class Further(Value, frozen=True, kw_only=True):
    """One more request that stands between a reply and the answer. ``waits``: it asks how far the work is, so it is
    made after a pause, and again if it could not be made."""

    place: Place = HERE
    method: str = "POST"
    body: bytes = b""
    waits: bool = False


class Answer(Value, frozen=True, kw_only=True):
    """What goes to the client; ``usage`` as reported, None when it was not."""

    body: bytes
    content_type: str = JSON_TYPE
    usage: Usage | None = None


class Job(Protocol):
    """One request. ``model`` is the client's name for it; ``stream``: the reply is passed on as it comes."""

    @property
    def model(self) -> str: ...

    @property
    def stream(self) -> bool: ...

    def objection(self, dialect: Dialect) -> Refusal | None:
        """Why the job cannot be said in a dialect; None when it can."""

    def dump(self, dialect: Dialect, model: str) -> Outgoing:
        """The job for an upstream that calls the model so. Only without an objection."""

    def read(self, dialect: Dialect, replies: Sequence[bytes], content_type: str) -> Answer | Further:
        """The upstream's whole replies, one per body, as the client asked for them, or what else has to be asked.
        Raises UpstreamFailure."""

    def estimate(self) -> Usage | bytes | None:
        """When no usage was reported: what we know of it, a JSON body (``prompt``) to count tokens in, or None where
        counting text would say nothing."""

    def measured(self, usage: Usage | None) -> Usage | None:
        """The usage as reported, with what the request itself says of the units it is billed by."""

    def most(self) -> Units | None:
        """The units it may come to at most, for reservations; None where nothing bounds them."""


class ByTokens:
    """What jobs share that are billed by tokens alone."""

    __slots__ = ()

    def measured(self, usage: Usage | None) -> Usage | None:
        return usage

    def most(self) -> Units | None:
        return Units()
