"""Device logins: the person types a code at the vendor's page while we ask whether they have. Without I/O.

Four dialects: RFC 8628, Codex's (a code to exchange comes back), AWS's (a client is registered first, names in camel
case) and Kilo's (the status tells).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from providers.logins.engine import (
    Ask,
    LoginFailed,
    Talk,
    Tokens,
    Told,
    Values,
    ask_of,
    exchange,
    granted,
)
from providers.logins.flow import Flow, Method, fill, filled

SLOWER = 5  # seconds more after slow_down


class Waiting(Exception):
    """Not yet. ``slower``: seconds to add between two questions."""

    def __init__(self, slower: int = 0) -> None:
        super().__init__("waiting")
        self.slower = slower


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device login that was begun. ``kept``: what its questions need, secret."""

    user_code: str
    verify_url: str
    complete_url: str = ""  # with the code in it
    interval: int = 5  # seconds
    lasts: int = 600
    kept: Mapping[str, str] = field(default_factory=dict, repr=False)


def start(flow: Flow, method: Method, values: Values) -> Talk:
    """Begin one; returns Device. Raises LoginFailed."""
    return DIALECTS[method.kind][0](flow, method, values)


def poll(flow: Flow, method: Method, values: Values) -> Talk:
    """Ask whether the person has agreed; returns Tokens. Raises Waiting and LoginFailed."""
    return DIALECTS[method.kind][1](flow, method, values)


def _begun(told: Told) -> dict[str, Any]:
    if not told.good or not isinstance(told.document, dict):
        code = "too_many" if told.status == 429 else told.code or f"http_{told.status}"
        raise LoginFailed(code, told.words(), status=told.status)
    return told.document


def _number(value: Any, default: int) -> int:
    """A number of seconds, also when it was said as text."""
    try:
        return max(1, min(int(float(value)), 3600))
    except (TypeError, ValueError, OverflowError):
        return default


def _headers(flow: Flow, values: Values) -> dict[str, str]:
    return filled({"accept": "application/json", **flow.headers}, values)


# -- RFC 8628 ------------------------------------------------------------------------------------------
def _start(flow: Flow, method: Method, values: Values) -> Generator[Ask, Told, Device]:
    fields = filled(method.device_fields, values)
    reply = _begun((yield Ask("POST", method.device_url, _headers(flow, values), form=fields)))
    user_code = str(reply.get("user_code") or "")
    shown = {**values, "user_code": user_code}
    return Device(
        user_code=user_code,
        verify_url=reply.get("verification_uri") or reply.get("verification_url") or fill(method.verify_url, shown),
        complete_url=reply.get("verification_uri_complete") or "",
        interval=_number(reply.get("interval"), method.interval),
        lasts=_number(reply.get("expires_in"), method.lasts),
        kept={"device_code": str(reply.get("device_code") or "")},
    )


def _poll(flow: Flow, method: Method, values: Values) -> Generator[Ask, Told, Tokens]:
    told = yield ask_of(flow, flow.exchange_of(method), values)
    if told.code == "authorization_pending":
        raise Waiting
    if told.code == "slow_down":
        raise Waiting(SLOWER)
    return granted(told, flow.names_of(method.id))


# -- Codex ------------------------------------------------------------------------------------------
def _codex_start(flow: Flow, method: Method, values: Values) -> Generator[Ask, Told, Device]:
    body = {"client_id": values.get("client_id")}
    reply = _begun((yield Ask("POST", method.device_url, _headers(flow, values), json=body)))
    user_code = str(reply.get("user_code") or reply.get("usercode") or "")
    return Device(
        user_code=user_code,
        verify_url=method.verify_url,
        interval=_number(reply.get("interval"), method.interval),
        lasts=method.lasts,
        kept={"device_code": str(reply.get("device_auth_id") or ""), "user_code": user_code},
    )


def _codex_poll(flow: Flow, method: Method, values: Values) -> Generator[Ask, Told, Tokens]:
    body = {"device_auth_id": values.get("device_code"), "user_code": values.get("user_code")}
    told = yield Ask("POST", method.poll_url, _headers(flow, values), json=body)
    if told.status in (403, 404) and told.code not in ("access_denied", "expired_token"):
        raise Waiting
    reply = _begun(told)
    proof = {"code": reply.get("authorization_code"), "verifier": reply.get("code_verifier")}
    found: Tokens = yield from exchange(flow, method, {**values, **proof, "redirect_uri": method.redirect.fixed})
    return found


# -- AWS ------------------------------------------------------------------------------------------
def _aws_start(flow: Flow, method: Method, values: Values) -> Generator[Ask, Told, Device]:
    headers = _headers(flow, values)
    wanted = {**method.register, "scopes": list(flow.scopes)}
    wanted.setdefault("issuerUrl", values.get("start_url"))
    client = _begun((yield Ask("POST", fill(method.register_url, values), headers, json=wanted)))
    kept = {"client_id": str(client.get("clientId") or ""), "client_secret": str(client.get("clientSecret") or "")}
    body = {"clientId": kept["client_id"], "clientSecret": kept["client_secret"], "startUrl": values.get("start_url")}
    reply = _begun((yield Ask("POST", fill(method.device_url, values), headers, json=body)))
    return Device(
        user_code=str(reply.get("userCode") or ""),
        verify_url=reply.get("verificationUri") or "",
        complete_url=reply.get("verificationUriComplete") or "",
        interval=_number(reply.get("interval"), method.interval),
        lasts=_number(reply.get("expiresIn"), method.lasts),
        kept={**kept, "device_code": str(reply.get("deviceCode") or "")},
    )


def _aws_poll(flow: Flow, method: Method, values: Values) -> Generator[Ask, Told, Tokens]:
    tokens: Tokens = yield from _poll(flow, method, values)
    made = {name: values[name] or "" for name in ("client_id", "client_secret")}
    return replace(tokens, hidden=made, facts={"region": values.get("region") or ""})


# -- Kilo ------------------------------------------------------------------------------------------
def _kilo_start(flow: Flow, method: Method, values: Values) -> Generator[Ask, Told, Device]:
    reply = _begun((yield Ask("POST", method.device_url, _headers(flow, values), json={})))
    code = str(reply.get("code") or "")
    return Device(
        user_code=code,
        verify_url=reply.get("verificationUrl") or "",
        interval=method.interval,
        lasts=_number(reply.get("expiresIn"), method.lasts),
        kept={"device_code": code},
    )


def _kilo_poll(flow: Flow, method: Method, values: Values) -> Generator[Ask, Told, Tokens]:
    told = yield Ask("GET", fill(method.poll_url, values), _headers(flow, values))
    if told.status == 202:
        raise Waiting
    if told.status in (403, 410):
        raise LoginFailed("access_denied" if told.status == 403 else "expired_token", status=told.status)
    reply = _begun(told)
    if not isinstance(reply.get("token"), str):
        raise LoginFailed("no_token", told.words(), status=told.status)
    return Tokens(access=reply["token"], reply=reply)


DIALECTS: Mapping[str, tuple[Callable[..., Talk], Callable[..., Talk]]] = {
    "device": (_start, _poll),
    "codex_device": (_codex_start, _codex_poll),
    "aws_device": (_aws_start, _aws_poll),
    "kilo_device": (_kilo_start, _kilo_poll),
}
