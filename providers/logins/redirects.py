"""Where a vendor may send the browser back to, and what people paste when it cannot reach us. Pure."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

from providers.logins.engine import LoginFailed
from providers.logins.flow import Method

CALLBACK = "/dashboard/providers/logins/callback/"
LOOPBACK_CALLBACK = "/callback"


class Way(NamedTuple):
    """The redirect address of a login. ``own``: the browser comes back to us; ``listener``: to a port we open for it;
    ``paste``: the person copies the final address, or what the vendor's page shows."""

    uri: str
    how: Literal["own", "listener", "paste"]


def is_loopback(host: str) -> bool:
    """Whether a host name (without port) means the machine the browser runs on."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def way_for(method: Method, origin: str, *, own_client: bool) -> Way:
    """``origin``: scheme://host:port the dashboard is used at; "" when no browser of ours is, then all is pasted."""
    parts = urlsplit(origin)
    here, rules = is_loopback(parts.hostname or ""), method.redirect
    if not origin:
        pass
    elif rules.own == "always" or (rules.own == "own_client" and own_client):
        return Way(origin + CALLBACK, "own")
    if rules.fixed:
        return Way(rules.fixed, "listener" if rules.listens and here else "paste")
    path = LOOPBACK_CALLBACK if rules.path == "*" else rules.path
    if here:  # never straight to CALLBACK, which wants a session: who is signed in at 127.0.0.1 has none at localhost
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return Way(f"{parts.scheme}://localhost:{port}{path}", "own")
    if rules.manual:
        return Way(rules.manual, "paste")
    return Way(f"http://localhost:8085{path}", "paste")  # nobody answers there: the address is copied


class Pasted(NamedTuple):
    code: str
    state: str


def read_pasted(text: str) -> Pasted:
    """Code and state from a whole address or from ``code#state``. Raises LoginFailed."""
    text = text.strip()
    if "://" in text or text.startswith("/"):
        parts = urlsplit(text)
        return read_query(parse_qs(parts.query) | parse_qs(parts.fragment))
    code, _, state = text.partition("#")
    if not code or not state or any(c.isspace() for c in text):
        raise LoginFailed("not_an_address")
    return Pasted(code, state)


def read_query(query: dict[str, list[str]]) -> Pasted:
    """Code and state from the parameters of a callback. Raises LoginFailed with the vendor's own error."""
    said = {name: values[0] for name, values in query.items() if values}
    if error := said.get("error"):
        raise LoginFailed(error[:60], said.get("error_description", "")[:300])
    if not said.get("code"):
        raise LoginFailed("no_code")
    return Pasted(said["code"], said.get("state", ""))
