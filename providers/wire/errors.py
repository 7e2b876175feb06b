"""The one tree of errors: what went wrong upstream, and what the gateway itself refuses."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """Whose fault a failed attempt is. ``providers.failures`` says what follows from each."""

    BAD_REQUEST = "bad_request"  # would fail everywhere: the only kind that stops the search
    CONTEXT_LENGTH = "context_length"  # too long for this model
    CONTENT_FILTER = "content_filter"
    UNABLE = "model_unable"  # the model works, and cannot do what this request asks of it
    UNENTITLED = "not_entitled"  # this account may not do with the model what this request asks; another one may
    MODEL = "model_unavailable"  # unknown, retired or not entitled here
    AUTH = "auth"  # the credential is refused
    PERMISSION = "permission"
    BANNED = "banned"  # the account is closed to us: only somebody's doing helps
    CREDIT = "out_of_credit"  # prepaid money or a spending limit is used up: somebody has to pay
    QUOTA = "quota_exhausted"  # a plan's window is used up; it comes back by itself
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    NETWORK = "network"  # refused, DNS, TLS, proxy, reset before a reply
    SERVER = "server_error"
    PROTOCOL = "bad_reply"  # HTML, garbage, empty, a stream that was cut


class UpstreamFailure(Exception):
    """One attempt failed. ``status`` is the provider's (None without a reply), ``message`` its words, made safe.

    When it wants to be asked again: ``retry_after`` in seconds; or at ``resets_at``, Unix time by its own clock, which
    goes before until ``providers.waits`` has made seconds of it. ``of_model``: the limit that is used up counts this
    model (and some others, at most), not all that the account may use.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        type: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        resets_at: float | None = None,
        of_model: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind, self.message, self.status = kind, message, status
        self.code, self.type, self.param, self.retry_after = code, type, param, retry_after
        self.resets_at, self.of_model = resets_at, of_model


class Refusal(Exception):
    """The gateway's own answer instead of a provider's: wrong input, no permission, nothing to route to.

    ``status`` is HTTP, ``type`` and ``code`` are OpenAI's words (each client format maps them to its own),
    ``param`` names the field, ``retry_after`` is seconds; ``allow`` are the methods that a 405 tells, ``accept`` the
    encodings of bodies that a 415 tells.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        allow: tuple[str, ...] = (),
        accept: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.type, self.code = status, message, type, code
        self.param, self.retry_after, self.allow, self.accept = param, retry_after, allow, accept
