"""A vendor's login as data: ``vendors/*.toml``, one file each, in a closed vocabulary.

Texts between braces in URLs, fields and headers are filled in (:func:`fill`); a field that comes out empty is left
out. Paths such as ``"id_token > email"`` lead into what a login brings: ``token`` (the vendor's reply), ``id_token``
and ``access_token`` (their claims, when they are JWTs), ``given`` (what a person pasted) and every call by its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

FOLDER = Path(__file__).with_name("vendors")
HOLE = re.compile(r"\{([a-z_]+)\}")
REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}")  # of AWS; it becomes part of a host's name
# What may stand between braces.
HOLES = frozenset(
    ("access_token", "account_id", "challenge", "client_id", "client_secret", "code", "device_code", "installation",
     "name", "organization", "redirect_uri", "refresh_token", "region", "scope", "session", "state", "user_code",
     "verifier", "version")
)  # fmt: skip
Paths = tuple[str, ...]


class BadFlow(ValueError):
    """A login's file says something the vocabulary does not know; the message names file and key."""


class Names(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a token reply calls its parts. ``root``: the object that holds them."""

    root: str = ""
    access: str = "access_token"
    refresh: str = "refresh_token"
    id: str = "id_token"
    expires_in: str = "expires_in"  # seconds
    expires_at: str = "expires_at"  # ISO 8601
    scope: str = "scope"


class Exchange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request for tokens."""

    url: str
    fields: dict[str, str]
    encoding: Literal["form", "json"] = "form"
    basic: bool = False  # client id and secret as HTTP Basic


class Call(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request after the login that tells whose it is. Its reply is known by ``name`` in paths."""

    name: str
    url: str
    method: Literal["GET", "POST"] = "GET"
    body: dict[str, object] | None = None
    headers: dict[str, str] = {}
    optional: bool = True  # a failure does not end the login
    kind: Literal["plain", "code_assist"] = "plain"  # code_assist: Google's project, made when there is none
    onboard_url: str = ""  # code_assist only


class Redirect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the vendor sends the browser back to.

    ``fixed``: this address only; with ``listens`` we answer there while the dashboard is used on the same machine.
    ``path``: any port of localhost with this path ("*": any path). ``manual``: the vendor's page that shows the code.
    ``own``: our own address is taken as well, always or with the operator's own client id.
    """

    fixed: str = ""
    listens: bool = False
    path: str = ""
    manual: str = ""
    own: Literal["", "always", "own_client"] = ""


class OwnClient(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The client that a pasted login was made with, which its file names but does not hold.

    It is a matter of files in which a path of ``signs`` leads somewhere, unless one says what ``unless`` says.
    """

    method: str  # the method it was made by, whose renewal is its renewal
    signs: Paths
    unless: dict[str, str]  # path → text, in small letters
    id: str  # paths into pasted JSON
    secret: str
    region: str
    where: str  # where people find it; {name}: what is at the path ``name``
    name: str


class Method(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to log in."""

    id: str
    kind: Literal["code", "device", "codex_device", "aws_device", "kilo_device", "import"]
    # code
    authorize_url: str = ""
    params: dict[str, str] = {}
    pkce: bool = False
    redirect: Redirect = Redirect()
    code_holds_tokens: bool = False  # the code may itself be base64 JSON with the tokens
    state_in_redirect: bool = False  # the vendor takes no state: it goes in the address it sends the browser back to
    # device
    device_url: str = ""
    device_fields: dict[str, str] = {}
    verify_url: str = ""  # shown when the vendor names none; {user_code} is filled in
    poll_url: str = ""
    register_url: str = ""
    register: dict[str, object] = {}
    interval: int = 5
    lasts: int = 600  # seconds, when the vendor does not say
    # device, where the person may name an organization's own start page
    asks: tuple[Literal["start_url", "region", "label"], ...] = ()
    defaults: dict[str, str] = {}
    # import
    takes: dict[str, str] = {}  # our name (access, refresh, id, expires_at, email, …) → path into pasted JSON
    plain: Literal["", "access", "refresh"] = ""  # what a pasted text that is no JSON is
    where: str = ""  # where people find it
    client: OwnClient | None = None
    names: Names | None = None
    exchange: Exchange | None = None
    refresh: Exchange | None = None


class Identity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to find whose login it is: the first path that leads somewhere. ``key``: what tells accounts apart."""

    email: Paths = ()
    account_id: Paths = ()
    plan: Paths = ()
    key: tuple[str, ...] = ("account_id",)


class Flow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vendor's login. ``lead`` and ``lifetime`` are seconds; ``names`` and the exchanges are every method's unless
    it has its own."""

    id: str
    name: str
    methods: tuple[Method, ...]
    client_id: str = ""
    client_id_env: tuple[str, ...] = ()
    client_secret_env: tuple[str, ...] = ()
    needs_secret: bool = False
    scopes: tuple[str, ...] = ()
    headers: dict[str, str] = {}  # of every request of the login
    names: Names = Names()
    exchange: Exchange | None = None
    refresh: Exchange | None = None
    calls: tuple[Call, ...] = ()
    identity: Identity = Identity()
    facts: dict[str, Paths] = {}  # kept in the open for later requests: project, organization, region
    lead: int = 300
    lifetime: int = 0  # assumed of renewable tokens when the vendor says nothing; 0: until it refuses
    bearer: str = "{access_token}"  # what is sent as the token
    sends: dict[str, str] = {}  # headers of requests upstream
    includes: dict[str, str] = {}  # items that a comma-separated header of a request upstream must hold
    preamble: bool = False  # tokens are taken only with an opening system block that names the vendor's own client
    ended: str = ""  # the day the vendor ended it
    notes: str = ""

    def method(self, id: str) -> Method:
        """Raises KeyError."""
        return next((method for method in self.methods if method.id == id), None) or _missing(id)

    def exchange_of(self, method: Method) -> Exchange:
        found = method.exchange or self.exchange
        assert found is not None, "load() has seen to it"
        return found

    def refresh_of(self, method_id: str) -> Exchange | None:
        """How tokens of this method are renewed; None: they are not."""
        own = next((method for method in self.methods if method.id == method_id), None)
        return (own.refresh if own else None) or self.refresh

    def names_of(self, method_id: str) -> Names:
        own = next((method for method in self.methods if method.id == method_id), None)
        return (own.names if own else None) or self.names


def _missing(id: str) -> Method:
    raise KeyError(id)


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """Which application we log in as. ``own``: the operator's, not the vendor's public one."""

    id: str
    secret: str | None
    own: bool

    def __repr__(self) -> str:
        return f"Client({self.id})"


def client_of(flow: Flow, variable: Callable[[str], str | None]) -> Client:
    """The operator's client from the environment, else the public one. ``variable`` reads one by name."""
    own = next(filter(None, map(variable, flow.client_id_env)), None)
    secret = next(filter(None, map(variable, flow.client_secret_env)), None)
    return Client(id=own or flow.client_id, secret=secret, own=own is not None)


def fill(text: str, values: Mapping[str, str | None]) -> str:
    """The text with its holes filled in; what is not known becomes nothing."""
    return HOLE.sub(lambda hole: values.get(hole[1]) or "", text)


def filled(fields: Mapping[str, str], values: Mapping[str, str | None]) -> dict[str, str]:
    """Fields with their holes filled in, empty ones left out."""
    return {name: text for name, form in fields.items() if (text := fill(form, values))}


@cache
def flows() -> Mapping[str, Flow]:
    """Every login by id, parsed once per process. Raises BadFlow."""
    return load(FOLDER)


def load(folder: Path) -> Mapping[str, Flow]:
    """The logins of a folder of TOML files. Raises BadFlow."""
    return {path.stem: parse(path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.toml"))}


def parse(id: str, text: str) -> Flow:
    """One file's text → Flow. Raises BadFlow."""
    try:
        flow = msgspec.toml.decode(text, type=Flow)
    except (msgspec.ValidationError, msgspec.DecodeError) as wrong:
        raise BadFlow(f"{id}.toml: {wrong}") from None
    if fault := _fault(id, flow, text):
        raise BadFlow(f"{id}.toml: {fault}")
    return flow


def _fault(id: str, flow: Flow, text: str) -> str | None:
    if flow.id != id:
        return f"its id is {flow.id!r}."
    if strange := sorted(set(HOLE.findall(text)) - HOLES):
        return f"{{{strange[0]}}} is nothing that can be filled in."
    for method in flow.methods:
        if method.kind not in ("import", "kilo_device") and (method.exchange or flow.exchange) is None:
            return f"{method.id} has no exchange."
        if method.kind == "code" and not method.authorize_url:
            return f"{method.id} has no authorize_url."
        if method.kind == "import" and not (method.takes or method.plain):
            return f"{method.id} takes nothing."
        if method.client and method.client.method not in {each.id for each in flow.methods}:
            return f"{method.id} has a client of a method that is not there."
    return None if flow.methods else "it has no method."
